"""Takes records into the repository, where the tables find them."""

import re
import shutil
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from repro import records
from repro.errors import UserError
from repro.files import atomic
from repro.records import AnyRecord, Record
from repro.report.claims import checkout
from repro.report.layouts.selections import trees


def publish(paths: Iterable[Path], machine: str, folder: Path | None = None) -> list[Path]:
    """Copy records and their per-image files to `tables/records/<machine>`; what is there already stays as it is.

    Args:
        paths: record files, or folders of them.
        machine: a name for the machine, of letters, digits, `_` and `-`.
        folder: instead of the checkout's `tables/records`.

    Returns:
        The published record files.

    Raises:
        UserError: nothing to publish; a record that is broken, was measured from a dirty tree or with changed settings;
            a file of the same name and other content, or under another machine. Then nothing is copied.
    """
    if not re.fullmatch("[A-Za-z0-9_-]+", machine):
        raise UserError(f"{machine!r} is no name for a folder: use letters, digits, _ and -")
    files = [file for path in paths for file in (sorted(path.glob("[!.]*.json")) if path.is_dir() else [path])]
    if not files:
        raise UserError("there is no record to publish")
    found = [records.read_any(file) for file in files]
    for record in found:
        for where in trees(record).values():
            if where.get("dirty") is not False:
                raise UserError(f"{record.id} is not from a clean tree: commit, then measure again")
        if isinstance(record, Record) and record.recipe == "changed":
            raise UserError(f"{record.id} was measured with changed settings: it is another experiment")
    root = folder or checkout("tables", "records")
    pairs = zip(files, found, strict=True)
    copies = dict(chain.from_iterable(_copies(file, record, root / machine) for file, record in pairs))
    for copy, source in copies.items():
        elsewhere = [path for path in root.glob(f"*/{copy.name}") if path.parent != copy.parent]
        if elsewhere:
            raise UserError(f"{copy.name} is there already, in {elsewhere[0].parent}: publish it under that machine")
        if copy.exists() and copy.read_bytes() != source.read_bytes():
            raise UserError(f"{copy} exists and differs: records are append-only")
    for copy, source in copies.items():
        if not copy.exists():
            with atomic(copy) as temporary:
                shutil.copyfile(source, temporary)
    return [root / machine / file.name for file in files]


def _copies(file: Path, record: AnyRecord, folder: Path) -> list[tuple[Path, Path]]:
    """Each file of a record as (copy, source): what lies beside the record first, the record last."""
    beside = record.images_file.values() if isinstance(record, Record) else ()
    return [(folder / path.name, path) for path in (*(file.parent / image.name for image in beside), file)]
