"""What every dataset's `prepare` does: files that are there stay, each appears whole or not at all, lists come last."""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import track

from repro.data.splits import name_some
from repro.errors import UserError
from repro.files import atomic

T = TypeVar("T")


def find_tree(source: Path, *candidates: str) -> Path:
    """The first of the candidates, a folder or a file, that lies in `source` or in one of its folders.

    Raises:
        UserError: none does.
    """
    for candidate in candidates:
        found = [source / candidate, *sorted(source.glob(f"*/{candidate}"))]
        for path in found:
            if path.exists():
                return path
    raise UserError(f"{source} has no {' or '.join(candidates)}: unpack the official archive there")


def refuse_missing(what: str, ids: Iterable[str], source: Callable[[str], Path]) -> None:
    """Raise a UserError that names the first ten ids whose `source` is no file, and how many there are."""
    missing = [image_id for image_id in ids if not source(image_id).is_file()]
    if missing:
        folder = source(missing[0]).parent
        raise UserError(
            f"{folder} lacks {len(missing)} {what}: {name_some(missing)}; unpack the official archive again"
        )


def link(source: Path, target: Path) -> None:
    """A hard link to `source` at `target`, or a copy where the file system has no links."""
    if target.exists():
        return
    with atomic(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, temporary)


def write_lists(folder: Path, lists: Mapping[str, Iterable[str]]) -> None:
    """Write `<folder>/<name>.txt`, one id a line. A folder with its lists is complete, so they come last."""
    for name, ids in lists.items():
        with atomic(folder / f"{name}.txt") as path:
            path.write_text("".join(f"{image_id}\n" for image_id in ids), encoding="utf-8")


def progress(items: Sequence[T], what: str) -> Iterable[T]:
    """The items, with a bar on stderr that says what is done with them."""
    return track(items, description=what, console=Console(stderr=True))
