"""Brings a dataset into the folder that its experiments read."""

from pathlib import Path

from repro.errors import UserError
from repro.experiments import data_folder


def prepare_sample(root: Path | None = None, *, seed: int = 0, thin_parts: bool = True) -> Path:
    """Draw the sample and return its folder; a finished drawing is left alone.

    Args:
        root: where to put it; `data_folder() / "sample"` when None, which is for the default drawing alone.
        seed: of the drawing.
        thin_parts: whether the objects have them; else they are filled out to their convex hulls.

    Raises:
        UserError: another drawing without a folder of its own; a folder that cannot be written or holds something else.
    """
    from repro.data.sample.voc import write_voc

    if root is None and (seed, thin_parts) != (0, True):
        raise UserError("data/sample is for the default drawing, which the tables know: give this one another --root")
    root = root or data_folder() / "sample"
    write_voc(root, seed=seed, thin_parts=thin_parts)
    return root


def prepare_voc2011(root: Path | None = None, *, voc: Path | None, sbd: Path | None) -> Path:
    """Bring the unpacked VOC 2011 and SBD into one folder, with SBD's labels as PNG and the derived splits.

    Args:
        root: where to put it; `data_folder() / "voc2011"` when None.
        voc: `VOCdevkit/VOC2011`.
        sbd: `benchmark_RELEASE/dataset`.

    Raises:
        UserError: one of the two is not given or not whole, or the folder cannot be written.
    """
    from repro.data import voc2011

    if voc is None or sbd is None:
        raise UserError("voc2011 is made from two unpacked archives: name them with --voc and --sbd")
    root = root or data_folder() / "voc2011"
    voc2011.prepare(voc, sbd, root)
    return root
