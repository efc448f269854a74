"""Training refuses images that are scored, under whatever name, and lists that are not the published ones."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from repro import experiments
from repro.data.images import read_label
from repro.data.prepared import Prepared, is_published, write
from repro.data.sample.folder import MANIFEST
from repro.data.splits import Split, ids_sha256, read_ids
from repro.data.voc2011 import LISTS, VOC2011
from repro.errors import UserError
from repro.files import sha256
from repro.guard import check_training_set, is_genuine
from repro.settings import load_config

NET = experiments.get("sample/fcn32s_vgg16")


@pytest.fixture
def folder(drawn: Path, tmp_path: Path) -> Path:
    """A copy of the drawn dataset that a test may damage."""
    shutil.copytree(drawn, tmp_path / "voc2011")
    return tmp_path / "voc2011"


def check(folder: Path, own_folder: bool = False) -> str:
    return check_training_set(load_config(NET, data_root=folder), own_folder)


def test_a_clean_folder_passes_and_its_hash_tells_its_content(folder):
    before = check(folder)
    assert before == check(folder)
    first = read_ids(folder / LISTS / "sbd_train.txt")[0]
    label = folder / "SegmentationClassSBD" / f"{first}.png"
    shutil.copyfile(folder / "SegmentationClassSBD" / f"{read_ids(folder / LISTS / 'sbd_train.txt')[1]}.png", label)
    assert check(folder) != before


def test_every_file_is_hashed_and_every_label_read_once(folder, monkeypatch):
    """Of the classifier's set too, which reads all labels to find its objects, several in an image."""
    hashed: Counter[str] = Counter()
    read: Counter[str] = Counter()
    monkeypatch.setattr("repro.guard.sha256", lambda path: hashed.update([path]) or sha256(path))
    monkeypatch.setattr(
        "repro.data.crops.read_label", lambda path, *rest: read.update([path]) or read_label(path, *rest)
    )
    config = load_config(experiments.get("sample/classifier_vgg16"), data_root=folder)
    config.val_dataloader = load_config(NET, data_root=folder).val_dataloader
    check_training_set(config, own_folder=False)
    ids = read_ids(folder / LISTS / "sbd_train.txt")
    images = [str(folder / "JPEGImages" / f"{image_id}.jpg") for image_id in ids]
    assert set(images) <= set(hashed) and len(read) == len(ids)
    assert max(hashed.values()) == max(read.values()) == 1


def test_an_id_in_both_lists_is_refused(folder):
    scored = read_ids(folder / LISTS / "seg11valid.txt")[0]
    with (folder / LISTS / "sbd_train.txt").open("a") as file:
        file.write(f"{scored}\n")
    shutil.copyfile(folder / "SegmentationClass" / f"{scored}.png", folder / "SegmentationClassSBD" / f"{scored}.png")
    with pytest.raises(UserError, match=f"1 validation images are also trained on: {scored}"):
        check(folder)


def test_the_same_photograph_under_two_ids_is_refused(folder):
    trained, scored = (read_ids(folder / LISTS / f"{name}.txt")[0] for name in ("sbd_train", "seg11valid"))
    # unlinked first: the prepared folder may share the file with the official tree
    (folder / "JPEGImages" / f"{trained}.jpg").unlink()
    shutil.copyfile(folder / "JPEGImages" / f"{scored}.jpg", folder / "JPEGImages" / f"{trained}.jpg")
    with pytest.raises(UserError, match=f"trained on under other ids: {scored} is {trained};"):
        check(folder)


def test_a_published_dataset_has_the_published_lists(folder, monkeypatch):
    check(folder, own_folder=True)  # drawn, and so not published
    (folder / MANIFEST).unlink()
    with pytest.raises(UserError, match=r"sbd_train.txt has 16 ids, the published one 8498; prepare the dataset again"):
        check(folder, own_folder=True)
    check(folder, own_folder=False)  # somebody's own folder
    write(folder, Prepared(published=False))
    check(folder, own_folder=True)  # marked as not the published one
    ids = {name: read_ids(folder / LISTS / f"{name}.txt") for name in ("sbd_train", "seg11valid")}
    known = {name: Split(len(found), ids_sha256(found)) for name, found in ids.items()}
    monkeypatch.setattr(VOC2011, "SPLITS", known)
    write(folder, Prepared())
    check(folder, own_folder=True)
    monkeypatch.setattr(VOC2011, "SPLITS", known | {"seg11valid": replace(known["seg11valid"], sha256="0" * 64)})
    with pytest.raises(UserError, match=r"seg11valid.txt does not hold the 6 published ids"):
        check(folder, own_folder=True)


def test_only_published_data_stands_for_itself(folder, tmp_path):
    config = load_config(NET, data_root=folder)
    assert not is_published(folder) and not is_genuine(config)
    (folder / MANIFEST).unlink()
    assert is_published(folder) and is_genuine(config), "put together by hand"
    write(folder, Prepared(published=False))
    assert not is_published(folder) and not is_genuine(config)
    (folder / "prepared.json").write_text("[]")
    with pytest.raises(UserError, match=r"prepared\.json cannot be read: delete"):
        is_published(folder)
