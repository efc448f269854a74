"""What the tests of `prepare` share, whatever the dataset."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from repro.errors import UserError

# what can befall a .mat file of any content, and how it is told
BROKEN_MATS: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: path.write_bytes(path.read_bytes()[:-40]), "truncated"),
    (lambda path: path.write_bytes(b""), "truncated"),
    (lambda path: path.write_bytes(b"not a mat file" * 20), "cannot be read"),
]


def pixels(path: Path) -> np.ndarray:
    """An image file as it is stored."""
    with Image.open(path) as image:
        return np.array(image)


def assert_same_files(one: Path, other: Path) -> None:
    """Two folders hold the same files, byte by byte."""
    contents = [{path.relative_to(root): path for path in root.rglob("*") if path.is_file()} for root in (one, other)]
    assert contents[0].keys() == contents[1].keys() and contents[0]
    assert all(path.read_bytes() == contents[1][name].read_bytes() for name, path in contents[0].items())


def stop_and_go_on(
    prepare: Callable[[Path, Path], object],
    official: Path,
    root: Path,
    broken: Path,
    early: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Let a broken file stop a preparation, mend the file, and prepare again, where no file can be linked.

    Args:
        broken: a .mat file of the official tree.
        early: a file in `root` that is made before `broken` is read; it is not made again.
    """
    whole = broken.read_bytes()
    broken.write_bytes(whole[:150])
    with pytest.raises(UserError, match=f"{broken.parent.name}.*{broken.name} cannot be read"):
        prepare(official, root)
    assert not list(root.rglob("*.txt")), "lists come last"
    assert not list(root.rglob(".*")), "nothing half-written stays"
    before = early.stat().st_mtime_ns
    broken.write_bytes(whole)

    def no_links(*_: object) -> None:
        raise OSError("links are not supported here")

    monkeypatch.setattr(os, "link", no_links)
    prepare(official, root)
    assert early.stat().st_mtime_ns == before
