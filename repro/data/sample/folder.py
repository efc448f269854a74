"""A drawn dataset as a folder: there whole or not at all, and never over somebody else's files."""

import json
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from repro.errors import UserError

MANIFEST = "sample.json"


def draw_folder(root: Path, manifest: dict, draw: Callable[[Path], None]) -> None:
    """Fill `root` by `draw(folder)` and note there how it was drawn.

    A finished drawing of the same manifest is left alone, one of another manifest by the same writer replaced.

    Args:
        manifest: `drawn_by`, the writer's name, and all that the drawing depends on.
        draw: fills an empty folder; what it leaves is moved to `root` at once.

    Raises:
        UserError: `root` holds something else, or cannot be written.
    """
    if _holds(root, manifest):
        return
    drawing = root.with_name(f".{root.name}-{secrets.token_hex(4)}.drawing")
    replaced = drawing.with_suffix(".replaced")
    try:
        try:
            drawing.mkdir(parents=True)
            draw(drawing)
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


def _holds(root: Path, manifest: dict) -> bool:
    """Whether `root` is this sample. False: it is free to be drawn to. UserError: it belongs to someone else."""
    if not root.exists():
        return False
    if root.is_dir():
        if not any(root.iterdir()):
            return False
        try:
            found = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
            if found["drawn_by"] == manifest["drawn_by"]:
                return bool(found == manifest)
        except (OSError, ValueError, KeyError, TypeError):
            pass
    raise UserError(f"{root} exists and is no drawn sample; choose another folder, or move it away")
