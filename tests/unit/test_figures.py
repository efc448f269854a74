"""Pictures are the same bytes each time, and refuse what they cannot colour."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from repro.errors import UserError
from repro.report import figures


def test_a_grid_is_the_same_png_each_time(tmp_path):
    rng = np.random.default_rng(0)
    palette = [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    rows = []
    for height, width in ((60, 80), (80, 50)):
        truth = rng.integers(0, 3, (height, width))
        truth[:5] = 255
        rows.append([rng.integers(0, 256, (height, width, 3), np.uint8), truth, truth, truth, truth])
    for name in ("a.png", "b.png"):
        figures.grid(rows, tmp_path / name, palette)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert not picture.info.keys() & {"Software", "Creation Time"}
        colours = {tuple(colour) for colour in np.asarray(picture.convert("RGB")).reshape(-1, 3).tolist()}
    assert {*palette, figures.VOID_COLOUR} <= colours


def test_a_grid_stands_as_in_the_paper(tmp_path):
    """Image, coarse to fine, truth, each in its place: told by colour."""
    palette = [(10, 0, 0), (20, 100, 0), (30, 0, 100), (40, 100, 100)]
    assert figures.TITLES == ("image", "FCN-32s", "FCN-16s", "FCN-8s", "truth")
    rng = np.random.default_rng(1)
    sizes = [(60, 80), (80, 50), (33, 47)]
    rows = [[np.full((*size, 3), 200, np.uint8), *(np.full(size, n) for n in range(4))] for size in sizes]
    path = tmp_path / "a.png"
    figures.grid([rows[index] for index in rng.permutation(3)], path, palette)
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    across = [np.flatnonzero((pixels == colour).all(axis=2).any(axis=0)).mean() for colour in [(200,) * 3, *palette]]
    assert across == sorted(across) and min(np.diff(across)) > pixels.shape[1] / 8


def test_a_grid_as_svg_needs_nothing_beside_it(tmp_path):
    rng = np.random.default_rng(2)
    image, labels = rng.integers(0, 256, (20, 30, 3), np.uint8), rng.integers(0, 2, (20, 30))
    for name in ("a.svg", "b.svg"):
        figures.grid([[image, labels]], tmp_path / name, [(0, 0, 0), (128, 0, 0)], titles=("image", "truth"))
    text = (tmp_path / "a.svg").read_text()
    assert text == (tmp_path / "b.svg").read_text()
    assert text.count("data:image/png;base64,") == 2 and "<dc:date>" not in text
    with pytest.raises(UserError, match=r"\.svg nor in \.png"):
        figures.grid([[image, labels]], tmp_path / "a.pdf", [(0, 0, 0), (128, 0, 0)], titles=("image", "truth"))


def test_colours_and_their_faults(tmp_path):
    palette = [(0, 0, 0), (128, 0, 0)]
    labels = np.array([[0, 1], [255, 0]], np.uint8)
    assert figures.colour(labels, palette).tolist() == [
        [[0, 0, 0], [128, 0, 0]],
        [list(figures.VOID_COLOUR), [0, 0, 0]],
    ]
    with pytest.raises(UserError, match="holds 2"):
        figures.colour(labels + np.uint8(1), palette)
    with pytest.raises(UserError, match="rows of 5"):
        figures.grid([[labels]], tmp_path / "a.png", palette)
    assert not list(Path(tmp_path).iterdir())


@pytest.mark.parametrize(("size", "cells"), [((60, 90), (7, 9)), ((1, 1), (1, 1)), ((3, 900), (1, 30))])
def test_a_heat_map_of_any_shape(tmp_path, size, cells):
    image = np.zeros((*size, 3), np.uint8)
    for name in ("a.png", "b.png"):
        figures.heat(image, np.full(cells, 0.5, np.float32), "cat", tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    figures.grid([[image, image[..., 0]]], tmp_path / "c.png", [(0, 0, 0)], titles=("image", "truth"))
