"""What a prepared folder is made from, noted in the folder before the first file is, and again when it is complete."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from repro.data.sample.folder import is_drawn
from repro.errors import UserError
from repro.files import atomic

MANIFEST = "prepared.json"


@dataclass(frozen=True)
class Prepared:
    """The note in a prepared folder.

    Attributes:
        archives: SHA-256 of the archives it is made from, by name; none for one that was unpacked by hand.
        published: whether they are the published ones.
        complete: whether all files are there.
    """

    archives: Mapping[str, str] = field(default_factory=dict)
    published: bool = True
    complete: bool = True


def read(root: Path) -> Prepared | None:
    """The note of a folder; None where there is none.

    Raises:
        UserError: it cannot be read.
    """
    path = root / MANIFEST
    try:
        found = Prepared(**json.loads(path.read_text(encoding="utf-8")))
        if not (isinstance(found.published, bool) and isinstance(found.complete, bool)):
            raise TypeError
        return found
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{path} cannot be read: delete {root} and prepare the dataset again") from error


def write(root: Path, prepared: Prepared) -> None:
    """Note down what a folder is made from.

    Raises:
        UserError: the folder cannot be written.
    """
    with atomic(root / MANIFEST) as temporary:
        temporary.write_text(json.dumps(asdict(prepared), indent=1) + "\n", encoding="utf-8")


def is_published(root: Path) -> bool:
    """Whether a folder stands for the published dataset: it is not drawn, nor made from archives taken unverified.

    A folder that was put together by hand does too: its lists are compared with the published ones.
    """
    if is_drawn(root):
        return False
    found = read(root)
    return found is None or found.published
