"""`repro prepare`: the sample, and VOC 2011 with SBD from their unpacked archives."""

import json

import pytest

from repro.data.sample.voc import write_voc
from repro.data.splits import read_ids


def test_the_two_unpacked_archives_become_one_folder(command, tmp_path, drawn):
    official = drawn / "official"
    voc, sbd = official / "VOCdevkit" / "VOC2011", official / "benchmark_RELEASE" / "dataset"
    assert command("prepare", "voc2011", "--voc", voc, "--sbd", sbd, "--root", tmp_path / "voc2011").code == 0
    for name in ("sbd_train", "seg11valid"):
        list_file = f"ImageSets/Segmentation/{name}.txt"
        assert read_ids(tmp_path / "voc2011" / list_file) == read_ids(drawn / list_file)


def test_missing_archives_are_named(command, tmp_path):
    assert "--voc and --sbd" in command("prepare", "voc2011").complaint
    missing = command("prepare", "voc2011", "--voc", tmp_path / "no", "--sbd", tmp_path, "--root", tmp_path / "out")
    assert str(tmp_path / "no") in missing.complaint


def test_an_unknown_dataset_is_named(command):
    assert "there are sample and voc2011" in command("prepare", "imagenet").complaint


@pytest.mark.parametrize("other", ["--seed=3", "--no-thin-parts"])
def test_another_drawing_needs_a_folder_of_its_own(command, tmp_path, monkeypatch, other):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    assert "--root" in command("prepare", "sample", other).complaint
    assert not list(tmp_path.iterdir())


def test_the_sample_says_how_it_was_drawn(tmp_path):
    write_voc(tmp_path / "filled", seed=4, train=8, val=1, thin_parts=False)
    manifest = json.loads((tmp_path / "filled" / "sample.json").read_text())
    assert (manifest["seed"], manifest["thin_parts"]) == (4, False)
