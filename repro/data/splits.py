"""Lists of image ids: read, hash, derive, and guard against testing on what was trained on."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from repro.errors import UserError
from repro.files import sha256 as file_sha256


@dataclass(frozen=True)
class Split:
    """What is known of a published list: how many ids, and their `ids_sha256` where it is known."""

    images: int
    sha256: str | None = None


NAMED = 10  # an error names at most so many ids, so that it stays one readable line


def name_some(ids: Iterable[str]) -> str:
    """The first ten of `ids`, comma-separated, and how many more there are."""
    ids = list(ids)
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return ", ".join(ids[:NAMED]) + more


def read_ids(path: Path | str) -> list[str]:
    """Ids of a list file, one a line, in the file's order; blank lines are skipped.

    Raises:
        UserError: the list is missing, unreadable, empty, or names an id twice.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise UserError(
            f"the list {path} is missing; run `repro prepare` for its dataset, or correct the path"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read the list {path} ({error}); it must be a text file, one id a line") from error
    ids = [line.strip() for line in lines if line.strip()]
    if not ids:
        raise UserError(f"the list {path} is empty; write one image id a line, or prepare the dataset again")
    twice = [image_id for image_id, count in Counter(ids).items() if count > 1]
    if twice:
        raise UserError(f"the list {path} names ids more than once: {name_some(twice)}; remove the repetitions")
    return ids


def ids_sha256(ids: Iterable[str]) -> str:
    """SHA-256, in hex, of the sorted ids, one a line, with a final newline: the name of a split, whatever its order."""
    return hashlib.sha256("".join(f"{image_id}\n" for image_id in sorted(ids)).encode()).hexdigest()


def content_sha256(items: Iterable[Mapping[str, str]], digest_of: Callable[[str], str] = file_sha256) -> str:
    """SHA-256, in hex, of a split's ids, images and labels, byte by byte, whatever their order.

    Args:
        items: with `img_id` and the paths of the item's files, under keys that end in `_path`; of several items of one
            image one counts.
        digest_of: gives a file's SHA-256, for a caller that has hashed some already.
    """
    files = {item["img_id"]: [item[key] for key in sorted(item) if key.endswith("_path")] for item in items}
    digest = hashlib.sha256()
    for image_id in sorted(files):
        hashes = [digest_of(path) for path in files[image_id]]
        digest.update(f"{image_id} {' '.join(hashes)}\n".encode())
    return digest.hexdigest()


def seg11valid(voc_val: Iterable[str], sbd_train: Iterable[str]) -> list[str]:
    """VOC 2011 val minus SBD train, in VOC's order: the 736 images the released nets are scored on."""
    trained = set(sbd_train)
    return [image_id for image_id in voc_val if image_id not in trained]


def check_split(name: str, ids: Sequence[str], known: Split) -> None:
    """Make sure that a list is the published one.

    Raises:
        UserError: it has another number of ids, or other ids.
    """
    if len(ids) != known.images:
        raise UserError(
            f"the list {name} has {len(ids)} ids, the published one {known.images}; prepare the dataset again"
        )
    if known.sha256 is not None and ids_sha256(ids) != known.sha256:
        raise UserError(f"the list {name} does not hold the {known.images} published ids; prepare the dataset again")


def check_disjoint(train_ids: Iterable[str], val_ids: Iterable[str]) -> None:
    """Refuse to score on images that were trained on: VOC val and SBD train overlap, which inflates scores.

    Raises:
        UserError: the two lists share ids; the first of them are named.
    """
    shared = sorted(set(train_ids) & set(val_ids))
    if shared:
        raise UserError(
            f"{len(shared)} validation images are also trained on: {name_some(shared)}; "
            "validate on seg11valid.txt, or take them out of the training list"
        )
