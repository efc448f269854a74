"""The paper's four numbers from integer confusion matrices (section 5), and what their images say about their spread.

A confusion matrix is `n[i, j]`: pixels of class i predicted as class j, int64, (C, C). Scores are fractions of one.
"""

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from repro.errors import UserError
from repro.files import atomic

Absent = Literal["present", "union"]
METRICS = ("pixel_acc", "mean_acc", "mean_iu", "fw_iu")
HEADINGS = {"pixel_acc": "pixel acc.", "mean_acc": "mean acc.", "mean_iu": "mean IU", "fw_iu": "f.w. IU"}


@dataclass(frozen=True, eq=False)
class Scores:
    """Pixel accuracy, mean accuracy, mean IU and frequency weighted IU, as fractions.

    `iu` is the IU of each class, (C,) float64, nan for the classes that the mean IU leaves out.
    """

    pixel_acc: float
    mean_acc: float
    mean_iu: float
    fw_iu: float
    iu: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Estimate:
    """A value with the two ends of its bootstrap interval. Of a difference, all three are differences."""

    value: Scores
    low: Scores
    high: Scores


def scores(matrix: NDArray, absent: Absent = "present", classes: Sequence[int] | None = None) -> Scores:
    """Pixel acc, mean acc, mean IU and f.w. IU of a confusion matrix (section 5 of the paper).

    Args:
        matrix: (C, C) non-negative integers, row = truth, column = predicted.
        absent: which classes the mean IU runs over: `present`, those in the truth (the paper's rule for SIFT Flow), or
            `union`, those in the truth or predicted (the released scorer's: a class predicted but absent counts as 0).
            Mean accuracy is undefined without truth and runs over the present classes under either rule; the other
            two numbers do not depend on it.
        classes: ids of the classes to score over; None for all. Pixels whose truth is another class are left out, as
            void is. Another class predicted on a pixel that stays is an error, and has no score of its own.

    Raises:
        UserError: not a square matrix of non-negative integers, or no pixel in it.
    """
    matrix = _checked(matrix)
    found = _statistics(matrix[None], absent, classes)
    if np.isnan(found[0, 0]):
        raise UserError("the confusion matrix is empty: no labelled pixel was scored; check the list of images")
    return _pick(found, 0)


def _checked(matrix: NDArray) -> NDArray[np.int64]:
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.dtype.kind not in "iu" or (matrix < 0).any():
        raise UserError(f"not a confusion matrix: {matrix.dtype} {matrix.shape}; it holds C x C non-negative integers")
    return matrix.astype(np.int64)


def _statistics(matrices: NDArray[np.int64], absent: Absent, classes: Sequence[int] | None) -> NDArray[np.float64]:
    """(R, C, C) -> (R, 4 + C): METRICS, then the IU of each class; nan where undefined."""
    if absent not in get_args(Absent):
        raise ValueError(f"absent is {absent!r}, not one of {get_args(Absent)}")
    counted = _counted(classes, matrices.shape[1])
    matrices = matrices * counted[:, None]  # no truth but that of the counted classes
    hit = np.diagonal(matrices, axis1=1, axis2=2).astype(np.float64)  # (R, C)
    truth = matrices.sum(axis=2).astype(np.float64)  # (R, C)
    union = truth + matrices.sum(axis=1) - hit  # (R, C)
    pixels = truth.sum(axis=1)  # (R,)
    with np.errstate(divide="ignore", invalid="ignore"):
        iu = np.where(counted & ((truth if absent == "present" else union) > 0), hit / union, np.nan)
        present = truth > 0
        pixel_acc = hit.sum(axis=1) / pixels
        mean_acc = np.where(present, hit / truth, 0).sum(axis=1) / present.sum(axis=1)
        mean_iu = np.nansum(iu, axis=1) / np.isfinite(iu).sum(axis=1)
        fw_iu = (truth * np.where(present, iu, 0)).sum(axis=1) / pixels
    return np.column_stack((pixel_acc, mean_acc, mean_iu, fw_iu, iu))


def _counted(classes: Sequence[int] | None, num_classes: int) -> NDArray[np.bool_]:
    """Which classes are scored over, (C,)."""
    if classes is None:
        return np.ones(num_classes, bool)
    if not classes or len(set(classes)) < len(classes) or not all(0 <= c < num_classes for c in classes):
        raise ValueError(f"classes is {classes}: give ids below {num_classes}, each once")
    return np.isin(np.arange(num_classes), list(classes))


def _pick(statistics: NDArray[np.float64], row: int) -> Scores:
    pixel_acc, mean_acc, mean_iu, fw_iu = statistics[row, :4].tolist()
    return Scores(pixel_acc, mean_acc, mean_iu, fw_iu, iu=statistics[row, 4:])


@dataclass(eq=False)
class ImageConfusions:
    """The confusion matrix of every image, sparse: `count[k]` pixels of image `ids[image[k]]`, class `truth[k]`,
    were predicted as `predicted[k]`. Four int64 arrays, (K,), in the order of (image, truth, predicted); zeros are left
    out. The ids are sorted, so equal measurements are equal files.
    """

    ids: list[str]
    num_classes: int
    image: NDArray[np.int64]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    count: NDArray[np.int64]

    def __post_init__(self) -> None:
        arrays = (self.image, self.truth, self.predicted, self.count)
        if any(a.dtype != np.int64 or a.shape != self.count.shape or a.ndim != 1 for a in arrays):
            raise UserError("per-image confusions need four int64 arrays of one length")
        if sorted(set(self.ids)) != self.ids:
            raise UserError("per-image confusions need sorted ids, each once; the list of images names one twice")
        inside = [(self.image, len(self.ids)), (self.truth, self.num_classes), (self.predicted, self.num_classes)]
        if self.count.size and (self.count.min() < 1 or any(a.min() < 0 or a.max() >= n for a, n in inside)):
            raise UserError("per-image confusions hold an index or a count outside its range")
        if (np.diff(self.image * self.num_classes**2 + self._cell()) <= 0).any():
            raise UserError("per-image confusions are out of order")

    @classmethod
    def from_matrices(cls, matrices: Iterable[tuple[str, NDArray]], num_classes: int) -> "ImageConfusions":
        """Gather (id, (C, C) matrix) pairs, in any order; they are read once, so a generator streams.

        Raises:
            UserError: an id comes twice, or a matrix is not C x C non-negative integers.
        """
        found: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        for name, matrix in matrices:
            flat = _checked(matrix).ravel()
            if flat.size != num_classes**2:
                raise UserError(f"the confusion matrix of {name} is {matrix.shape}, not {num_classes} x {num_classes}")
            if name in found:
                raise UserError(f"the list of images names {name} twice; an image counts once")
            cells = np.flatnonzero(flat)
            found[name] = cells, flat[cells]
        ids = sorted(found)
        cells = np.concatenate([np.zeros(0, np.int64), *(found[name][0] for name in ids)])
        count = np.concatenate([np.zeros(0, np.int64), *(found[name][1] for name in ids)])
        image = np.repeat(np.arange(len(ids)), [found[name][0].size for name in ids]).astype(np.int64)
        return cls(ids, num_classes, image, cells // num_classes, cells % num_classes, count)

    def _cell(self) -> NDArray[np.int64]:
        return self.truth * self.num_classes + self.predicted

    def total(self) -> NDArray[np.int64]:
        """The sum over all images, (C, C) int64."""
        total = np.zeros(self.num_classes**2, np.int64)
        np.add.at(total, self._cell(), self.count)
        return total.reshape(self.num_classes, self.num_classes)

    def by_image(self) -> sparse.csr_array:
        """images x C^2, sparse int64: row n is image n's matrix, flattened."""
        shape = (len(self.ids), self.num_classes**2)
        return sparse.csr_array((self.count, (self.image, self._cell())), shape=shape)

    def to_bytes(self) -> bytes:
        """An npz; equal confusions give equal bytes, by any Python: numpy's own writer depends on it, and zlib too."""
        arrays = {
            "ids": np.array(self.ids, dtype=np.str_),
            "num_classes": np.array(self.num_classes, dtype=np.int64),
            "image": self.image,
            "truth": self.truth,
            "predicted": self.predicted,
            "count": self.count,
        }
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, array in arrays.items():
                content = io.BytesIO()
                np.lib.format.write_array(content, array, allow_pickle=False)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
        return buffer.getvalue()

    def save(self, path: Path | str) -> None:
        """Write the npz, whole or not at all.

        Raises:
            UserError: the folder cannot be written.
        """
        with atomic(path) as temporary:
            temporary.write_bytes(self.to_bytes())

    @classmethod
    def load(cls, path: Path | str) -> "ImageConfusions":
        """Read what `save` wrote; nothing in the file is unpickled.

        Raises:
            UserError: missing, truncated, or not such a file.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in ("image", "truth", "predicted", "count")}
                return cls([str(name) for name in file["ids"]], int(file["num_classes"]), **arrays)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        except (OSError, EOFError, KeyError, ValueError, TypeError, AttributeError, zipfile.BadZipFile) as error:
            raise UserError(f"{path} is not a file of per-image confusions ({error}); evaluate again") from error


def bootstrap(
    *records: ImageConfusions,
    absent: Absent = "present",
    classes: Sequence[int] | None = None,
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """Percentile bootstrap over images of the mean score of one record, or of several seeds over the same images.

    Images are drawn with replacement, the same draw for every record; a draw's mean IU runs over the classes that the
    draw holds. The interval speaks of the choice of images, not of the choice of seeds. `absent` and `classes` are as
    for `scores`.

    Raises:
        UserError: no record, or the records are over different images or classes.
    """
    value, draws = _resample(records, absent, classes, resamples, seed)
    return _estimate(value.mean(axis=0), draws.mean(axis=0), level)


def paired_bootstrap(
    a: ImageConfusions,
    b: ImageConfusions,
    *,
    absent: Absent = "present",
    resamples: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate:
    """`bootstrap` of the difference a - b of two records over the same images; each draw serves both.

    Raises:
        UserError: the two are over different images or classes.
    """
    value, draws = _resample((a, b), absent, None, resamples, seed)
    return _estimate(value[0] - value[1], draws[0] - draws[1], level)


def _resample(
    records: tuple[ImageConfusions, ...],
    absent: Absent,
    classes: Sequence[int] | None,
    resamples: int,
    seed: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Statistics of each record, (S, 4 + C), and of each draw of its images, (S, R, 4 + C)."""
    if not records or not records[0].ids:
        raise UserError("nothing to resample: no image was scored")
    ids, num_classes = records[0].ids, records[0].num_classes
    for record in records[1:]:
        if record.ids != ids or record.num_classes != num_classes:
            only = sorted(set(ids) ^ set(record.ids))
            detail = f"{len(only)} ids differ, {only[0]} among them" if only else "their classes differ"
            raise UserError(f"the records are not over the same images ({detail}); compare scores of one list only")
    weights = np.random.default_rng(seed).multinomial(len(ids), np.full(len(ids), 1 / len(ids)), size=resamples)
    value, draws = [], []
    for record in records:
        drawn = np.asarray(weights @ record.by_image())  # (R, C^2), exact: int64
        value.append(_statistics(record.total()[None], absent, classes)[0])
        draws.append(_statistics(drawn.reshape(resamples, num_classes, num_classes), absent, classes))
    return np.stack(value), np.stack(draws)


def _estimate(value: NDArray[np.float64], draws: NDArray[np.float64], level: float) -> Estimate:
    ends = np.full((2, draws.shape[1]), np.nan)
    for column in range(draws.shape[1]):
        known = draws[np.isfinite(draws[:, column]), column]
        if known.size:
            ends[:, column] = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(_pick(value[None], 0), _pick(ends, 0), _pick(ends, 1))
