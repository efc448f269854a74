"""What a prepared folder was made from, noted in the folder when it is complete."""

import json
from collections.abc import Mapping
from pathlib import Path

from repro.data.sample.folder import is_drawn
from repro.files import atomic, sha256

MANIFEST = "prepared.json"


def note(root: Path, archives: Mapping[str, Path], published: bool) -> None:
    """Write down that `root` is complete, the SHA-256 of its archives, and whether they are the published ones."""
    hashes = {name: sha256(path) for name, path in archives.items()}
    with atomic(root / MANIFEST) as temporary:
        temporary.write_text(json.dumps({"archives": hashes, "published": published}, indent=1) + "\n", "utf-8")


def is_complete(root: Path) -> bool:
    """Whether a `prepare` of this folder has ended."""
    return (root / MANIFEST).is_file()


def is_published(root: Path) -> bool:
    """Whether a folder stands for the published dataset: it is not drawn, nor made from archives taken unverified.

    A folder that was put together by hand does too: its lists are compared with the published ones.
    """
    if is_drawn(root):
        return False
    try:
        return bool(json.loads((root / MANIFEST).read_text(encoding="utf-8"))["published"])
    except FileNotFoundError:
        return True
    except (OSError, ValueError, KeyError, TypeError):  # not what `note` wrote
        return False
