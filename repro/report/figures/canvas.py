"""What all figures share: a canvas that is drawn, saved and forgotten, and a style that says nothing by colour alone.

matplotlib without pyplot: no window, no global state; without the user's settings and without dates: the same bytes
every time.
"""

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from repro.errors import UserError
from repro.files import atomic

# Okabe and Ito's palette for every kind of colour vision, without the yellow that white paper swallows
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 3)))
HATCHES = ("", "////", "..", "\\\\\\\\", "xxx", "---", "+++")
STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": "#d9d9d9",
    "grid.linewidth": 0.6,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.4,
    "lines.markersize": 5,
    "svg.hashsalt": "repro",  # the ids inside an SVG
}
# None leaves a field out, as matplotlib's version and the date
METADATA = {"svg": {"Date": None, "Creator": None}, "png": {"Software": None}}


@contextlib.contextmanager
def canvas(path: Path | str, width: float, height: float, dpi: int = 120) -> Iterator[Figure]:
    """Hand out an empty figure of a size in inches, and write it to `path` when the block succeeds.

    Raises:
        UserError: the path ends neither in .svg nor in .png, or its folder cannot be written.
    """
    kind = Path(path).suffix.removeprefix(".").lower()
    if kind not in METADATA:
        raise UserError(f"{path} ends neither in .svg nor in .png: figures are written as one of the two")
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = Figure(figsize=(width, height))
        FigureCanvasAgg(figure)
        figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.03, wspace=0, hspace=0)
        yield figure
        with atomic(path) as temporary:
            figure.savefig(temporary, format=kind, dpi=dpi, metadata=METADATA[kind])


def pick(values: Sequence[Any], index: int) -> Any:
    """The style of a series; begins again where there are more series than styles."""
    return values[index % len(values)]


def line_style(index: int) -> dict[str, Any]:
    """Colour, dashes and marker of a line."""
    return {"color": pick(COLOURS, index), "linestyle": pick(LINES, index), "marker": pick(MARKERS, index)}


def legend_below(figure: Figure, axes: Axes) -> None:
    """The legend of one of the figure's axes, under all of them, where it covers nothing; makes the figure higher."""
    handles, labels = axes.get_legend_handles_labels()
    width, height = figure.get_size_inches()
    fitting = int(width / (0.075 * max(map(len, labels)) + 0.6))  # inches: of a letter, and of a line's sample
    columns = max(1, min(fitting, len(labels)))
    figure.set_size_inches(width, height + 0.18 * math.ceil(len(labels) / columns))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, handlelength=3)
