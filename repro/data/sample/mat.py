"""MATLAB files of drawn data."""

import io
from typing import Any

from scipy.io import savemat


def encode_mat(**variables: Any) -> bytes:
    """Variables as the bytes of a MATLAB 5 file, without the date, which would change them."""
    file = io.BytesIO()
    savemat(file, variables, do_compression=True)
    return b"MATLAB 5.0 MAT-file, drawn by fcn-repro".ljust(116) + file.getvalue()[116:]
