"""How long things take: bars, one panel a device."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from repro.errors import UserError
from repro.records import Timing
from repro.report.figures.canvas import COLOURS, HATCHES, canvas, pick
from repro.report.timing.pool import device_of

VALUES = ("subject", "precision", "mode", "direction", "peer")  # settings that need no name before their value


@dataclass(frozen=True)
class _Bar:
    label: str
    series: str
    milliseconds: list[float]


def latency(timings: Sequence[Timing], path: Path | str, title: str = "") -> None:
    """Write bars of the median time, with the 10th to the 90th percentile and every trial; one panel a device.

    Settings that all timings share stand above the panels, the others beside the bars. A case that ran out of memory
    has no bar and says so. Where a trial is of several `images`, its time is that of one.

    Args:
        timings: of any case; each of their series is a bar.
        path: of the PNG or SVG.

    Raises:
        UserError: no timing, or the file cannot be written.
    """
    if not timings:
        raise UserError("no timing to draw")
    shared, labels = label_timings(timings, without=("images",))
    names = list(dict.fromkeys(name for timing in timings for name in timing.seconds))
    panels: dict[str, list[_Bar]] = {}
    for timing, label in zip(timings, labels, strict=True):
        for name, trials in (timing.seconds or {"": []}).items():
            what = ": ".join(filter(None, (label, name if len(names) > 1 else "")))
            scale = 1000 / int(timing.settings.get("images", 1))
            bar = _Bar(what or timing.subject, name, [scale * trial for trial in trials])
            panels.setdefault(device_of(timing), []).append(bar)
    heights = [0.21 * len(bars) + 0.7 for bars in panels.values()]
    with canvas(path, 7.2, sum(heights) + 0.55) as figure:
        subplots = figure.subplots(len(panels), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
        for axes, (device, bars) in zip(subplots, panels.items(), strict=True):
            _draw(axes, bars, names)
            axes.set_title(device, loc="left", fontsize=9)
        unit = "milliseconds an image" if any("images" in timing.settings for timing in timings) else "milliseconds"
        figure.supxlabel(f"{unit}: median, 10th to 90th percentile, every trial", fontsize=9)
        figure.suptitle("\n".join(filter(None, (title, shared))), fontsize=10)


def label_timings(timings: Sequence[Timing], without: Collection[str] = ()) -> tuple[str, list[str]]:
    """What subject and settings all timings share, in words, and what tells each from the others.

    Args:
        without: settings to leave out of both. The device always is.
    """
    hidden = {"device", *without}
    parts = [
        {"subject": t.subject, **{name: value for name, value in t.settings.items() if name not in hidden}}
        for t in timings
    ]
    names = list(dict.fromkeys(name for part in parts for name in part))
    shared = [name for name in names if len({part.get(name) for part in parts}) == 1]
    own = [_words({name: value for name, value in part.items() if name not in shared}) for part in parts]
    return _words({name: parts[0][name] for name in shared}), own


def _words(settings: Mapping[str, str | int]) -> str:
    """Settings as one says them: `fp32, eager, batch 1, 500×500`."""
    words = []
    for name, value in settings.items():
        if name == "height" and "width" in settings:
            words.append(f"{value}×{settings['width']}")
        elif name in VALUES:
            words.append(str(value))
        elif not (name == "width" and "height" in settings):
            words.append(f"{name} {value}")
    return ", ".join(words)


def _draw(axes: Axes, bars: Sequence[_Bar], names: Sequence[str]) -> None:
    """Bars from the top down, in the colour and hatch of their series."""
    longest = max((max(bar.milliseconds) for bar in bars if bar.milliseconds), default=1.0)
    for place, bar in enumerate(bars):
        if not bar.milliseconds:
            axes.text(0.01 * longest, place, "out of memory", va="center", fontsize=8, style="italic")
            continue
        low, middle, high = np.quantile(bar.milliseconds, [0.1, 0.5, 0.9])
        index = names.index(bar.series)
        style = {"color": pick(COLOURS, index), "hatch": pick(HATCHES, index), "edgecolor": "white", "linewidth": 0}
        axes.barh(place, middle, height=0.72, alpha=0.75, **style)
        axes.plot(bar.milliseconds, [place] * len(bar.milliseconds), "|", color="#333333", ms=4, mew=0.5)
        ends = [[middle - low], [high - middle]]
        axes.errorbar(middle, place, xerr=ends, ecolor="black", elinewidth=1.2, capsize=2.5)
        number = f"{middle:,.0f}" if middle >= 100 else f"{middle:.3g}"
        axes.text(max(bar.milliseconds), place, f"  {number}", va="center", fontsize=8)
    axes.set_yticks(range(len(bars)), [bar.label for bar in bars])
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    axes.set_xlim(0, 1.2 * longest)
    if not any(bar.milliseconds for bar in bars):
        axes.set_xticks([])
    axes.grid(axis="x")
