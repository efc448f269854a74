"""Unpacks archives that others made, and that may hold anything."""

import gzip
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import IO, BinaryIO

import rich.progress
from rich.console import Console

from repro.errors import UserError

CHUNK = 1 << 20  # bytes
# what the libraries raise over bytes that are no archive, or not all of one
BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, gzip.BadGzipFile, EOFError, RuntimeError)

Files = Iterator[tuple[str, Callable[[], IO[bytes]]]]


class _RefusedError(Exception):
    """What is wrong with an archive that can be read, in a few words."""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the files of a .zip or of a tar, packed or not, into a new folder, which appears whole or not at all.

    Nothing is written but plain files and their folders: a tar's link becomes a copy of the file that it names in the
    archive, so that no file can be written through a link. Owners, modes and times are left behind. A run that is
    killed leaves a hidden folder `.NAME-...` beside `folder`, which may be deleted.

    Args:
        archive: told apart by name: what does not end in .zip is a tar.
        folder: must not exist yet, since only the caller knows whether what is there may go.

    Raises:
        UserError: the folder exists or cannot be written; the archive is truncated or no archive or holds no file; a
            file would lie outside of the folder, is a device, or is a link to what the archive does not hold.
    """
    if folder.exists():
        raise UserError(f"{folder} exists already; delete it to unpack {archive} again")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # in a folder of that folder, so that the new one, once whole, only has to be renamed
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as temporary:
            whole = Path(temporary, folder.name)
            _extract(archive, whole)
            whole.rename(folder)
    except _RefusedError as refusal:
        raise UserError(f"{archive} is not what it should be: {refusal}; get it from another source") from refusal
    except BROKEN as error:
        reason = str(error).partition(":\n")[0]  # tarfile goes on about every format that it tried
        raise UserError(f"{archive} is truncated or no archive ({reason}); delete it and get it again") from error
    except OSError as error:
        raise UserError(
            f"cannot unpack {archive} into {folder}: {error.strerror or error}; free the space or get it again"
        ) from error


def _extract(archive: Path, folder: Path) -> None:
    files = _zip_files if archive.suffix.lower() == ".zip" else _tar_files
    console = Console(stderr=True)
    with rich.progress.open(archive, "rb", description=f"unpack {archive.name}", console=console) as packed:
        for name, open_member in files(packed):
            if not _stays_inside(name):
                raise _RefusedError(f"its member {name!r} leads out of the folder")
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with open_member() as content, (folder / name).open("wb") as file:
                shutil.copyfileobj(content, file, CHUNK)
    if not folder.exists():
        raise _RefusedError("it holds no file")


def _stays_inside(name: str) -> bool:
    path = PureWindowsPath(name)  # which knows the separators of every system, and drives
    return not path.anchor and ".." not in path.parts


def _zip_files(packed: BinaryIO) -> Files:
    with zipfile.ZipFile(packed) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                yield info.filename, partial(_open_zipped, archive, info)


def _open_zipped(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    if stat.S_ISLNK(info.external_attr >> 16):
        raise _RefusedError(f"its member {info.filename!r} is a link")
    return archive.open(info)


def _tar_files(packed: BinaryIO) -> Files:
    with tarfile.open(fileobj=packed) as archive:
        for member in archive:
            if not member.isdir():
                yield member.name, partial(_open_tarred, archive, member)
        # A tar ends with a block of zeros, but tarfile takes a cut between two members, or rubbish, for its end too.
        assert archive.fileobj
        archive.fileobj.seek(archive.offset)
        if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("unexpected end of data")
        while archive.fileobj.read(CHUNK):  # to where gzip keeps its checksum
            pass


def _open_tarred(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    try:
        content = archive.extractfile(member)  # for a link, what it names in the archive
    except (KeyError, RecursionError):
        content = None
    if content is None:
        raise _RefusedError(f"its member {member.name!r} is a device, or a link to no file of the archive")
    return content
