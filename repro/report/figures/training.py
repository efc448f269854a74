"""How trainings went: loss and score on the way, and Fig. 5's question whether patches train faster."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from repro.errors import UserError
from repro.report.curves import Run
from repro.report.figures.canvas import canvas, legend_below, line_style

POINTS = 200  # of a line; more are averaged


def training_curves(runs: Sequence[Run], path: Path | str, title: str = "") -> None:
    """Write the loss against iterations and, where one was validated on its way, the mean IU.

    Args:
        runs: trainings whose losses may be compared: of one recipe. Where a run logged more than 200 losses, a point of
            its line is the mean of several.
        path: of the PNG or SVG.

    Raises:
        UserError: no run, one without a loss, or the file cannot be written.
    """
    _check(runs)
    validated = any("mean_iu" in run.scalars and len(run.scalars["mean_iu"][0]) > 1 for run in runs)
    with canvas(path, 9.2 if validated else 6.4, 3.7) as figure:
        axes = figure.subplots(1, 1 + validated, squeeze=False)[0]
        for index, run in enumerate(runs):
            steps, losses = run.scalars["loss"]
            _line(axes[0], *thin(steps, losses), run.name, index)
            if validated and "mean_iu" in run.scalars:
                _line(axes[1], *run.scalars["mean_iu"], run.name, index)
        axes[0].set_yscale("log")
        axes[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axes[0].yaxis.set_major_formatter("{x:g}")
        axes[0].yaxis.set_minor_formatter("")
        axes[0].set_ylabel("loss")
        axes[0].set_title(title, loc="left")
        if validated:
            axes[1].set_ylabel("mean IU in validation (%)")
        for each in axes:
            each.set_xlabel("iterations")
        legend_below(figure, axes[0])


def patch_sampling(runs: Sequence[Run], path: Path | str, title: str = "") -> None:
    """Write Fig. 5 of the paper: loss against updates of the weights, and loss against images processed.

    Args:
        runs: trainings on whole images and on patches of them, with as many more images an update.
        path: of the PNG or SVG.

    Raises:
        UserError: no run, one without a loss, or the file cannot be written.
    """
    _check(runs)
    with canvas(path, 9.2, 3.7) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for index, run in enumerate(runs):
            steps, losses = thin(*run.scalars["loss"])
            label = "whole images" if run.sampled == 1 else f"{100 * run.sampled:g}% sampling"
            _line(left, steps / run.accumulated, losses, label, index)
            _line(right, steps * run.images, losses, label, index)
        left.set_ylabel("training loss")
        left.set_xlabel("iterations (updates of the weights)")
        right.set_xlabel("images processed")
        left.set_title(title, loc="left")
        legend_below(figure, left)


def thin(steps: NDArray, values: NDArray) -> tuple[NDArray, NDArray]:
    """At most 200 points: means of consecutive ones, as equally many as may be."""
    ends = np.linspace(0, len(steps), min(POINTS, len(steps)) + 1).astype(int)
    starts, counts = ends[:-1], np.diff(ends)
    return np.add.reduceat(steps, starts) / counts, np.add.reduceat(values, starts) / counts


def _line(axes: Axes, x: NDArray, y: NDArray, label: str, index: int) -> None:
    every = max(1, len(x) // 8)
    axes.plot(x, y, label=label, markevery=(index * every // 7 % every, every), **line_style(index))
    axes.grid(visible=True)
    axes.set_xlim(left=0)


def _check(runs: Sequence[Run]) -> None:
    if not runs or any(not len(run.scalars.get("loss", ((),))[0]) for run in runs):
        raise UserError("training curves need runs that logged a loss")
