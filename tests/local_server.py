"""A server of files on this machine, with the faults that servers of archives have."""

import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Page:
    """What lies under a path, and how the server misbehaves there.

    Attributes:
        content: the file.
        status: of the answer; 302 leads to `location`.
        ranges: whether it sends parts of the file.
        early: how many bytes before the place that was asked for its parts start.
        etag, modified: what it calls this version of the file.
        cuts: after how many bytes of the body each answer breaks off, one after the other; later ones are whole.
        length: whether it says how many bytes follow.
        headers: further ones.
    """

    content: bytes = b""
    status: int = 200
    location: str = ""
    ranges: bool = True
    early: int = 0
    etag: str | None = None
    modified: str | None = None
    cuts: list[int] = field(default_factory=list)
    length: bool = True
    headers: dict[str, str] = field(default_factory=dict)


class LocalServer:
    """Serves `pages` by path while its `with` block lasts; `asked` holds the path and the headers of each request."""

    def __init__(self, pages: dict[str, Page] | None = None) -> None:
        self.pages = pages or {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        # the default looks for the end of its work twice a second, which every test would wait for
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def ranges(self, path: str) -> list[str | None]:
        """The Range header of each request for a path."""
        return [headers.get("Range") for asked, headers in self.asked if asked == path]

    def __enter__(self) -> "LocalServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, dict(self.headers)))
                page = outer.pages.get(self.path, Page(b"<html>not here</html>", status=404))
                status, body, headers = answer(page, dict(self.headers))
                if page.cuts and status in (200, 206):  # before a test hears of the answer, and may change the page
                    body = body[: page.cuts.pop(0)]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def answer(page: Page, asked: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers of a page, after RFC 9110 where ranges are concerned (sections 13.1.5 and 14)."""
    status, body, size = page.status, page.content, len(page.content)
    headers = dict(page.headers)
    if page.etag:
        headers["ETag"] = page.etag
    if page.modified:
        headers["Last-Modified"] = page.modified
    if page.location:
        headers["Location"] = page.location
    wanted = re.fullmatch(r"bytes=(\d+)-", asked.get("Range", ""))
    strong = [name for name in (page.etag, page.modified) if name and not name.startswith("W/")]
    same = "If-Range" not in asked or asked["If-Range"] in strong
    if status == 200 and wanted and page.ranges and same:
        start = int(wanted[1]) - page.early
        if start >= size:
            status, body, headers["Content-Range"] = 416, b"", f"bytes */{size}"
        else:
            status, body, headers["Content-Range"] = 206, body[start:], f"bytes {start}-{size - 1}/{size}"
    if page.length:
        headers["Content-Length"] = str(len(body))
    return status, body, headers
