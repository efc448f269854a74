"""A drawn dataset as a folder: there whole or not at all, and never over somebody else's files."""

import json
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from repro.errors import UserError

MANIFEST = "sample.json"


def draw_folder(root: Path, draw: Callable[[Path], None], **manifest: Any) -> None:
    """Fill `root` by `draw(folder)` and note there how it was drawn. The folder appears whole or not at all.

    A finished drawing of the same manifest is left alone, one of another manifest by the same writer replaced.

    Args:
        draw: fills an empty folder; what it leaves is moved to `root` at once.
        manifest: `drawn_by`, the writer's name, and all that the drawing depends on, the numbers `train` and `val` of
            its images among them.

    Raises:
        UserError: `root` holds something else, or cannot be written; or `train` < 8 or `val` < 1.
    """
    if manifest["train"] < 8 or manifest["val"] < 1:
        raise UserError(
            f"a sample of {manifest['train']} training and {manifest['val']} validation images is too small; "
            "draw at least 8 and 1"
        )
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


def drawn_by(root: Path) -> tuple[str, int] | None:
    """The writer that drew a folder, and its version; None where there is no drawing, or none that can be read."""
    try:
        found = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        return found["drawn_by"], found["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


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
