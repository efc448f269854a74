"""Writes and reads records: the JSON and, beside an evaluation's, a file of per-image confusions for each head."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from repro.data.splits import ids_sha256
from repro.errors import UserError
from repro.files import atomic
from repro.metrics import ImageConfusions
from repro.records import bounds, timing
from repro.records.bounds import Bounds
from repro.records.parsing import parse
from repro.records.schema import ImageFile, Record, digest_of, file_of
from repro.records.timing import Timing

AnyRecord = Record | Timing | Bounds
PARSERS: dict[str, Callable[[Any, str], AnyRecord]] = {
    "evaluation": parse,
    "timing": timing.parse,
    "upper_bounds": bounds.parse,
}


def write(record: Record, confusions: Mapping[str, ImageConfusions], folder: Path | str) -> Path:
    """Write the per-image files and then the record, each whole or not at all; never over another.

    Args:
        record: without `id`, `digest` and `images_file`.
        confusions: head -> the per-image confusions whose sum is `record.confusion[head]`.

    Returns:
        The path of the JSON. Writing the same measurement again changes nothing.

    Raises:
        UserError: the record is not valid, its matrices are not the sums of `confusions`, the folder cannot be written,
            or another file stands where one would go.
    """
    folder = Path(folder)
    if set(confusions) != set(record.confusion):
        raise UserError(f"per-image confusions of {sorted(confusions)} for matrices of {sorted(record.confusion)}")
    blobs = {head: confusions[head].to_bytes() for head in sorted(confusions)}
    hashes = {head: hashlib.sha256(blob).hexdigest() for head, blob in blobs.items()}
    record = replace(record, images_file={head: ImageFile("", value) for head, value in hashes.items()})
    digest = digest_of(record.to_json())
    name = record.name(digest)
    files = {head: ImageFile(file_of(name, head), value) for head, value in hashes.items()}
    record = replace(record, id=name, digest=digest, images_file=files, folder=folder)
    text = _format(record.to_json())
    parse(json.loads(text), name)  # the reader's rules hold for the writer
    for head in blobs:
        _check_sum(record, head, confusions[head])

    targets = [(folder / files[head].name, blob) for head, blob in blobs.items()]
    targets.append((folder / f"{name}.json", text.encode()))
    return _write_all(targets)


def write_plain(record: Timing | Bounds, folder: Path | str) -> Path:
    """Write a record that is one JSON alone, whole or not at all; never over another.

    Args:
        record: without `id` and `digest`.

    Returns:
        The path of the JSON. Writing the same measurement again changes nothing.

    Raises:
        UserError: the record is not valid, the folder cannot be written, or another file stands where it would go.
    """
    data = record.to_json()
    digest = digest_of(data)
    name = record.name(digest)
    text = _format({**data, "id": name, "digest": digest})
    PARSERS[record.kind](json.loads(text), name)  # the reader's rules hold for the writer
    return _write_all([(Path(folder) / f"{name}.json", text.encode())])


def _write_all(targets: list[tuple[Path, bytes]]) -> Path:
    """Write files, none over another of other content, and return the path of the last."""
    for path, content in targets:
        if path.exists() and path.read_bytes() != content:
            raise UserError(
                f"{path} exists and differs; records are append-only: move it away or choose another folder"
            )
    for path, content in targets:
        if not path.exists():
            with atomic(path) as temporary:
                temporary.write_bytes(content)
    return targets[-1][0]


def read(path: Path | str) -> Record:
    """Read and verify an evaluation; errors as for `read_any`, and where it is a record of another kind."""
    record = read_any(path)
    if not isinstance(record, Record):
        raise UserError(f"{path} is a record of the kind {record.kind}, not of an evaluation")
    return record


def read_any(path: Path | str) -> AnyRecord:
    """Read and verify a record of any kind and, of an evaluation, its per-image files.

    Raises:
        UserError: naming the record and what is wrong: not JSON, a newer schema, an unknown kind, a missing or unknown
            field, a number that is not finite, content unlike its digest, a per-image file that does not sum to the
            matrix.
    """
    path = Path(path)

    def refuse(constant: str) -> None:
        raise UserError(f"{path}: holds {constant}; a record's numbers are finite")

    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a record: {error}") from error
    kind = data.get("kind", "evaluation") if isinstance(data, dict) else "evaluation"
    if not isinstance(kind, str) or kind not in PARSERS:
        raise UserError(f"{path}: unknown kind {kind!r}; update the suite if it is a newer one's")
    record = replace(PARSERS[kind](data, str(path)), folder=path.parent)
    if isinstance(record, Record):
        for head in record.confusion:
            _check_sum(record, head, record.images(head))
    return record


def read_all_kinds(*folders: Path | str) -> list[AnyRecord]:
    """All records in the folders and below them, sorted by id. A folder that does not exist holds none.

    Raises:
        UserError: see `read_any`; also two records of one id.
    """
    found: dict[str, AnyRecord] = {}
    for path in sorted(path for folder in folders for path in Path(folder).rglob("*.json")):
        if path.name.startswith("."):  # another process is writing it
            continue
        record = read_any(path)
        if record.id in found:
            raise UserError(f"{record.id} is in {found[record.id].folder} and in {path.parent}; keep one of the two")
        found[record.id] = record
    return [found[name] for name in sorted(found)]


def read_all(*folders: Path | str) -> list[Record]:
    """The evaluations among all records in the folders; order and errors as for `read_all_kinds`."""
    return [record for record in read_all_kinds(*folders) if isinstance(record, Record)]


def _format(data: dict[str, Any]) -> str:
    """JSON that reads and diffs well: a row of a matrix, or any list of integers, stands on one line."""
    text = json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False)
    return re.sub(r"\[\n\s*(-?\d+(?:,\n\s*-?\d+)*)\n\s*\]", lambda row: f"[{' '.join(row[1].split())}]", text) + "\n"


def _check_sum(record: Record, head: str, confusions: ImageConfusions) -> None:
    if not np.array_equal(confusions.total(), record.confusion[head]):
        raise UserError(f"{record.id}: the per-image confusions of {head} do not sum to its matrix; evaluate again")
    if len(confusions.ids) != record.dataset.images or ids_sha256(confusions.ids) != record.dataset.ids_sha256:
        raise UserError(f"{record.id}: the per-image confusions of {head} are not over the split that it names")
