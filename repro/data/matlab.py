"""MATLAB files, as SBD, SIFT Flow, PASCAL-Context and Gupta's NYUDv2 keep their labels."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import loadmat

from repro.errors import UserError


def read_mat(path: Path, key: str) -> Any:
    """The variable `key` of a MATLAB 5 file, as scipy reads it.

    Raises:
        UserError: the file is missing, truncated or no `.mat`, or lacks the variable.
    """
    try:
        variables = loadmat(path, variable_names=[key])
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing; unpack the official archive again") from error
    except Exception as error:  # scipy lets TypeError, zlib.error, struct.error and more through
        raise UserError(
            f"{path} cannot be read ({error}): truncated or no .mat file; unpack the official archive again"
        ) from error
    if key not in variables:
        raise UserError(f"{path} lacks {key}; take the file from the official archive")
    return variables[key]


def read_map(path: Path, key: str) -> np.ndarray:
    """The map of class ids, (H, W) of numbers, under `key`.

    Raises:
        UserError: as `read_mat`, or the variable is no such map.
    """
    stored = np.asarray(read_mat(path, key))
    if stored.ndim != 2 or stored.dtype.kind not in "iuf":
        raise UserError(f"{path} holds no map of class ids under {key}; take the file from the official archive")
    return stored
