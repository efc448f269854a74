"""Archives that others publish: taken from where the user has them, else downloaded, and verified either way.

What has come of an unfinished download lies beside the archive as `NAME.<hash of the address>.part`: the next run goes
on from there, and the bytes of two addresses never meet in one file.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pooch

from repro.data.fetch import FetchError, discard, fetch
from repro.errors import UserError


@dataclass(frozen=True)
class Archive:
    """A file that somebody publishes, and where.

    Attributes:
        name: of the file, such as "VOCtrainval_25-May-2011.tar".
        urls: every known address, the official one first; none for what is never downloaded, from no mirror either.
        checksum: "md5:6c33..." or "sha256:...", as pooch takes it; None where it is not known.
        size: in bytes, where known.
        holds: what it is, for messages.
    """

    name: str
    urls: tuple[str, ...]
    checksum: str | None
    size: int | None = None
    holds: str = ""


def wanted(archives: Sequence[Archive], folder: Path, given: Sequence[Path] = ()) -> list[Archive]:
    """The archives of which there is no local file; looks at names alone.

    Raises:
        UserError: a given file is missing, or bears the name of none of the archives.
    """
    local = _find(archives, folder, given)
    return [archive for archive in archives if archive.name not in local]


def obtain(
    archives: Sequence[Archive], folder: Path, given: Sequence[Path] = (), *, verify: bool = True
) -> dict[str, Path]:
    """Local paths of archives, by name. What is in neither `given` nor `folder` is downloaded into `folder`.

    The addresses are tried in their order, after the one below `REPRO_MIRROR` where that is set. One that is out of
    reach, breaks off too often or gives another file is followed by the next.

    Args:
        given: files that the user has already, found by their names; they come before those in `folder`.
        verify: compare sizes and checksums; else any file of the right name is taken as it is.

    Raises:
        UserError: a given file is missing or unknown, a local file is not the published one, the folder cannot be
            written, or some archives could not be had: then every address is named, one a line, with what it said.
    """
    paths = _find(archives, folder, given)
    for archive in archives:
        if verify and archive.name in paths:
            _check(paths[archive.name], archive)
    missing, reasons = [], []
    for archive in wanted(archives, folder, given):
        failures = []
        for url in _addresses(archive):
            try:
                paths[archive.name] = _download(archive, url, folder, verify)
                break
            except FetchError as failure:
                failures.append(f"  {url}: {failure}")
        else:
            missing.append(archive)
            reasons += failures or [f"  {archive.name}: no address of it is known"]
    if missing:
        by_hand = f"get by hand what is lacking, and name it with --archive FILE or put it into {folder}"
        raise UserError("\n".join([f"cannot get {_names(missing)}", *reasons, by_hand]))
    return {archive.name: paths[archive.name] for archive in archives}


def _find(archives: Sequence[Archive], folder: Path, given: Sequence[Path]) -> dict[str, Path]:
    names = [archive.name for archive in archives]
    paths = {name: folder / name for name in names if (folder / name).is_file()}
    for path in map(Path, given):
        if path.name not in names:
            raise UserError(f"{path} is none of the archives wanted: {_names(archives)}; rename it if it is one")
        if not path.is_file():
            raise UserError(f"the archive {path} is missing or no file; correct the path")
        paths[path.name] = path
    return paths


def _names(archives: Sequence[Archive]) -> str:
    return ", ".join(f"{archive.name} ({archive.holds})" if archive.holds else archive.name for archive in archives)


def _check(path: Path, archive: Archive) -> None:
    """Refuse a local file that is not the published one."""
    size, fault = path.stat().st_size, ""
    if archive.size not in (None, size):  # seen at once; and all there is to see where no checksum is known
        fault = f"it has {size} bytes, not {archive.size}"
    elif archive.checksum:
        algorithm, _, expected = archive.checksum.rpartition(":")
        try:
            found = pooch.file_hash(str(path), alg=algorithm or "sha256")
        except OSError as error:
            raise UserError(f"cannot read {path}: {error.strerror or error}; delete or replace it") from error
        if found != expected.lower():
            fault = f"its {algorithm or 'sha256'} is {found}, not {expected}"
    if fault:
        raise UserError(
            f"{path} is not the published file: {fault}; delete it, or pass --unverified to take it as it is (results "
            "will be marked)"
        )


def _addresses(archive: Archive) -> list[str]:
    mirror = os.environ.get("REPRO_MIRROR")
    return [f"{mirror.rstrip('/')}/{archive.name}", *archive.urls] if mirror and archive.urls else list(archive.urls)


def _download(archive: Archive, url: str, folder: Path, verify: bool) -> Path:
    """Download from one address; the archive's name appears when all of it has come and its checksum is right."""

    def download(url: str, target: str, _: object) -> None:
        part = _part(archive, url, folder)
        fetch(url, part, archive.name, archive.size if verify else None)
        part.replace(target)
        discard(part)

    pooch.get_logger().setLevel("WARNING")  # the progress bar says as much
    try:
        pooch.retrieve(url, archive.checksum if verify else None, archive.name, folder, downloader=download)
        for other in _addresses(archive):
            discard(_part(archive, other, folder))
    except ValueError as error:  # so pooch says it, which has deleted the file
        raise FetchError("another file: its checksum differs") from error
    except OSError as error:
        raise UserError(
            f"cannot write {folder / archive.name}: {error.strerror or error}; free the space or choose another folder"
        ) from error
    return folder / archive.name


def _part(archive: Archive, url: str, folder: Path) -> Path:
    return folder / f"{archive.name}.{hashlib.sha256(url.encode()).hexdigest()[:8]}.part"
