"""MATLAB files, as SBD, SIFT Flow, PASCAL-Context and Gupta's NYUDv2 keep their labels."""

from pathlib import Path
from typing import Any

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
