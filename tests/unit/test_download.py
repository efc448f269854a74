"""Archives come whole and verified or not at all, from where they lie, against a server with every known fault."""

import hashlib
import random
import re
import socket
from collections.abc import Iterator
from http import HTTPStatus
from logging.handlers import BufferingHandler
from pathlib import Path

import pooch
import pytest
from local_server import LocalServer, Page

from repro.data import fetch
from repro.data.download import Archive, obtain, wanted
from repro.errors import UserError

NAME = "VOC_25-May-2011.tar"
SIZE = 300_017  # several chunks and a bit


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSE", 0.001)
    monkeypatch.setattr(fetch, "TIMEOUT", (5.0, 5.0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("REPRO_MIRROR", raising=False)


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with LocalServer() as running:
        yield running


@pytest.fixture
def content() -> bytes:
    return random.randbytes(SIZE)


@pytest.fixture
def dead() -> str:
    """An address where nobody listens."""
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{port.getsockname()[1]}/{NAME}"


def md5(content: bytes) -> str:
    return f"md5:{hashlib.md5(content).hexdigest()}"


def archive(content: bytes, *urls: str, **facts) -> Archive:
    return Archive(**{"name": NAME, "urls": urls, "checksum": md5(content), "size": len(content), **facts})


def only_file(folder: Path) -> bytes:
    """The content of the archive, which must be all that a download leaves."""
    assert [path.name for path in folder.iterdir()] == [NAME]
    return (folder / NAME).read_bytes()


def part(folder: Path) -> Path:
    [found] = folder.glob("*.part")
    return found


def fail(archives: list[Archive] | Archive, folder: Path, given=(), **options) -> str:
    with pytest.raises(UserError) as caught:
        obtain(archives if isinstance(archives, list) else [archives], folder, given, **options)
    return str(caught.value)


def break_off(server: LocalServer, path: str, wanted: Archive, folder: Path, after: int) -> None:
    """Leave a part of `after` bytes, as a run does whose connection broke, and the next one with no server."""
    page = server.pages[path]
    page.cuts = [after] + [0] * (fetch.ATTEMPTS - 1)
    assert f"{server.url}{path}: cut off after {after} of {len(page.content)} bytes" in fail(wanted, folder)
    assert part(folder).read_bytes() == page.content[:after]
    assert not (folder / NAME).exists()
    assert not page.cuts
    server.asked.clear()


@pytest.mark.parametrize("checksum", ["md5", "sha256", "bare sha256", "upper case", "unknown"])
def test_a_whole_file_comes_as_it_is(server, content, tmp_path, checksum):
    sha256 = hashlib.sha256(content).hexdigest()
    known = {
        "md5": md5(content),
        "sha256": f"sha256:{sha256}",
        "bare sha256": sha256,
        "upper case": f"sha256:{sha256.upper()}",
        "unknown": None,
    }
    server.pages["/a.tar"] = Page(content)
    source = archive(content, f"{server.url}/a.tar", checksum=known[checksum], size=None)
    folder = tmp_path / "new" / "archives"
    assert wanted([source], folder) == [source]
    assert obtain([source], folder) == {NAME: folder / NAME}
    assert only_file(folder) == content
    assert wanted([source], folder) == []
    obtain([source], folder)
    assert server.ranges("/a.tar") == [None], "what is there is not downloaded again"


@pytest.mark.parametrize("version", [{"etag": '"one"'}, {"modified": "Wed, 25 May 2011 10:00:00 GMT"}, {}])
def test_a_download_goes_on_in_the_next_run(server, content, tmp_path, version):
    page = server.pages["/a.tar"] = Page(content, **version)
    source = archive(content, f"{server.url}/a.tar")
    break_off(server, "/a.tar", source, tmp_path, after=123_456)
    obtain([source], tmp_path)
    assert only_file(tmp_path) == content
    [(_, headers)] = server.asked
    assert headers["Range"] == "bytes=123456-"
    assert headers.get("If-Range") == (page.etag or page.modified)


def test_a_connection_that_breaks_twice_is_taken_up_again(server, content, tmp_path):
    server.pages["/a.tar"] = Page(content, cuts=[100_000, 70_000], etag='"one"')
    obtain([archive(content, f"{server.url}/a.tar")], tmp_path)
    assert only_file(tmp_path) == content
    assert server.ranges("/a.tar") == [None, "bytes=100000-", "bytes=170000-"]


def test_a_connection_that_always_breaks_is_given_up(server, content, tmp_path):
    server.pages["/a.tar"] = Page(content, cuts=[1000] * 1000)
    message = fail(archive(content, f"{server.url}/a.tar"), tmp_path)
    got = fetch.ATTEMPTS * 1000
    assert f"  {server.url}/a.tar: cut off after {got} of {SIZE} bytes\n" in message
    assert len(server.asked) == fetch.ATTEMPTS
    assert not (tmp_path / NAME).exists()
    assert part(tmp_path).read_bytes() == content[:got]


def test_what_has_begun_is_worth_waiting_for(content, tmp_path, dead, monkeypatch):
    pauses: list[float] = []
    with LocalServer({"/a.tar": Page(content)}) as server:
        source = archive(content, f"{server.url}/a.tar")
        break_off(server, "/a.tar", source, tmp_path, after=1000)
    monkeypatch.setattr(fetch.time, "sleep", pauses.append)
    assert f"{source.urls[0]}: cannot connect\n" in fail(source, tmp_path)
    assert pauses == [fetch.PAUSE * 2**power for power in range(fetch.ATTEMPTS - 1)]
    pauses.clear()
    fail(archive(content, dead), tmp_path)
    assert pauses == []


def test_a_part_that_is_whole_already_is_taken(server, content, tmp_path):
    server.pages["/a.tar"] = Page(content)
    source = archive(content, f"{server.url}/a.tar")
    break_off(server, "/a.tar", source, tmp_path, after=1000)
    part(tmp_path).write_bytes(content)
    obtain([source], tmp_path)
    assert only_file(tmp_path) == content
    assert server.ranges("/a.tar") == [f"bytes={SIZE}-"]


@pytest.mark.parametrize("checksum", [True, False])
def test_a_part_longer_than_the_file_is_dropped(server, content, tmp_path, checksum):
    server.pages["/a.tar"] = Page(content)
    source = archive(content, f"{server.url}/a.tar", **({} if checksum else {"checksum": None, "size": None}))
    break_off(server, "/a.tar", source, tmp_path, after=1000)
    part(tmp_path).write_bytes(content + b"more")
    obtain([source], tmp_path)
    assert only_file(tmp_path) == content


def test_a_server_without_ranges_sends_all_again(server, content, tmp_path):
    server.pages["/a.tar"] = Page(content, ranges=False, cuts=[200_000])
    obtain([archive(content, f"{server.url}/a.tar", checksum=None)], tmp_path)
    assert only_file(tmp_path) == content
    assert server.ranges("/a.tar") == [None, "bytes=200000-"]


@pytest.mark.parametrize("by_etag", [True, False])
def test_parts_of_two_versions_are_not_joined(server, content, tmp_path, by_etag):
    def version(content: bytes, day: int) -> Page:
        return (
            Page(content, etag=f'"{day}"') if by_etag else Page(content, modified=f"Wed, {day} May 2011 10:00:00 GMT")
        )

    server.pages["/a.tar"] = version(content, 18)
    unknown = archive(content, f"{server.url}/a.tar", checksum=None)
    break_off(server, "/a.tar", unknown, tmp_path, after=50_000)
    newer = random.randbytes(SIZE)
    page = server.pages["/a.tar"] = version(newer, 25)
    break_off(server, "/a.tar", unknown, tmp_path, after=60_000)
    page.cuts = []
    obtain([unknown], tmp_path)  # and now goes on with the newer
    assert only_file(tmp_path) == newer
    assert server.ranges("/a.tar") == ["bytes=60000-"]


def test_a_weak_etag_does_not_vouch_for_a_part(server, content, tmp_path):
    server.pages["/a.tar"] = Page(content, etag='W/"one"', modified="Wed, 25 May 2011 10:00:00 GMT", cuts=[50_000])
    obtain([archive(content, f"{server.url}/a.tar")], tmp_path)
    assert only_file(tmp_path) == content
    assert server.asked[1][1]["If-Range"] == "Wed, 25 May 2011 10:00:00 GMT"


def test_a_version_that_is_not_named_any_more_is_forgotten(server, content, tmp_path):
    server.pages["/a.tar"] = Page(content, etag='"one"')
    source = archive(content, f"{server.url}/a.tar")
    break_off(server, "/a.tar", source, tmp_path, after=50_000)
    page = server.pages["/a.tar"] = Page(content)
    break_off(server, "/a.tar", source, tmp_path, after=60_000)
    page.cuts = [70_000]
    obtain([source], tmp_path)
    assert only_file(tmp_path) == content
    assert server.ranges("/a.tar") == ["bytes=60000-", "bytes=130000-"]


def test_a_part_from_another_place_than_asked_for_is_not_appended(server, content, tmp_path):
    server.pages["/a.tar"] = Page(content, early=1, cuts=[50_000])
    obtain([archive(content, f"{server.url}/a.tar", checksum=None)], tmp_path)
    assert only_file(tmp_path) == content


def test_parts_of_two_addresses_are_not_joined(server, content, tmp_path):
    other = random.randbytes(SIZE)
    server.pages |= {"/a.tar": Page(content), "/b.tar": Page(other)}
    source = archive(content, f"{server.url}/a.tar", checksum=None)
    break_off(server, "/a.tar", source, tmp_path, after=50_000)
    obtain([archive(other, f"{server.url}/b.tar", *source.urls, checksum=None)], tmp_path)
    assert only_file(tmp_path) == other
    assert server.ranges("/b.tar") == [None] and server.ranges("/a.tar") == []


def test_two_addresses_that_break_off_both_keep_what_they_gave(server, content, tmp_path):
    server.pages |= {"/a.tar": Page(content), "/b.tar": Page(content)}
    source = archive(content, f"{server.url}/a.tar", f"{server.url}/b.tar")
    for page in server.pages.values():
        page.cuts = [20_000] * 2 * fetch.ATTEMPTS
    fail(source, tmp_path)
    assert len(list(tmp_path.glob("*.part"))) == 2
    fail(source, tmp_path)
    server.asked.clear()
    obtain([source], tmp_path)
    assert only_file(tmp_path) == content
    assert server.ranges("/a.tar") == [f"bytes={2 * fetch.ATTEMPTS * 20_000}-"]


def test_a_file_of_another_content_is_deleted_and_the_next_address_tried(server, content, tmp_path):
    server.pages |= {"/bad.tar": Page(random.randbytes(SIZE), etag='"bad"'), "/good.tar": Page(content)}
    obtain([archive(content, f"{server.url}/bad.tar", f"{server.url}/good.tar")], tmp_path)
    assert only_file(tmp_path) == content
    folder = tmp_path / "again"
    for _ in range(2):  # neither taken for whole nor gone on with
        assert "/bad.tar: another file: its checksum differs\n" in fail(
            archive(content, f"{server.url}/bad.tar"), folder
        )
        assert list(folder.iterdir()) == []
    assert server.ranges("/bad.tar") == [None] * 3


def test_a_file_of_another_size_is_not_even_downloaded(server, content, tmp_path):
    page = server.pages["/page.html"] = Page(b"<html>this server has moved</html>")
    source = archive(content, f"{server.url}/page.html")
    assert f"another file: {len(page.content)} bytes, not {SIZE}\n" in fail(source, tmp_path)
    assert list(tmp_path.iterdir()) == []
    for come in (page.content[:10], page.content):
        break_off(server, "/page.html", archive(content, *source.urls, size=None), tmp_path, after=10)
        part(tmp_path).write_bytes(come)
        assert "another file" in fail(archive(content, *source.urls, checksum=None), tmp_path)
        assert list(tmp_path.iterdir()) == [], "nor gone on with"
    obtain([source], tmp_path, verify=False)
    assert only_file(tmp_path) == page.content


@pytest.mark.parametrize("status", [204, 304, 404, 500, 503])
def test_an_answer_that_is_no_file_is_not_taken_for_one(server, tmp_path, status):
    server.pages["/a.tar"] = Page(b"" if status < 400 else b"<html>sorry</html>", status=status)
    message = fail(Archive(NAME, (f"{server.url}/a.tar",), None), tmp_path)
    assert f"{server.url}/a.tar: {status} {HTTPStatus(status).phrase}\n" in message
    assert list(tmp_path.iterdir()) == []


def test_addresses_are_tried_in_their_order(server, content, tmp_path, dead, monkeypatch):
    server.pages |= {
        "/moved.tar": Page(status=302, location=f"{server.url}/broken.tar"),
        "/broken.tar": Page(status=503),
        "/round.tar": Page(status=302, location=f"{server.url}/round.tar"),
        "/nowhere.tar": Page(status=304),
        "/good.tar": Page(content),
    }
    paths = ("gone", "moved", "round", "nowhere", "good", "unasked")
    source = archive(content, dead, "no address", *(f"{server.url}/{path}.tar" for path in paths))
    monkeypatch.setenv("REPRO_MIRROR", f"{server.url}/mirror/")
    obtain([source], tmp_path)
    assert only_file(tmp_path) == content
    asked = list(dict.fromkeys(path for path, _ in server.asked))
    assert asked == [f"/mirror/{NAME}", *(f"/{path}.tar" for path in ("gone", "moved", "broken", *paths[2:-1]))]
    server.pages[f"/mirror/{NAME}"] = Page(content)
    server.asked.clear()
    obtain([source], tmp_path / "again")
    assert [path for path, _ in server.asked] == [f"/mirror/{NAME}"]


def test_what_is_never_downloaded_is_asked_of_no_mirror(server, content, tmp_path, monkeypatch):
    """Its terms are the user's to accept."""
    monkeypatch.setenv("REPRO_MIRROR", server.url)
    server.pages[f"/{NAME}"] = Page(content)
    assert f"  {NAME}: no address of it is known\n" in fail(archive(content), tmp_path)
    assert server.asked == [] and list(tmp_path.iterdir()) == []
    (tmp_path / NAME).write_bytes(content)
    assert obtain([archive(content)], tmp_path) == {NAME: tmp_path / NAME}


def test_a_redirect_to_another_server_is_followed_and_gone_on_with(server, content, tmp_path):
    with LocalServer({"/real.tar": Page(content, cuts=[90_000], etag='"one"')}) as second:
        server.pages["/a.tar"] = Page(status=302, location=f"{second.url}/real.tar")
        obtain([archive(content, f"{server.url}/a.tar")], tmp_path)
        assert second.ranges("/real.tar") == [None, "bytes=90000-"]
    assert only_file(tmp_path) == content


def test_when_all_fail_each_address_is_named_with_its_reason(server, content, tmp_path, dead):
    server.pages |= {
        "/bad.tar": Page(random.randbytes(SIZE)),
        "/cut.tar": Page(content, cuts=[10] * 99),
        "/good.zip": Page(b"zip"),
    }
    first = archive(content, dead, *(f"{server.url}/{path}.tar" for path in ("gone", "bad", "cut")), holds="VOC 2011")
    second = Archive("benchmark.tgz", (f"{server.url}/gone.tgz",), None)
    third = Archive("lost.tgz", (), None)
    good = Archive("good.zip", (f"{server.url}/good.zip",), None)
    lines = fail([first, second, third, good], tmp_path).splitlines()
    assert lines[0] == f"cannot get {NAME} (VOC 2011), benchmark.tgz, lost.tgz"
    assert lines[1:-1] == [
        f"  {dead}: cannot connect",
        f"  {server.url}/gone.tar: 404 Not Found",
        f"  {server.url}/bad.tar: another file: its checksum differs",
        f"  {server.url}/cut.tar: cut off after {10 * fetch.ATTEMPTS} of {SIZE} bytes",
        f"  {server.url}/gone.tgz: 404 Not Found",
        "  lost.tgz: no address of it is known",
    ]
    assert "--archive FILE" in lines[-1] and str(tmp_path) in lines[-1]
    assert (tmp_path / "good.zip").read_bytes() == b"zip", "what could be had is kept"
    assert wanted([first, good], tmp_path) == [first]


def test_a_length_that_the_server_does_not_say_is_known_from_the_archive(server, content, tmp_path):
    server.pages["/a.tar"] = Page(content, length=False, cuts=[80_000])
    obtain([archive(content, f"{server.url}/a.tar", checksum=None)], tmp_path)
    assert only_file(tmp_path) == content
    assert server.ranges("/a.tar") == [None, "bytes=80000-"]


def test_an_archive_is_not_unpacked_on_the_way(server, content, tmp_path):
    """Many servers mark a .tgz as an encoding of a .tar, which browsers and `requests` undo."""
    server.pages["/a.tgz"] = Page(content, headers={"Content-Encoding": "gzip"}, cuts=[1000])
    obtain([archive(content, f"{server.url}/a.tgz")], tmp_path)
    assert only_file(tmp_path) == content
    assert all(headers["Accept-Encoding"] == "identity" for _, headers in server.asked)


def test_local_files_come_first_and_given_ones_before_all(server, content, tmp_path):
    folder, elsewhere = tmp_path / "archives", tmp_path / "elsewhere" / NAME
    source = archive(content, f"{server.url}/a.tar", checksum=None, size=None)
    for path, text in ((folder / NAME, b"in the folder"), (elsewhere, b"given")):
        path.parent.mkdir()
        path.write_bytes(text)
    assert obtain([source], folder) == {NAME: folder / NAME}
    assert obtain([source], folder, [elsewhere]) == {NAME: elsewhere}
    assert obtain([source], tmp_path, [elsewhere]) == {NAME: elsewhere}
    assert wanted([source], tmp_path, [elsewhere]) == []
    assert server.asked == []


def test_a_given_file_that_nobody_wants_or_that_is_missing_is_named(content, tmp_path):
    source = archive(content, holds="VOC 2011")
    stray = tmp_path / "VOC(1).tar"
    stray.write_bytes(content)
    for call in (lambda: obtain([source], tmp_path, [stray]), lambda: wanted([source], tmp_path, [stray])):
        with pytest.raises(UserError, match=re.escape(f"{stray} is none of the archives wanted: {NAME} (VOC 2011)")):
            call()
    assert f"{tmp_path / 'x' / NAME} is missing" in fail(source, tmp_path, [tmp_path / "x" / NAME])


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("known", ["checksum and size", "checksum", "size"])
def test_a_local_file_must_be_the_published_one(server, content, tmp_path, given, known):
    folder = tmp_path if not given else tmp_path / "archives"
    server.pages["/a.tar"] = Page(content)
    facts = {"checksum": {"size": None}, "size": {"checksum": None}}.get(known, {})
    source = archive(content, f"{server.url}/a.tar", **facts)
    local = tmp_path / NAME
    changed = content[:-1] if known == "size" else content[:-1] + bytes([content[-1] ^ 1])
    local.write_bytes(changed)
    options = [local] if given else []
    message = fail(source, folder, options)
    assert "\n" not in message and "--unverified" in message and message.startswith(f"{local} is not the published")
    found, expected = (SIZE - 1, SIZE) if known == "size" else (md5(changed)[4:], md5(content)[4:])
    assert f"{found}, not {expected}" in message or f"{found} bytes, not {expected}" in message
    assert local.read_bytes() == changed and server.asked == []
    assert obtain([source], folder, options, verify=False) == {NAME: local}
    local.write_bytes(content)
    assert obtain([source], folder, options) == {NAME: local}


def test_unverified_takes_what_an_address_gives(server, content, tmp_path):
    other = random.randbytes(SIZE + 5)
    server.pages["/a.tar"] = Page(other)
    obtain([archive(content, f"{server.url}/a.tar")], tmp_path, verify=False)
    assert only_file(tmp_path) == other


def test_a_folder_that_cannot_be_written_is_named(server, content, tmp_path):
    server.pages["/a.tar"] = Page(content)
    (tmp_path / "file").touch()
    message = fail(archive(content, f"{server.url}/a.tar"), tmp_path / "file" / "archives")
    assert "\n" not in message and message.startswith(f"cannot write {tmp_path / 'file' / 'archives' / NAME}")


def test_an_interrupted_download_leaves_its_part_and_no_other_file(server, content, tmp_path, monkeypatch):
    server.pages["/a.tar"] = Page(content)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    source = archive(content, f"{server.url}/a.tar")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fetch.Progress, "advance", interrupt)
        obtain([source], tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} <= {".part", ".version"}
    done = part(tmp_path).read_bytes()
    assert content.startswith(done) and 0 < len(done) < SIZE
    obtain([source], tmp_path)
    assert only_file(tmp_path) == content
    assert server.ranges("/a.tar") == [None, f"bytes={len(done)}-"]


def test_the_bar_goes_to_stderr(server, content, tmp_path, capfd):
    server.pages["/a.tar"] = Page(content)
    told = BufferingHandler(100)
    pooch.get_logger().addHandler(told)
    obtain([archive(content, f"{server.url}/a.tar")], tmp_path)
    pooch.get_logger().removeHandler(told)
    out, err = capfd.readouterr()
    assert out == "" and NAME in err
    assert len(err.splitlines()) == 1 and not told.buffer, "and nothing else does"
