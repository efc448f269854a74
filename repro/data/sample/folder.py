"""A drawn dataset as a folder: there whole or not at all, and never over somebody else's files."""

import json
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from repro.errors import UserError

MANIFEST = "sample.json"


def draw_folder(
    root: Path,
    draw_official: Callable[..., None],
    prepare: Callable[[Path, Path], None],
    *,
    drawn_by: str,
    version: int,
    seed: int,
    train: int,
    val: int,
    thin_parts: bool,
) -> None:
    """Draw `<root>/official` in a dataset's official layout, prepare `root` from it, and note how it was drawn.

    The folder appears whole or not at all. A finished drawing of the same arguments is left alone, one of other
    arguments by the same writer replaced.

    Args:
        draw_official: draws into a folder that it makes: `draw_official(folder, seed, train, val, thin_parts)`.
        prepare: the dataset's own, from the official layout: `prepare(official, root)`.
        drawn_by, version: of the writer.

    Raises:
        UserError: `root` holds something else, or cannot be written; or `train` < 8 or `val` < 1.
    """
    if train < 8 or val < 1:
        raise UserError(f"a sample of {train} training and {val} validation images is too small; draw at least 8 and 1")
    manifest = {"drawn_by": drawn_by, "version": version, "seed": seed, "train": train, "val": val}
    manifest["thin_parts"] = thin_parts
    if _holds(root, manifest):
        return
    drawing = root.with_name(f".{root.name}-{secrets.token_hex(4)}.drawing")
    replaced = drawing.with_suffix(".replaced")
    try:
        try:
            draw_official(drawing / "official", seed, train, val, thin_parts)
            prepare(drawing / "official", drawing)
            (drawing / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
            if _holds(root, manifest):  # somebody else drew the same meanwhile
                return
            if root.exists():
                root.replace(replaced)
            drawing.replace(root)
        finally:
            for leftover in (drawing, replaced):
                shutil.rmtree(leftover, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"cannot draw into {root}: {error.strerror or error}; free the space or choose another folder"
        ) from error


def is_drawn(root: Path) -> bool:
    """Whether a folder holds a drawn dataset, and so no published one."""
    return (root / MANIFEST).is_file()


def drawn_by(root: Path) -> tuple[str, int] | None:
    """The writer that drew a folder, and its version; None where there is no drawing, or none that can be read."""
    found = _manifest(root)
    return (found["drawn_by"], found["version"]) if found else None


def _manifest(root: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        return found if {"drawn_by", "version"} <= found.keys() else None
    except (OSError, ValueError, AttributeError):
        return None


def _holds(root: Path, manifest: dict) -> bool:
    """Whether `root` is this sample. False: it is free to be drawn to. UserError: it belongs to someone else."""
    if not root.exists():
        return False
    if root.is_dir():
        if not any(root.iterdir()):
            return False
        found = _manifest(root)
        if found and found["drawn_by"] == manifest["drawn_by"]:
            return found == manifest
    raise UserError(f"{root} exists and is no drawn sample; choose another folder, or move it away")
