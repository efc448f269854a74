"""Brings a file from an address, going on where an earlier attempt was cut off, be it in another run.

What has come so far is a file of the caller's, the part. Beside it, in `.version`, lies what the server called the
version (an ETag or a date), so that bytes of two versions never meet in one file.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import requests
import urllib3
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

ATTEMPTS = 5  # each going on where the one before was cut off
PAUSE = 1.0  # seconds before the second attempt; doubles with each further one
TIMEOUT = (10.0, 60.0)  # seconds to connect, and to wait for the next bytes
CHUNK = 1 << 16  # bytes; at most so many are lost when a connection breaks
REASONS: dict[type[Exception], str] = {  # the first that fits is told
    requests.exceptions.SSLError: "its certificate is not accepted",
    requests.Timeout: "no answer",
    requests.ConnectionError: "cannot connect",
    requests.TooManyRedirects: "it redirects in a circle",
}


class FetchError(Exception):
    """Why an address gave no file, in a few words."""


class CutOffError(FetchError):
    """The connection broke; another attempt may bring the rest."""


def fetch(url: str, part: Path, label: str, size: int | None = None) -> None:
    """Bring a part to its whole, in a few attempts; it stays, for the next run, when they do not suffice.

    Args:
        label: what stands before the progress bar.
        size: of the whole in bytes; a server that has another file under the address is left at once.

    Raises:
        FetchError: the address gives no such file, or its connection broke too often.
        OSError: the part cannot be written.
    """
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE * 2 ** (attempt - 1))
        try:
            return _go_on(url, part, label, size)
        except CutOffError as error:
            last = error
    raise last


def discard(part: Path) -> None:
    """Delete a part, if there is one, and the note of its version."""
    part.unlink(missing_ok=True)
    _version(part).unlink(missing_ok=True)


def _go_on(url: str, part: Path, label: str, size: int | None) -> None:
    """Ask for what the part lacks; begin anew where the server has another version, or can only send the whole."""
    done = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}  # an archive is kept as published, neither packed again nor unpacked
    if done:
        headers["Range"] = f"bytes={done}-"
        if _version(part).exists():
            headers["If-Range"] = _version(part).read_text(encoding="latin-1")
    with _get(url, headers) as response:
        start, whole = _content_range(response)
        if response.status_code == 416 and whole == done == (size or done):
            return  # nothing was lacking
        if response.status_code == 416 or (response.status_code == 206 and start != done):
            discard(part)
            raise CutOffError(f"the server cannot go on after {done} bytes")
        if response.status_code not in (200, 206):
            raise FetchError(f"{response.status_code} {response.reason}".strip())
        if response.status_code == 200:
            done = 0
        lacking = response.raw.length_remaining  # None where the server does not say
        total = size if lacking is None else done + lacking
        if size is not None and total != size:
            discard(part)
            raise FetchError(f"another file: {total} bytes, not {size}")
        _receive(response, part, done, total, label)


@contextlib.contextmanager
def _get(url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    try:
        response = requests.get(url, headers=headers, stream=True, timeout=TIMEOUT)
    except (requests.RequestException, ValueError) as error:  # the latter for what is no address at all
        reason = next((reason for kind, reason in REASONS.items() if isinstance(error, kind)), "not an http address")
        raise (CutOffError if "Range" in headers else FetchError)(reason) from error  # a part is worth waiting for
    with response:
        yield response


def _content_range(response: requests.Response) -> tuple[int | None, int | None]:
    """Where the bytes of a response start in the whole file, and how long that is; None for what it does not say."""
    found = re.match(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", response.headers.get("Content-Range", ""))
    if not found:
        return None, None
    start, whole = (None if number is None else int(number) for number in found.groups())
    return start, whole


def _receive(response: requests.Response, part: Path, done: int, total: int | None, label: str) -> None:
    with part.open("ab" if done else "wb") as file:
        if not done:
            _note_version(response, part)
        try:
            with _bar(label, done, total) as advance:
                for chunk in response.raw.stream(CHUNK, decode_content=False):
                    file.write(chunk)
                    advance(len(chunk))
        except urllib3.exceptions.HTTPError as error:
            raise CutOffError(f"cut off after {file.tell()} of {total or 'unknown'} bytes") from error
        if total is not None and file.tell() != total:  # a server that did not say how much it would send
            raise CutOffError(f"cut off after {file.tell()} of {total} bytes")


def _version(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def _note_version(response: requests.Response, part: Path) -> None:
    """Keep what names the version, for the next request; a weak ETag does not serve for ranges."""
    etag = response.headers.get("ETag", "")
    version = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
    _version(part).unlink(missing_ok=True)
    if version:
        _version(part).write_text(version, encoding="latin-1")


@contextlib.contextmanager
def _bar(label: str, done: int, total: int | None) -> Iterator[Callable[[int], None]]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, completed=done, total=total)
        yield partial(progress.advance, task)
