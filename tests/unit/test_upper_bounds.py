"""Down and up again against hand-made cases, a slow implementation in exact fractions, and other libraries."""

import math
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch.nn import functional

from repro.models.upsample import bilinear_kernel
from repro.upper_bounds.counting import count
from repro.upper_bounds.masks import find
from repro.upper_bounds.procedures import AFTER, BEFORE, FACTORS, PROCEDURES, Procedure
from repro.upper_bounds.resample import axis_of, go_down, go_up

VOID = 255
MASKS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "voc_seg11valid_masks.zip"


def blobs(height, width, seed=0, classes=4, void=0.1):
    """A random label map of patches of about five pixels, with void ones among them."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, classes, (height // 5 + 1, width // 5 + 1)).astype(np.uint8)
    small[rng.random(small.shape) < void] = VOID
    label = np.kron(small, np.ones((5, 5), np.uint8))[:height, :width].copy()
    label[rng.random(label.shape) < 0.02] = VOID
    return label


def iu(label, procedure, factor, classes=21):
    """IU of each class that is present."""
    hit, truth, predicted = count(label, [procedure], [factor], classes)[0, 0]
    present = truth > 0
    return (hit / np.maximum(truth + predicted - hit, 1))[present]


def resampled(label, factor, down, up, lattice):
    """The label map that comes back; no void in it."""
    ids = np.unique(label)
    rows, columns = (axis_of(lattice, length, factor) for length in label.shape)
    return ids[go_up(go_down(label, ids, down, rows, columns), up, rows, columns)]


# A slow implementation: one pixel at a time, in exact fractions.


def slow_cells(lattice, length, factor):
    """The extent of every coarse pixel."""
    if lattice == "FCN":
        start = -(99 % factor)
        return [(Fraction(p), Fraction(p + factor)) for p in range(start, length, factor)]
    how, rounding = lattice.split(", ")
    rounding, _, more = rounding.partition(" + ")
    roundings = {"ceil": -(-length // factor), "floor": length // factor, "round": round(length / factor)}
    number = max(1, roundings[rounding]) + int(more or 0)
    over = number * factor - length  # how much longer the coarse pixels are than the image
    starts = {
        "steps": 0,
        "steps from the end": -over,
        "steps about the middle": Fraction(-over, 2),
        "steps from the edge": Fraction(-factor, 2),
    }
    if how in starts:
        return [(Fraction(starts[how] + factor * i), Fraction(starts[how] + factor * (i + 1))) for i in range(number)]
    if how == "resized":
        return [(Fraction(length * i, number), Fraction(length * (i + 1), number)) for i in range(number)]
    step = Fraction(length - 1, number - 1) if number > 1 else Fraction(length)
    centres = [i * step + Fraction(1, 2) for i in range(number)]
    return [(centre - step / 2, centre + step / 2) for centre in centres]


def overlap(a, b, pixel, length):
    return max(Fraction(0), min(b, Fraction(pixel + 1)) - max(a, Fraction(pixel)))


def nearness(a, b, pixel, length):
    return max(Fraction(0), (b - a) - abs((a + b) / 2 - pixel - Fraction(1, 2)))


def nearness_mirrored(a, b, pixel, length):
    """Of all mirror images of the pixel."""
    periods = range(-5, 6)
    places = [2 * length * n + pixel for n in periods] + [2 * length * n - 1 - pixel for n in periods]
    return sum(nearness(a, b, place, length) for place in places)


WEIGHTS = {"majority": overlap, "area": overlap, "bilinear": nearness, "bilinear, mirrored": nearness_mirrored}


def slow_shares(label, ids, down, rows, columns):
    """{id: share} of every coarse pixel."""
    height, width = label.shape
    coarse: list[list[dict[int, Fraction]]] = []
    for top, bottom in rows:
        coarse.append([])
        for left, right in columns:
            if down.startswith("nearest"):
                y, x = (top, left) if down == "nearest, top left" else ((top + bottom) / 2, (left + right) / 2)
                y, x = min(max(math.floor(y), 0), height - 1), min(max(math.floor(x), 0), width - 1)
                coarse[-1].append({k: Fraction(int(label[y, x] == k)) for k in ids})
                continue
            area = dict.fromkeys(ids, Fraction(0))
            over_rows = [WEIGHTS[down](top, bottom, y, height) for y in range(height)]
            over_columns = [WEIGHTS[down](left, right, x, width) for x in range(width)]
            for y in range(height):
                for x in range(width):
                    if label[y, x] in area and over_rows[y] and over_columns[x]:
                        area[int(label[y, x])] += over_rows[y] * over_columns[x]
            total = sum(area.values())
            if down == "majority":
                most = max(area.values())
                winner = min(k for k in ids if area[k] == most)
                coarse[-1].append({k: Fraction(int(total > 0 and k == winner)) for k in ids})
            else:
                coarse[-1].append({k: area[k] / total if total else Fraction(0) for k in ids})
    return coarse


def slow_weights(cells, length, up):
    """{coarse pixel: weight} of every pixel."""
    weights = []
    for p in range(length):
        centre = p + Fraction(1, 2)
        if up == "nearest":
            inside = [i for i, (a, b) in enumerate(cells) if a <= centre < b]
            weights.append({inside[0] if inside else (0 if centre < cells[0][0] else len(cells) - 1): Fraction(1)})
            continue
        middles = [(a + b) / 2 for a, b in cells]
        if up == "bilinear, corners aligned":
            last = len(cells) - 1
            middles = [Fraction(1, 2) + (Fraction(length - 1) * i / last if last else 0) for i in range(len(cells))]
        after = next((i for i, middle in enumerate(middles) if middle > centre), None)
        if after is None or after == 0:
            weights.append({(0 if after == 0 else len(cells) - 1): Fraction(1)})
            continue
        far = (centre - middles[after - 1]) / (middles[after] - middles[after - 1])
        weights.append({after - 1: 1 - far, after: far})
    return weights


def slow(label, one, factor):
    """The share of every label at every pixel: [y][x] -> {id: share}."""
    if one.void.startswith("background"):
        label = np.where(label == VOID, 0, label)
    ids = [int(k) for k in np.unique(label) if k != VOID or one.void == "a class"]
    rows, columns = (slow_cells(one.lattice, length, factor) for length in label.shape)
    coarse = slow_shares(label, ids, one.down, rows, columns)
    if one.up == "nearest":  # one label, before going up
        for line in coarse:
            for x, shares in enumerate(line):
                winner = min(k for k in ids if shares[k] == max(shares.values()))
                line[x] = {k: Fraction(int(k == winner and shares[k] > 0)) for k in ids}
    ys, xs = slow_weights(rows, label.shape[0], one.up), slow_weights(columns, label.shape[1], one.up)
    return [
        [{k: sum(a * b * coarse[i][j][k] for i, a in y.items() for j, b in x.items()) for k in ids} for x in xs]
        for y in ys
    ]


def slow_count(label, one, factor, classes):
    """What `count` returns, and how many pixels are so near a tie that rounded shares may decide it otherwise."""
    truth = np.where(label == VOID, 0, label) if one.void == "background, scored" else label
    counts, near_ties = np.zeros((3, classes), int), 0
    for y, line in enumerate(slow(label, one, factor)):
        for x, shares in enumerate(line):
            if truth[y, x] == VOID:
                continue
            first, second = sorted((*shares.values(), Fraction(-1)), reverse=True)[:2]
            winner = min(k for k in shares if shares[k] == first) if first > 0 else VOID
            near_ties += one.down in ("area", "bilinear", "bilinear, mirrored") and first - second < Fraction(1, 10**6)
            counts[1, truth[y, x]] += 1
            counts[0, truth[y, x]] += winner == truth[y, x]
            if winner != VOID:
                counts[2, winner] += 1
    return counts, near_ties


@pytest.mark.parametrize("one", PROCEDURES, ids=lambda one: "; ".join(one.choices().values()))
def test_against_exact_fractions(one):
    undecided = []
    for number, (height, width, factor) in enumerate([(13, 17, 4), (9, 14, 8), (7, 11, 32)]):
        label = blobs(height, width, seed=number)
        expected, near_ties = slow_count(label, one, factor, 5)
        found = count(label, [one], [factor], 5)[0, 0]
        assert np.array_equal(found[1], expected[1])
        assert np.abs(found - expected).sum() <= 3 * near_ties
        undecided.append(near_ties / label.size)
    assert min(undecided) < 0.1


def test_the_grid_says_what_was_added_and_repeats_nothing():
    choices = [tuple(one.choices().values())[:4] for one in PROCEDURES]
    assert len(set(choices)) == len(choices) == len(BEFORE) + len(AFTER)
    assert {one.written for one in BEFORE} == {"before measuring"}
    assert {one.written for one in AFTER} == {"after a look"}


@pytest.mark.parametrize("one", PROCEDURES, ids=lambda one: "; ".join(one.choices().values()))
def test_a_constant_image_stays(one):
    for factor in FACTORS:
        assert iu(np.full((37, 50), 7, np.uint8), one, factor).tolist() == [1.0]


@pytest.mark.parametrize("one", [one for one in PROCEDURES if one.void == "left out"])
def test_factor_one_changes_nothing(one):
    if one.down != "bilinear":  # whose triangle reaches over the neighbours
        assert (iu(blobs(23, 31, seed=3), one, 1) == 1).all()


def test_all_void_counts_nothing():
    counts = count(np.full((9, 9), VOID, np.uint8), PROCEDURES, FACTORS, 21)
    scored = [one.void == "background, scored" for one in PROCEDURES]
    assert not counts[np.logical_not(scored)].any() and (counts[scored][:, :, 1, 0] == 81).all()


def test_counts_add_up():
    label = blobs(40, 53, seed=4)
    counts = count(label, PROCEDURES, FACTORS, 21)
    hit, truth, predicted = np.moveaxis(counts, 2, 0)
    assert (hit <= np.minimum(truth, predicted)).all()
    expected = {"background, scored": label.size}
    for one, of_one, became in zip(PROCEDURES, truth, predicted, strict=True):
        assert (of_one.sum(-1) == expected.get(one.void, np.count_nonzero(label != VOID))).all()
        assert (became.sum(-1) <= of_one.sum(-1)).all()
        if one.void.startswith("background"):
            assert (became.sum(-1) == of_one.sum(-1)).all()


def test_a_checkerboard_finer_than_the_factor():
    board = np.indices((8, 8)).sum(0).astype(np.uint8) % 2
    found = {down: iu(board, Procedure(down, "nearest", "a class", "steps, ceil"), 4) for down in ("majority",)}
    assert found["majority"].tolist() == [0.5, 0.0]  # ties fall to the lower: all becomes class 0
    stripes = np.tile(np.array([0, 1, 1, 1], np.uint8), (8, 2))
    # the first pixel of every four says 0, the centre says 1
    assert iu(stripes, Procedure("nearest, top left", "nearest", "a class", "steps, ceil"), 4).tolist() == [0.25, 0.0]
    assert iu(stripes, Procedure("nearest, centre", "nearest", "a class", "steps, ceil"), 4).tolist() == [0.0, 0.75]


def test_what_becomes_of_void():
    label = np.array([[1, 1, 1, 1, 1, VOID, VOID, 1, 1, 1, 1, 1]] * 4, np.uint8)
    found = {}
    for void in ("a class", "left out", "background", "background, scored"):
        one = Procedure("nearest, centre", "bilinear", void, "steps, ceil")
        hit, truth, predicted = count(label, [one], [4], 21)[0, 0]
        found[void] = (hit[1], truth[0], truth[1], predicted[0], predicted[1])
    # the middle coarse pixel is void, of two labelled columns: missed, their neighbours', or background
    assert found == {
        "a class": (32, 0, 40, 0, 32),
        "left out": (40, 0, 40, 0, 40),
        "background": (32, 0, 40, 8, 32),
        "background, scored": (32, 8, 40, 16, 32),
    }


SIZES = [(37, 50, 4), (61, 47, 8), (100, 75, 16)]


@pytest.mark.parametrize(("height", "width", "factor"), SIZES)
@pytest.mark.parametrize("rounding", ["floor", "ceil"])
def test_nearest_as_pil_opencv_and_numpy(height, width, factor, rounding):
    label = blobs(height, width, seed=factor, void=0)
    label[label == VOID] = 0
    number = {"floor": math.floor, "ceil": math.ceil}[rounding]
    h, w = number(height / factor), number(width / factor)

    def ours(down, lattice):
        ids = np.unique(label)
        return ids[go_down(label, ids, down, *(axis_of(lattice, n, factor) for n in label.shape)).argmax(0)]

    pil = Image.fromarray(label).resize((w, h), Image.Resampling.NEAREST)
    assert np.array_equal(ours("nearest, centre", f"resized, {rounding}"), np.asarray(pil))
    opencv = cv2.resize(label, (w, h), interpolation=cv2.INTER_NEAREST)
    assert np.array_equal(ours("nearest, top left", f"resized, {rounding}"), opencv)
    assert np.array_equal(ours("nearest, top left", "steps, ceil"), label[::factor, ::factor])


@pytest.mark.parametrize(("height", "width", "factor"), SIZES)
def test_nearest_with_aligned_corners_as_scipy(height, width, factor):
    label = blobs(height, width, seed=factor)
    rows, columns = (axis_of("corners aligned, round", n, factor) for n in label.shape)
    ids = np.unique(label)
    small = ndimage.zoom(label, (rows.count / height, columns.count / width), order=0)
    assert np.array_equal(ids[go_down(label, ids, "nearest, centre", rows, columns).argmax(0)], small)


def one_hot(label):
    return np.stack([label == k for k in np.unique(label)]).astype(np.float64)


@pytest.mark.parametrize(("height", "width", "factor"), SIZES)
@pytest.mark.parametrize("rounding", ["floor", "ceil"])
def test_shares_as_pil_and_opencv(height, width, factor, rounding):
    label = blobs(height, width, seed=factor, void=0)
    ids = np.unique(label)
    rows, columns = (axis_of(f"resized, {rounding}", n, factor) for n in label.shape)
    size = columns.count, rows.count
    for down, filtered in {
        "area": lambda plane: cv2.resize(plane, size, interpolation=cv2.INTER_AREA),
        "bilinear": lambda plane: np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR)),
    }.items():
        expected = np.stack([filtered(plane.astype(np.float32)) for plane in one_hot(label)])
        np.testing.assert_allclose(go_down(label, ids, down, rows, columns), expected, atol=2e-5)


@pytest.mark.parametrize(("height", "width", "factor"), SIZES)
@pytest.mark.parametrize("aligned", [False, True])
def test_bilinear_up_as_torch(height, width, factor, aligned):
    label = blobs(height, width, seed=factor)
    axes = [axis_of("resized, ceil", n, factor) for n in label.shape]
    shares = go_down(label, np.unique(label), "area", *axes)
    found = go_up(shares, "bilinear, corners aligned" if aligned else "bilinear", *axes)
    batch = torch.from_numpy(shares).double()[None]
    expected = functional.interpolate(batch, label.shape, mode="bilinear", align_corners=aligned)[0].sort(
        0, descending=True
    )
    clear = (expected.values[0] - expected.values[1] > 1e-6).numpy()
    assert clear.mean() > 0.9
    assert np.array_equal(found[clear], expected.indices[0].numpy()[clear])


@pytest.mark.parametrize("factor", [4, 8, 32])
def test_the_nets_deconvolution_is_bilinear(factor):
    label = blobs(3 * factor, 4 * factor, seed=factor)
    axes = [axis_of("steps, ceil", n, factor) for n in label.shape]
    shares = go_down(label, np.unique(label), "area", *axes)
    kernel = bilinear_kernel(2 * factor)[None, None]
    up = functional.conv_transpose2d(torch.from_numpy(shares).double()[:, None], kernel, stride=factor)[:, 0]
    crop = slice(factor // 2, -(factor // 2))
    expected = up[:, crop, crop].sort(0, descending=True)
    clear = (expected.values[0] - expected.values[1] > 1e-6).numpy()
    assert clear.mean() > 0.9
    assert np.array_equal(go_up(shares, "bilinear", *axes)[clear], expected.indices[0].numpy()[clear])


def test_the_lattice_of_the_nets_is_the_nets():
    """A coarse pixel lies where the geometry of FCN-32s puts it: 32 cells from 99 pixels before the image."""
    axis = axis_of("FCN", 500, 32)
    assert axis.first == -3 and axis.step == 32 and axis.first + axis.count * 32 >= 500
    # the first of the deconvolution's pixels that the crop of 19 keeps, of a kernel of 64: its centre is at 31.5
    assert (Fraction(63, 2) - 19 - (axis.first + Fraction(31, 2))) % 32 == 0


# (down, up, void, lattice): mean IU at 128, 64, 32, 16, 8, 4 of all 736 masks, as an earlier program measured them
KNOWN = {
    ("nearest, centre", "nearest", "a class", "resized, ceil"): (53.9, 69.5, 81.9, 90.3, 95.0, 97.1),
    ("nearest, centre", "bilinear", "background", "resized, ceil"): (54.2, 70.9, 83.2, 91.2, 95.4, 97.4),
    ("majority", "bilinear", "left out", "resized, ceil"): (56.3, 74.0, 86.3, 94.2, 98.7, 99.9),
    ("nearest, centre", "bilinear", "left out", "resized, ceil"): (56.0, 73.5, 86.8, 95.3, 99.0, 99.7),
}


@pytest.mark.skipif(not MASKS.is_file(), reason="needs the 736 masks, ../shared/data/voc_seg11valid_masks.zip")
def test_the_real_masks_give_what_was_found_before():
    known = [one for one in PROCEDURES if tuple(one.choices().values())[:4] in KNOWN]
    assert len(known) == len(KNOWN)
    factors = (64, 8)
    counts = np.sum([count(mask.read(21), known, factors, 21) for mask in find([MASKS])], axis=0)
    hit, truth, predicted = np.moveaxis(counts, 2, 0)
    mean_iu = 100 * (hit / (truth + predicted - hit)).mean(-1)
    for one, found in zip(known, mean_iu, strict=True):
        expected = KNOWN[one.down, one.up, one.void, one.lattice][1::3]
        assert np.abs(found - expected).max() < 0.1, one
