"""NYUDv2's `nyu_depth_v2_labeled.mat` (HDF5, 2.8 GB), read one frame at a time."""

from pathlib import Path
from types import TracebackType

import h5py
import numpy as np

from repro.errors import UserError

MILLIMETRES_AT_MOST = np.iinfo(np.uint16).max


class LabeledMat:
    """The frames of the file, numbered from 1 as MATLAB and `splits.mat` do; to be used in a `with` statement.

    HDF5 has MATLAB's dimensions in reverse: a frame's columns come before its rows.

    Raises:
        UserError: the file is truncated or no HDF5, or lacks images, depths or labels of one number and size.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.file = h5py.File(path)
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error}): truncated or no HDF5 file; get it again") from error
        try:
            self.images, self.depths, self.labels = (self._variable(name) for name in ("images", "depths", "labels"))
            N, *channels, W, H = self.images.shape
            fits = channels == [3] and self.depths.shape == self.labels.shape == (N, W, H)
            if not fits or (self.images.dtype.kind, self.depths.dtype.kind, self.labels.dtype.kind) != ("u", "f", "u"):
                found = ", ".join(f"{v.dtype} {v.shape}" for v in (self.images, self.depths, self.labels))
                raise UserError(f"{path} holds images, depths and labels of {found}; take the official file")
        except UserError:
            self.file.close()
            raise
        self.count, self.frame = N, (H, W)

    def __enter__(self) -> "LabeledMat":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.file.close()

    def image(self, number: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        return np.ascontiguousarray(self._read(self.images, number).transpose(2, 1, 0))

    def depth(self, number: int) -> np.ndarray:
        """(H, W) uint16 millimetres, 0 = unknown.

        Raises:
            UserError: a depth is NaN, infinite, negative, or 65.536 m and more.
        """
        depth = np.rint(1000 * self._read(self.depths, number).T.astype(float))
        if not ((depth >= 0) & (depth <= MILLIMETRES_AT_MOST)).all():  # NaN compares as false
            raise UserError(
                f"{self.path}: the depth of image {number} is NaN, infinite, negative or more than 65.5 m somewhere; "
                "get the file again, or take the image out of the splits"
            )
        return depth.astype(np.uint16)

    def label(self, number: int) -> np.ndarray:
        """(H, W) uint16 ids of the 894 names, 0 = unlabelled."""
        return self._read(self.labels, number).T

    def _variable(self, name: str) -> h5py.Dataset:
        variable = self.file.get(name)
        if not isinstance(variable, h5py.Dataset) or variable.ndim < 3:
            raise UserError(f"{self.path} lacks {name}; take the official nyu_depth_v2_labeled.mat")
        return variable

    def _read(self, variable: h5py.Dataset, number: int) -> np.ndarray:
        try:
            return variable[number - 1]
        except (OSError, RuntimeError) as error:
            raise UserError(f"{self.path}: image {number} cannot be read ({error}); get the file again") from error
