"""What every procedure leaves of one label map, in pixels of each class."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from repro.data.images import VOID
from repro.upper_bounds.masks import Mask
from repro.upper_bounds.procedures import Procedure
from repro.upper_bounds.resample import Labels, Shares, axis_of, go_down, go_up


def count_mask(
    mask: Mask, procedures: Sequence[Procedure], factors: Sequence[int], num_classes: int
) -> NDArray[np.int64]:
    """`count` of a file: the work of a process of its own, which loads nothing heavy for it."""
    return count(mask.read(num_classes), procedures, factors, num_classes)


def count(
    truth: Labels, procedures: Sequence[Procedure], factors: Sequence[int], num_classes: int
) -> NDArray[np.int64]:
    """Pixels of each class that stayed what they were, that are of it, and that became it.

    Args:
        truth: (H, W) class ids, 255 = void, which counts in none of the three unless a procedure scores it.

    Returns:
        (procedures, factors, 3, num_classes).
    """
    counts = np.zeros((len(procedures), len(factors), 3, num_classes), np.int64)
    filled = np.where(truth == VOID, np.uint8(0), truth)
    sources = {  # what goes down, and what is scored on
        "a class": (truth, np.unique(truth), truth),
        "left out": (truth, np.unique(truth[truth != VOID]), truth),
        "background": (filled, np.unique(filled), truth),
        "background, scored": (filled, np.unique(filled), filled),
    }

    @cache
    def coarse(down: str, void: str, lattice: str, factor: int) -> Shares:
        label, ids, _ = sources[void]
        return go_down(label, ids, down, *(axis_of(lattice, length, factor) for length in truth.shape))

    for void, (_, ids, scored) in sources.items():
        seen = scored != VOID
        if not seen.any():  # nothing to score, and no label to go down
            continue
        of_class = {c: scored == c for c in np.unique(scored[seen]).tolist()}
        for n, one in enumerate(procedures):
            if one.void != void:
                continue
            for c, there in of_class.items():
                counts[n, :, 1, c] = np.count_nonzero(there)
            for f, factor in enumerate(factors):
                axes = (axis_of(one.lattice, length, factor) for length in truth.shape)
                became = go_up(coarse(one.down, void, one.lattice, factor), one.up, *axes)
                for number, c in enumerate(ids.tolist()):
                    is_now = became == number
                    if c != VOID:
                        counts[n, f, 2, c] = np.count_nonzero(is_now & seen)
                    if c in of_class:
                        counts[n, f, 0, c] = np.count_nonzero(is_now & of_class[c])
    return counts
