"""What evaluations say of each class: its IU, and what it is taken for."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import PowerNorm
from numpy.typing import NDArray

from repro.errors import UserError
from repro.metrics import Estimate
from repro.report.figures.canvas import COLOURS, HATCHES, canvas, legend_below, pick

BAR = 0.13  # inches
SHOWN = 0.05  # share of a class's pixels from which a cell of the confusion matrix says its number


def class_iu(series: Mapping[str, Estimate], classes: Sequence[str], path: Path | str, title: str = "") -> None:
    """Write horizontal bars of each class's IU, one bar an evaluation, with its interval.

    Args:
        series: by its label, the scores of an evaluation with their interval, fractions; the IU is (C,), nan for a
            class that does not count: where none counts, the class is left out and named under the chart.
        classes: C names.
        path: of the PNG or SVG.

    Raises:
        UserError: nothing to draw, another number of names than of classes, or the file cannot be written.
    """
    values = {label: estimate.value.iu for label, estimate in series.items()}
    if not values or any(len(iu) != len(classes) for iu in values.values()):
        raise UserError(f"the IU of each class needs evaluations over {len(classes)} classes")
    counted = np.flatnonzero(np.isfinite(list(values.values())).any(axis=0))
    if not counted.size:
        raise UserError("no class counts: there is no IU to draw")
    places = np.arange(counted.size) * (len(series) * BAR + 0.11)  # inches, from the top
    height = float(places[-1]) + len(series) * BAR + 0.11
    left_out = [name for index, name in enumerate(classes) if index not in counted]
    with canvas(path, 6.4, height + 1.0) as figure:
        axes = figure.subplots()
        for index, (label, estimate) in enumerate(series.items()):
            value, low, high = (100 * part.iu[counted] for part in (estimate.value, estimate.low, estimate.high))
            bars = places + (index + 0.5) * BAR
            style = {"color": pick(COLOURS, index), "hatch": pick(HATCHES, index), "edgecolor": "white"}
            axes.barh(bars, value, height=0.88 * BAR, linewidth=0, label=label, **style)
            # a percentile interval need not hold its value
            ends = np.clip([value - low, high - value], 0, None)
            axes.errorbar(value, bars, xerr=ends, fmt="none", ecolor="#333333", elinewidth=0.9, capsize=1.5)
        axes.set_yticks(places + len(series) * BAR / 2, [classes[index] for index in counted.tolist()])
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(height - 0.05, -0.06)
        axes.set_xlim(0, 100)
        axes.grid(axis="x")
        axes.set_title(title, loc="left")
        axes.set_xlabel("IU (%), with the 95% interval over images" + _named("as without pixels", left_out))
        if len(series) > 1:
            legend_below(figure, axes)


def confusion_matrix(matrix: NDArray, classes: Sequence[str], path: Path | str, title: str = "") -> None:
    """Write a confusion matrix as a heat map, each row in shares of the pixels of its class.

    Colours follow the square root of the share, so that rare confusions show; shares from 5% are printed.

    Args:
        matrix: (C, C) integers, row = truth, column = predicted. Classes that are in neither are left out.
        classes: C names.
        path: of the PNG or SVG.

    Raises:
        UserError: the matrix is not C x C or empty, or the file cannot be written.
    """
    if matrix.shape != (len(classes), len(classes)) or not matrix.any():
        raise UserError(
            f"a confusion matrix over {len(classes)} classes is needed, not {matrix.shape}, nor an empty one"
        )
    kept = np.flatnonzero(matrix.sum(axis=0) + matrix.sum(axis=1))
    names = [classes[index] for index in kept.tolist()]
    counts = matrix[np.ix_(kept, kept)].astype(float)
    with np.errstate(invalid="ignore"):
        shares = counts / counts.sum(axis=1, keepdims=True)  # nan: predicted, but in no truth
    cell = max(1.8 / len(kept), 0.27 if len(kept) <= 25 else 0.2 if len(kept) <= 42 else 0.165)  # inches
    font = min(26 * cell + 0.5, 9)
    side = cell * len(kept)
    with canvas(path, side + 2.1, side + 1.7, dpi=150) as figure:
        axes = figure.subplots()
        axes.set_facecolor("#e4e4e4")
        image = axes.imshow(shares, norm=PowerNorm(0.5, 0, 1), cmap="Blues", interpolation="nearest")
        for row, column in zip(*np.nonzero(shares >= SHOWN), strict=True):
            ink = "white" if shares[row, column] > 0.45 else "black"
            text = f"{100 * shares[row, column]:.0f}"
            axes.text(column, row, text, ha="center", va="center", fontsize=min(6.5, 24 * cell), color=ink)
        axes.set_xticks(range(len(kept)), names, rotation=90, fontsize=font)
        axes.set_yticks(range(len(kept)), names, fontsize=font)
        axes.tick_params(length=0, pad=2)
        axes.spines[:].set_visible(False)
        axes.set_title(title, loc="left")
        left_out = [name for index, name in enumerate(classes) if index not in kept]
        axes.set_xlabel("predicted" + _named("as in neither", left_out))
        axes.set_ylabel("truth")
        beside = axes.inset_axes((1 + 0.1 / side, 0, 0.15 / side, 1))
        bar = figure.colorbar(image, cax=beside, ticks=[0, 0.01, 0.05, 0.25, 0.5, 1])
        bar.ax.set_yticklabels(["0", "1", "5", "25", "50", "100"])
        bar.set_label("share of the class's pixels (%)")
        bar.outline.set_visible(False)


def _named(what: str, names: Sequence[str]) -> str:
    """A line for an axis: the classes that are not drawn; their number, where they are many."""
    if not names:
        return ""
    return f"\nnot drawn, {what}: " + (", ".join(names) if len(names) <= 4 else f"{len(names)} classes")
