"""Brings a dataset into the folder that its experiments read."""

from pathlib import Path

from repro.errors import UserError
from repro.experiments import data_folder


def prepare(name: str, root: Path | None = None, *, seed: int = 0, thin_parts: bool = True) -> Path:
    """Prepare a dataset and return its folder; one that is ready is left alone.

    Args:
        name: `sample`.
        root: where to put it; `data_folder() / name` when None.
        seed, thin_parts: of the drawing.

    Raises:
        UserError: an unknown name, or a folder that cannot be written or holds something else.
    """
    if name != "sample":
        raise UserError(f"unknown dataset {name!r}; `repro prepare sample` draws the sample")
    from repro.data.sample.voc import write_voc

    root = root or data_folder() / name
    write_voc(root, seed=seed, thin_parts=thin_parts)
    return root
