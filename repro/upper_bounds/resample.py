"""Label maps down to a coarse lattice and up again (Appendix A), by the choices of `repro.upper_bounds.procedures`.

Places are exact fractions and every sum is elementwise, so that all machines agree to the pixel.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Labels = NDArray[np.uint8]
Shares = NDArray[np.float32]
Integers = NDArray[np.int64]

NONE = 255  # the number of no label
BEFORE_IMAGE = 99  # pixels by which the nets' padding of 100 is more than the padding of 1 that keeps an image's size
HALF = Fraction(1, 2)
ROUNDINGS: dict[str, Callable[[float], int]] = {"floor": math.floor, "ceil": math.ceil, "round": round}


@dataclass(frozen=True)
class Axis:
    """Coarse pixels along one side of an image: number i covers `first + i * step` to `first + (i + 1) * step`.

    In pixels; pixel p covers p to p + 1, for p < `length`.
    """

    length: int
    count: int
    first: Fraction
    step: Fraction


def axis_of(lattice: str, length: int, factor: int) -> Axis:
    """The coarse pixels of a lattice along a side, at least one."""
    if lattice == "FCN":
        before = BEFORE_IMAGE % factor
        return Axis(length, math.ceil((before + length) / factor), Fraction(-before), Fraction(factor))
    kind, _, number = lattice.partition(", ")
    rounding, _, more = number.partition(" + ")
    count = max(1, ROUNDINGS[rounding](length / factor)) + int(more or 0)
    begins = {
        "steps": Fraction(0),
        "steps from the end": Fraction(length - count * factor),
        "steps about the middle": Fraction(length - count * factor, 2),
        "steps from the edge": Fraction(-factor, 2),
    }
    if kind in begins:
        return Axis(length, count, begins[kind], Fraction(factor))
    if kind == "resized":
        return Axis(length, count, Fraction(0), Fraction(length, count))
    step = Fraction(length - 1, count - 1) if count > 1 else Fraction(length)
    return Axis(length, count, HALF - step / 2, step)  # corners aligned


def go_down(label: Labels, ids: Labels, down: str, rows: Axis, columns: Axis) -> Shares:
    """The share of each of `ids` in every coarse pixel of (H, W) labels, (K, h, w); zeros where it has none of them.

    Args:
        ids: (K,), ascending.
    """
    if down.startswith("nearest"):
        return _one_hot(label[np.ix_(_samples(rows, down), _samples(columns, down))], ids)
    weigh = WEIGHTS[down]
    over_rows, over_columns = weigh(rows), weigh(columns)
    weights = np.stack([over_rows @ (label == one) @ over_columns.T for one in ids])
    total = weights.sum(0)
    if down == "majority":
        return _one_hot(np.where(total > 0, weights.argmax(0), NONE), np.arange(len(ids)))
    return (weights / np.maximum(total, 1)).astype(np.float32)


def go_up(shares: Shares, up: str, rows: Axis, columns: Axis) -> Labels:
    """The number of the label with the largest share at every pixel, (H, W); NONE where no label has any."""
    if up == "nearest":
        return _largest(shares)[np.ix_(_cells(rows), _cells(columns))]
    aligned = up == "bilinear, corners aligned"
    left, right, near, far = _neighbours(columns, aligned)
    wide = [_mix(plane[:, left], plane[:, right], near, far) for plane in shares]  # each (h, W)
    above, below, near, far = _neighbours(rows, aligned)
    return _largest(_mix(plane[above], plane[below], near[:, None], far[:, None]) for plane in wide)


def _one_hot(label: NDArray, ids: NDArray) -> Shares:
    return (label == ids[:, None, None]).astype(np.float32)


def _mix(a: Shares, b: Shares, near: Shares, far: Shares) -> Shares:
    """`a * near + b * far`, in place: these planes are most of the work."""
    a *= near
    b *= far
    a += b
    return a


def _largest(planes: Iterable[Shares]) -> Labels:
    """The number of the plane with the largest share, the lowest of several; NONE where none has any."""
    planes = iter(planes)
    best = next(planes).copy()
    winner = np.where(best > 0, np.uint8(0), np.uint8(NONE))
    for number, plane in enumerate(planes, start=1):
        np.copyto(winner, number, where=plane > best)
        np.maximum(best, plane, out=best)
    return winner


def _places(first: Fraction, step: Fraction, count: int, low: int, high: int) -> tuple[Integers, Integers, int]:
    """`first + i * step` between `low` and `high`, exactly: whole parts, (count,), and the rest in `unit`ths."""
    unit = math.lcm(first.denominator, step.denominator)
    places = int(first * unit) + int(step * unit) * np.arange(count)
    return *np.divmod(np.clip(places, low * unit, high * unit), unit), unit


def _samples(axis: Axis, down: str) -> Integers:
    """The pixel that stands for each coarse pixel, (count,)."""
    offset = axis.step / 2 if down == "nearest, centre" else 0
    return _places(axis.first + offset, axis.step, axis.count, 0, axis.length - 1)[0]


def _extents(axis: Axis) -> sparse.csr_array:
    """How much of each pixel lies in each coarse pixel, in a unit that makes it whole, (count, length)."""
    begins, pixels, step, unit = _whole(axis)
    inside = np.minimum(begins + step, pixels + unit) - np.maximum(begins, pixels)
    return sparse.csr_array(np.maximum(inside, 0))


def _triangles(axis: Axis, margin: int = 0) -> sparse.csr_array:
    """How near each pixel's centre is to each coarse pixel's, where less than `step`, as `_extents`.

    Args:
        margin: pixels that go on before the first and after the last.
    """
    begins, pixels, step, unit = _whole(axis, margin)
    away = np.abs(begins + step // 2 - pixels - unit // 2)
    return sparse.csr_array(np.maximum(step - away, 0))


def _mirrored_triangles(axis: Axis) -> sparse.csr_array:
    """The same, of an image that its mirror images surround."""
    margin = 2 * math.ceil(axis.step)  # a coarse pixel begins less than one step outside, and its triangle half before
    source = np.pad(np.arange(axis.length), margin, mode="symmetric")
    fold = sparse.csr_array((np.ones(len(source), np.int64), (np.arange(len(source)), source)))
    return _triangles(axis, margin) @ fold


WEIGHTS = {
    "majority": _extents,
    "area": _extents,
    "bilinear": _triangles,
    "bilinear, mirrored": _mirrored_triangles,
}


def _whole(axis: Axis, margin: int = 0) -> tuple[Integers, Integers, int, int]:
    """Where the coarse pixels, as a column, and the pixels begin, and how long each is; halves are whole too."""
    unit = 2 * math.lcm(axis.first.denominator, axis.step.denominator)
    step = int(axis.step * unit)
    begins = int(axis.first * unit) + step * np.arange(axis.count)
    return begins[:, None], unit * np.arange(-margin, axis.length + margin), step, unit


def _cells(axis: Axis) -> Integers:
    """The coarse pixel that each pixel's centre lies in, or the nearest, (length,)."""
    return _places((HALF - axis.first) / axis.step, 1 / axis.step, axis.length, 0, axis.count - 1)[0]


def _neighbours(axis: Axis, aligned: bool) -> tuple[Integers, Integers, Shares, Shares]:
    """For each pixel, the coarse pixels whose centres lie around its own, and the weight of each, (length,).

    The weights are whole numbers, so that sums over labels' ones and zeros are exact, and equal where they are equal.
    """
    last = axis.count - 1
    if aligned:
        first, step = Fraction(0), Fraction(last, max(axis.length - 1, 1))
    else:
        first, step = (HALF - axis.first) / axis.step - HALF, 1 / axis.step
    before, part, unit = _places(first, step, axis.length, 0, last)
    return before, np.minimum(before + 1, last), (unit - part).astype(np.float32), part.astype(np.float32)
