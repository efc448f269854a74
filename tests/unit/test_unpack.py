"""What is unpacked is what was packed, whole or not at all, and nothing lands outside, whatever an archive holds."""

import io
import os
import random
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from repro.data.unpack import unpack
from repro.errors import UserError

SUFFIXES = {"tar": ".tar", "gztar": ".tgz", "zip": ".zip"}


def tree(folder: Path) -> dict[str, bytes | str]:
    """Every file's content, and where every link leads, by relative path."""
    paths = [path for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else path.read_bytes()  # noqa: PTH115
        for path in paths
    }


@pytest.fixture
def packed(tmp_path: Path) -> Callable[[str], Path]:
    """Pack a random tree, which lies in `source`, with Python's own packer."""
    source = tmp_path / "source"
    files = {
        "VOC/JPEGImages/a.jpg": random.randbytes(random.randrange(1, 50_000)),
        "VOC/JPEGImages/b c.jpg": random.randbytes(random.randrange(1, 50_000)),
        "VOC/lists/train.txt": "\n".join(str(random.random()) for _ in range(2000)).encode(),  # which can be packed
        ".hidden/ü": b"text",
        "empty.txt": b"",
    }
    for name, content in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(content)

    def pack(kind: str) -> Path:
        made = Path(shutil.make_archive(str(tmp_path / "made"), kind, source))
        return made.rename(tmp_path / f"archive{SUFFIXES[kind]}")

    return pack


def make_tar(path: Path, *members: tuple[str, bytes | tuple[bytes, str]], mode="w") -> Path:
    """A tar of files (name, content) and of members of other types: (name, (type, where it links to))."""
    with tarfile.open(path, mode) as archive:
        for name, what in members:
            info = tarfile.TarInfo(name)
            if isinstance(what, bytes):
                info.size = len(what)
                archive.addfile(info, io.BytesIO(what))
            else:
                info.type, info.linkname = what
                archive.addfile(info)
    return path


def make_zip(path: Path, *members: tuple[str, bytes], link: bool = False) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            if link:
                info.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(info, content)
    return path


def refuse(archive: Path) -> str:
    """The one line with which an archive is refused; its surroundings must stay as they are."""
    folder = archive.parent / "home" / "data" / "voc"
    folder.parent.mkdir(parents=True, exist_ok=True)
    before = tree(archive.parent)
    with pytest.raises(UserError) as caught:
        unpack(archive, folder)
    assert tree(archive.parent) == before
    assert list(folder.parent.iterdir()) == [], "neither the folder nor a temporary one"
    message = str(caught.value)
    assert "\n" not in message and str(archive) in message
    return message


@pytest.mark.parametrize("kind", SUFFIXES)
def test_a_tree_comes_out_as_it_went_in(packed, tmp_path, kind):
    unpack(packed(kind), tmp_path / "new" / "out")
    assert tree(tmp_path / "new" / "out") == tree(tmp_path / "source")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_an_archive_of_no_file_is_refused(tmp_path, make):
    assert "it holds no file" in refuse(make(tmp_path / f"a.{make.__name__[-3:]}"))


def test_what_is_there_already_stays(packed, tmp_path):
    archive = packed("tar")
    unpack(archive, tmp_path / "out")
    (tmp_path / "out" / "mine.txt").write_text("mine")
    before = tree(tmp_path / "out")
    with pytest.raises(UserError, match=f"{tmp_path / 'out'} exists already"):
        unpack(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == before


def test_no_mode_of_an_archive_locks_its_files(tmp_path):
    make_tar(tmp_path / "a.tar", ("folder/file", b"text"))  # of mode 0 is neither, but of the umask's
    with tarfile.open(tmp_path / "a.tar", "a") as archive:
        info = tarfile.TarInfo("folder/locked")
        info.mode, info.uid = 0o4000, 12345
        archive.addfile(info)
    unpack(tmp_path / "a.tar", tmp_path / "out")
    plain = tmp_path / "plain"
    plain.touch()
    assert {path.stat().st_mode for path in (tmp_path / "out/folder").iterdir()} == {plain.stat().st_mode}
    assert (tmp_path / "out/folder/locked").stat().st_uid == plain.stat().st_uid


def test_a_link_within_becomes_a_copy(tmp_path):
    archive = make_tar(
        tmp_path / "a.tgz",
        ("data/real.txt", b"text"),
        ("data/soft.txt", (tarfile.SYMTYPE, "real.txt")),
        ("hard.txt", (tarfile.LNKTYPE, "data/real.txt")),
        ("links/soft.txt", (tarfile.SYMTYPE, "../data/soft.txt")),
        mode="w:gz",
    )
    unpack(archive, tmp_path / "out")
    names = ("data/real.txt", "data/soft.txt", "hard.txt", "links/soft.txt")
    assert tree(tmp_path / "out") == dict.fromkeys(names, b"text")
    assert {(tmp_path / "out" / name).stat().st_nlink for name in names} == {1}


LEAVING = [
    "../evil",
    "../../evil",
    "sub/../../evil",
    "/evil",
    "//evil",
    "..",
    "..\\evil",
    "C:\\evil",
    "C:evil",
    "\\evil",
]


@pytest.mark.parametrize("name", LEAVING)
@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_a_member_that_leads_out_is_refused(tmp_path, make, name):
    name = f"{tmp_path}/outside/evil" if name == "/evil" else name
    archive = make(tmp_path / f"a.{make.__name__[-3:]}", ("good", b"good"), (name, b"evil"), ("later", b"good"))
    assert f"its member {name!r} leads out of the folder" in refuse(archive)


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "../../outside"),
        (tarfile.SYMTYPE, "{}/outside"),
        (tarfile.SYMTYPE, "../../outside/secret"),
        (tarfile.SYMTYPE, "link"),
        (tarfile.SYMTYPE, "."),
        (tarfile.LNKTYPE, "../../outside/secret"),
        (tarfile.LNKTYPE, "{}/outside/secret"),
        (tarfile.LNKTYPE, "later"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
    ],
)
def test_links_out_and_devices_are_refused(tmp_path, kind, target):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"secret")
    member = ("link", (kind, target.format(tmp_path)))
    archive = make_tar(tmp_path / "a.tar", ("good", b"good"), member, ("link/evil", b"evil"))
    assert "its member 'link' is a device, or a link to no file of the archive" in refuse(archive)
    assert tree(tmp_path / "outside") == {"secret": b"secret"}


def test_a_link_in_a_zip_is_refused(tmp_path):
    archive = make_zip(tmp_path / "a.zip", ("link", b"../outside"), link=True)
    assert "its member 'link' is a link" in refuse(archive)


def test_members_that_stand_in_each_others_way_are_refused(tmp_path):
    refuse(make_tar(tmp_path / "a.tar", ("a", b"file"), ("a/b", b"in a file")))


def blocks(path: Path) -> list[int]:
    """Where the members of a tar begin, and where it ends."""
    with tarfile.open(path) as archive:
        return [*(member.offset for member in archive), archive.offset]


@pytest.mark.parametrize("kind", SUFFIXES)
def test_a_truncated_archive_is_refused_wherever_it_is_cut(packed, kind):
    archive = packed(kind)
    whole = archive.read_bytes()
    ends = blocks(archive) if kind == "tar" else [len(whole)]
    cuts = {0, 1, 511, 512, *(random.randrange(ends[-1]) for _ in range(20)), *ends, *(end - 1 for end in ends[1:])}
    for cut in cuts - {len(whole)}:
        archive.write_bytes(whole[:cut])
        assert "is truncated or no archive" in refuse(archive), f"cut at {cut} of {len(whole)}"


@pytest.mark.parametrize("kind", ["gztar", "zip"])
def test_a_flipped_bit_is_found_or_does_no_harm(packed, tmp_path, kind):
    """Both formats carry checksums of what the files hold; names and dates of a zip have none."""
    archive = packed(kind)
    whole = archive.read_bytes()
    contents = set(tree(tmp_path / "source").values())
    for trial in range(40):
        damaged = bytearray(whole)
        damaged[random.randrange(len(whole))] ^= 1 << random.randrange(8)
        archive.write_bytes(damaged)
        try:
            unpack(archive, tmp_path / f"out{trial}")
        except UserError as error:
            assert "\n" not in str(error)
        else:
            assert set(tree(tmp_path / f"out{trial}").values()) <= contents


def test_the_checksum_of_gzip_counts(packed):
    archive = packed("gztar")
    content = bytearray(archive.read_bytes())
    content[-6] ^= 1
    archive.write_bytes(content)
    assert "is truncated or no archive (CRC check failed" in refuse(archive)


@pytest.mark.parametrize("suffix", SUFFIXES.values())
@pytest.mark.parametrize("content", [b"", b"<html>this server has moved</html>" * 100, bytes(4096)])
def test_a_file_that_is_no_archive_is_refused(tmp_path, suffix, content):
    archive = tmp_path / f"archive{suffix}"
    archive.write_bytes(content)
    refuse(archive)


def test_a_locked_zip_is_refused(tmp_path):
    archive = make_zip(tmp_path / "a.zip", ("file", b"text"))
    with zipfile.ZipFile(archive) as made:
        directory = made.start_dir
    content = bytearray(archive.read_bytes())
    content[6] |= 1  # the flag of encryption, in the member's header and in the directory
    content[directory + 8] |= 1
    archive.write_bytes(content)
    assert "encrypted" in refuse(archive)


def test_a_missing_archive_and_a_folder_that_cannot_be_made_are_named(packed, tmp_path):
    assert "No such file" in refuse(tmp_path / "none.tar")
    archive = packed("tar")
    with pytest.raises(UserError, match=f"into {archive / 'out'}"):
        unpack(archive, archive / "out")


def test_an_interrupted_unpacking_leaves_nothing(packed, tmp_path, monkeypatch):
    copy, seen = shutil.copyfileobj, []

    def copy_three(source, target, length):
        seen.append(source)
        if len(seen) == 4:
            assert any((tmp_path / "home").iterdir()), "it is under way"
            raise KeyboardInterrupt
        copy(source, target, length)

    archive = packed("tar")
    monkeypatch.setattr(shutil, "copyfileobj", copy_three)
    with pytest.raises(KeyboardInterrupt):
        unpack(archive, tmp_path / "home" / "out")
    assert list((tmp_path / "home").iterdir()) == []
