"""Files that are written whole or not at all."""

import contextlib
import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from repro.errors import UserError


@contextlib.contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Hand out a temporary path beside `path`; rename it to `path` when the block succeeds, delete it when it fails.

    The temporary file keeps the suffix of `path`, so writers that choose a format by suffix work unchanged.

    Raises:
        UserError: the folder cannot be made or written (read-only, full disk, a file in the way).
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror or error}; free the space or choose another folder"
        ) from error
    finally:
        with contextlib.suppress(OSError):  # the error above is the one to tell
            temporary.unlink(missing_ok=True)


def sha256(path: Path | str) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
