"""Pictures of predictions: label maps in colour, grids of them, and heat maps."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from repro.errors import UserError
from repro.report.figures.canvas import canvas

TITLES = ("image", "FCN-32s", "FCN-16s", "FCN-8s", "truth")
VOID_COLOUR = (240, 240, 232)  # near white, as in the paper's figures
WIDTH = 2.0  # inches a picture


def colour(labels: NDArray, palette: Sequence[Sequence[int]], void: int = 255) -> NDArray[np.uint8]:
    """Colour a label map.

    Args:
        labels: integers, (H, W).
        palette: RGB of each class, (C, 3).
        void: the label that is drawn near white.

    Returns:
        RGB, (H, W, 3) uint8.

    Raises:
        UserError: a label other than void that the palette does not hold.
    """
    table = np.full((max(256, len(palette)), 3), VOID_COLOUR, np.uint8)
    table[: len(palette)] = palette
    table[void] = VOID_COLOUR
    known = (labels == void) | ((labels >= 0) & (labels < len(palette)))
    if not known.all():
        raise UserError(f"the label map holds {labels[~known][0]}, but the palette has {len(palette)} classes")
    return table[labels]


def grid(
    rows: Sequence[Sequence[NDArray]],
    path: Path | str,
    palette: Sequence[Sequence[int]],
    titles: Sequence[str] = TITLES,
    void: int = 255,
) -> None:
    """Write a grid such as image | 32s | 16s | 8s | truth (figures 4 and 6 of the paper).

    Args:
        rows: for each picture an RGB image, (H, W, 3) uint8, and label maps, (H, W); as many as there are titles.
        path: of the PNG or SVG.
        palette: RGB of each class, (C, 3).
        titles: above the columns.

    Raises:
        UserError: no row, a row of another length than the titles, an unknown label, or the file cannot be written.
    """
    if not rows or any(len(row) != len(titles) for row in rows):
        raise UserError(f"a grid needs rows of {len(titles)} pictures: {', '.join(titles)}")
    pictures = [[p if p.ndim == 3 else colour(p, palette, void) for p in row] for row in rows]
    heights = [WIDTH * _ratio(row[0]) for row in pictures]
    size = WIDTH * len(titles) + 0.1 * (len(titles) + 1), sum(heights) + 0.1 * len(rows) + 0.35
    with canvas(path, *size) as figure:
        axes = figure.subplots(len(rows), len(titles), squeeze=False, gridspec_kw={"height_ratios": heights})
        for line, row in zip(axes, pictures, strict=True):
            for axis, picture in zip(line, row, strict=True):
                axis.imshow(picture, interpolation="nearest")
                axis.set_axis_off()
        for axis, title in zip(axes[0], titles, strict=True):
            axis.set_title(title)


def heat(image: NDArray, values: NDArray, title: str, path: Path | str) -> None:
    """Write an image beside the coarse heat map of a class (figure 2 of the paper).

    Args:
        image: RGB, (H, W, 3) uint8.
        values: probabilities, (h, w), at the net's own stride; drawn cell by cell, not smoothed.
        title: above the heat map: the class.
        path: of the PNG or SVG.

    Raises:
        UserError: the file cannot be written.
    """
    height = 1.5 * WIDTH * max(_ratio(image), _ratio(values))
    with canvas(path, 3 * WIDTH + 0.9, height + 0.45) as figure:
        left, right = figure.subplots(1, 2)
        left.imshow(image)
        left.set_title("image")
        cells = right.imshow(values, vmin=0, vmax=1, cmap="viridis", interpolation="nearest")
        right.set_title(title)
        left.set_axis_off()
        right.set_axis_off()
        figure.colorbar(cells, ax=right, fraction=0.05).set_label("probability")


def _ratio(picture: NDArray) -> float:
    """Height over width, within what can be drawn."""
    return float(np.clip(picture.shape[0] / picture.shape[1], 0.2, 5))
