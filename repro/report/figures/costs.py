"""What a finer stride costs, and how cost grows with the image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

from repro.errors import UserError
from repro.records import Timing
from repro.report.figures.canvas import canvas, legend_below, line_style
from repro.report.figures.times import label_timings
from repro.report.grouping import Along
from repro.report.timing.pool import device_of
from repro.report.timing.quantities import median, per_pixel

GIB = 2**30
nanoseconds = per_pixel(median, 1e9)


@dataclass(frozen=True)
class Tradeoff:
    """A net in the plane of time and score.

    Attributes:
        label: beside its point.
        stride: of its output, in pixels.
        milliseconds: of a forward pass: the 10th percentile, the median, the 90th percentile.
        mean_iu: in percent: the lower end of its interval, the value, the upper end.
    """

    label: str
    stride: int
    milliseconds: tuple[float, float, float]
    mean_iu: tuple[float, float, float]


def tradeoff(lines: Mapping[str, Sequence[Tradeoff]], path: Path | str, title: str = "") -> None:
    """Write mean IU against milliseconds, a point a net, each line from its coarsest stride to its finest.

    Args:
        lines: by its name, the nets of one device and one way to run them.
        path: of the PNG or SVG.

    Raises:
        UserError: no point, or the file cannot be written.
    """
    if not any(lines.values()):
        raise UserError("no net to draw: stride, time and score of one are needed")
    with canvas(path, 6.0, 4.2) as figure:
        axes = figure.subplots()
        for index, (name, points) in enumerate(lines.items()):
            ordered = sorted(points, key=lambda point: -point.stride)
            x = np.array([point.milliseconds for point in ordered])
            y = np.array([point.mean_iu for point in ordered])
            style = line_style(index)
            axes.errorbar(x[:, 1], y[:, 1], xerr=_ends(x), yerr=_ends(y), label=name, elinewidth=0.8, **style)
            for number, point in enumerate(ordered):
                place = point.milliseconds[1], point.mean_iu[1]
                side, offset = ("left", 7) if number % 2 == 0 else ("right", -7)  # neighbours are close together
                axes.annotate(point.label, place, (offset, -11), textcoords="offset points", ha=side, fontsize=8)
        axes.margins(x=0.25, y=0.15)
        axes.grid()
        axes.set_xlabel("milliseconds a forward pass: median, 10th to 90th percentile")
        axes.set_ylabel("mean IU (%), with the 95% interval over images")
        axes.set_title(title, loc="left")
        if len(lines) > 1:
            legend_below(figure, axes)


def cost(timings: Sequence[Timing], along: Along = "size", *, path: Path | str, title: str = "") -> None:
    """Write time per pixel and peak memory against the size of an image or of a batch.

    There is a line for each mode and precision, and for each batch or each size.

    Args:
        timings: of one device, with `batch`, `height` and `width` among their settings, and `peak_memory_bytes` in
            their work where it is known. One that ran out of memory is a cross at the top.
        path: of the PNG or SVG.

    Raises:
        UserError: no timing, one without a size, timings of several devices, or the file cannot be written.
    """
    if not timings or any(not {"batch", "height", "width"} <= set(timing.settings) for timing in timings):
        raise UserError("the cost curves need timings with batch, height and width")
    if len({device_of(timing) for timing in timings}) > 1:
        raise UserError("the cost curves of two devices do not share a chart")
    hidden, position = (("height", "width"), _pixels) if along == "size" else (("batch",), _batch)
    shared, labels = label_timings(timings, without=hidden)
    lines: dict[str, list[Timing]] = {label: [] for label in labels}
    for timing, label in sorted(zip(timings, labels, strict=True), key=lambda pair: position(pair[0])):
        lines[label].append(timing)
    places = {position(timing): "×".join(str(timing.settings[name]) for name in hidden) for timing in timings}
    with canvas(path, 9.2, 4.2) as figure:
        left, right = figure.subplots(1, 2)
        for index, (label, found) in enumerate(lines.items()):
            style = line_style(index)
            ran = [timing for timing in found if timing.outcome == "measured"]
            left.plot([position(t) for t in ran], [nanoseconds(t) for t in ran], label=label or title, **style)
            known = [timing for timing in ran if "peak_memory_bytes" in timing.work]
            right.plot([position(t) for t in known], [t.work["peak_memory_bytes"] / GIB for t in known], **style)
            failed = [position(timing) for timing in found if timing.outcome != "measured"]
            top = {"transform": right.get_xaxis_transform(), "in_layout": False}
            right.plot(failed, [1 - 0.04 * index] * len(failed), "x", color=style["color"], ms=7, mew=2, **top)
        for axes in (left, right):
            axes.set_xscale("log")
            slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if along == "size" else {}
            axes.set_xticks(list(places), list(places.values()), **slanted)
            axes.minorticks_off()
            axes.set_xlabel("size of an image (pixels)" if along == "size" else "images in a batch")
            axes.grid()
        left.set_ylabel("nanoseconds a pixel (median)")
        left.set_ylim(bottom=0)
        right.set_ylabel("peak memory (GiB); ×: out of memory")
        if any("peak_memory_bytes" in timing.work for timing in timings):
            right.set_yscale("log")
            right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            right.yaxis.set_major_formatter("{x:g}")
            right.yaxis.set_minor_locator(NullLocator())
        figure.suptitle("\n".join(filter(None, (title, shared))), fontsize=10)
        if len(lines) > 1:
            legend_below(figure, left)


def _batch(timing: Timing) -> int:
    return int(timing.settings["batch"])


def _pixels(timing: Timing) -> int:
    return int(timing.settings["height"]) * int(timing.settings["width"])


def _ends(values: NDArray) -> NDArray:
    """(N, 3) low, value, high -> (2, N) lengths of error bars; an interval of percentiles need not hold its value."""
    return np.clip([values[:, 1] - values[:, 0], values[:, 2] - values[:, 1]], 0, None)
