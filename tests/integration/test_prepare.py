"""`repro prepare`: the samples, and the real datasets from archives or from what somebody unpacked."""

import importlib
import json
import shutil
import tarfile
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from miniature import archives

from repro.data.sample.voc import write_voc
from repro.data.splits import read_ids
from repro.data.voc2011 import LISTS
from repro.prepare import WRITERS


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Miniatures of VOC's and SBD's archives, an empty data folder, and no network."""
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("repro.data.download._addresses", lambda archive: [])
    made = archives("voc2011", tmp_path / "drawn")
    (tmp_path / "archives").mkdir()
    for name, content in made.items():
        (tmp_path / "archives" / name).write_bytes(content)
    return [tmp_path / "archives" / name for name in made]


def given(paths: list[Path]) -> list[object]:
    return [part for path in paths for part in ("--archive", path)]


def manifest(root: Path) -> dict:
    return json.loads((root / "prepared.json").read_text())


def test_what_somebody_unpacked_becomes_one_folder(command, tmp_path, drawn):
    root = tmp_path / "voc2011"
    assert command("prepare", "voc2011", "--unpacked", drawn / "official", "--root", root).code == 0
    for name in ("sbd_train", "seg11valid"):
        assert read_ids(root / LISTS / f"{name}.txt") == read_ids(drawn / LISTS / f"{name}.txt")
    assert manifest(root) == {"archives": {}, "published": True, "complete": True}


def test_the_archive_of_2012_needs_the_lists_of_2011(command, tmp_path, drawn):
    shutil.copytree(drawn / "official", tmp_path / "unpacked")
    voc = (tmp_path / "unpacked/VOCdevkit/VOC2011").rename(tmp_path / "unpacked/VOCdevkit/VOC2012")
    arguments = ("prepare", "voc2011", "--unpacked", tmp_path / "unpacked", "--root", tmp_path / "voc2011")
    assert "--lists" in command(*arguments).complaint
    lists = (voc / LISTS).rename(tmp_path / "lists of 2011")
    assert command(*arguments, "--lists", lists).code == 0
    assert "--lists is for voc2011" in command("prepare", "siftflow", "--lists", lists).complaint


def test_archives_at_hand_are_taken_and_others_named(command, tmp_path, packed):
    root = tmp_path / "data/voc2011"
    outcome = command("prepare", "voc2011", *given(packed[:1]), "--unverified")
    assert outcome.code == 2 and "benchmark.tgz" in outcome.err and not root.exists()
    assert "is not the published file" in command("prepare", "voc2011", *given(packed)).complaint
    assert command("prepare", "voc2011", *given(packed), "--unverified").code == 0
    noted = manifest(root)
    assert (noted["published"], noted["complete"]) == (False, True)
    assert set(noted["archives"]) == {path.name for path in packed}
    assert command("data", "check", "voc2011").code == 0


def test_a_lost_file_comes_back(command, tmp_path, packed):
    root = tmp_path / "data/voc2011"
    arguments = ("prepare", "voc2011", *given(packed), "--unverified")
    assert command(*arguments).code == 0
    lost = next((root / "SegmentationClassSBD").iterdir())
    content = lost.read_bytes()
    lost.unlink()
    assert command("data", "check", "voc2011").code == 2
    assert command(*arguments).code == 0
    assert lost.read_bytes() == content and command("data", "check", "voc2011").code == 0


def test_a_folder_of_unverified_archives_never_passes_for_the_published_one(command, tmp_path, packed, monkeypatch):
    """Neither half done, nor finished, nor gone on with from other archives."""
    root = tmp_path / "data/voc2011"
    unverified = ("prepare", "voc2011", *given(packed), "--unverified")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("repro.data.voc2011.write_lists", killed)
        assert command(*unverified).code == 130
    assert manifest(root) | {"archives": {}} == {"archives": {}, "published": False, "complete": False}
    refusal = "made from unverified archives, not from the published ones: delete it"
    assert refusal in command("prepare", "voc2011", *given(packed)).complaint
    packed[1].write_bytes(packed[1].read_bytes() + b" ")
    assert "made from other archives" in command(*unverified).complaint
    packed[1].write_bytes(packed[1].read_bytes()[:-1])
    assert command(*unverified).code == 0
    assert refusal in command("prepare", "voc2011", *given(packed)).complaint


def test_a_broken_file_is_named_as_it_stands_in_the_archive(command, tmp_path, packed):
    sbd = tmp_path / "drawn/official/benchmark_RELEASE"
    image_id = read_ids(sbd / "dataset/train.txt")[2]
    mat = sbd / f"dataset/cls/{image_id}.mat"
    mat.write_bytes(mat.read_bytes()[:99])
    with tarfile.open(packed[1], "w:gz") as archive:
        archive.add(sbd, sbd.name)
    complaint = command("prepare", "voc2011", *given(packed), "--unverified").complaint
    assert complaint.startswith(f"benchmark/benchmark_RELEASE/dataset/cls/{image_id}.mat cannot be read")
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["voc2011"], "nothing unpacked stays"


def test_an_unknown_dataset_is_named(command):
    assert "there are voc2011, nyudv2" in command("prepare", "imagenet").complaint
    assert "unknown dataset 'imagenet'" in command("data", "check", "imagenet").complaint


@pytest.mark.parametrize("name", ["camvid", "imagenet"])
def test_a_layout_that_cannot_be_drawn_is_named(command, name):
    assert "there are samples of voc2011, nyudv2" in command("prepare", name, "--sample").complaint


@pytest.mark.parametrize("group", ["camvid", "sample", "ablations"])
def test_a_group_without_a_sample_is_named(command, tmp_path, group):
    complaint = command("reproduce", group, "--sample", "--work-dirs", tmp_path).complaint
    assert f"there is no sample of '{group}'; there are samples of voc2011, nyudv2" in complaint


@pytest.mark.parametrize("dataset", WRITERS)
def test_every_sample_can_be_drawn_checked_and_is_told_from_the_real(command, tmp_path, monkeypatch, dataset):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    folder = "sample" if dataset == "voc2011" else f"sample_{dataset}"
    monkeypatch.setattr("repro.prepare._writer", _small(dataset))
    assert command("prepare", dataset, "--sample").code == 0
    assert command("data", "check", folder).code == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / folder).rglob("*")}
    assert command("prepare", folder).code == 0
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / folder).rglob("*")}
    assert "holds a drawn sample" in command("prepare", dataset, "--root", tmp_path / folder).complaint


def _small(dataset: str):
    """The writer of a sample, at 8 and 2 images."""
    name = WRITERS[dataset]
    module = importlib.import_module(f"repro.data.sample.{name}")
    write = partial(getattr(module, f"write_{name}"), train=8, val=2)
    return lambda _: SimpleNamespace(**{f"write_{name}": write}, VERSION=module.VERSION, __name__=module.__name__)


@pytest.mark.parametrize("other", ["--seed=3", "--no-thin-parts"])
def test_another_drawing_needs_a_folder_of_its_own(command, tmp_path, monkeypatch, other):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    assert "--root" in command("prepare", "sample", other).complaint
    assert not list(tmp_path.iterdir())
    assert "takes no archives" in command("prepare", "sample", "--unverified").complaint


def test_the_sample_says_how_it_was_drawn(tmp_path):
    write_voc(tmp_path / "filled", seed=4, train=8, val=1, thin_parts=False)
    noted = json.loads((tmp_path / "filled" / "sample.json").read_text())
    assert (noted["seed"], noted["thin_parts"]) == (4, False)
