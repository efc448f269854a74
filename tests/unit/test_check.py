"""`repro data check`: a sound folder passes, every kind of fault is found and named, all in one run."""

import json
import re
import shutil
import warnings
import zipfile
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from repro.data.check import check, show
from repro.data.listed import ListedDataset
from repro.data.splits import Split, ids_sha256
from repro.data.voc2011 import LISTS, VOC2011
from repro.errors import UserError

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
SIZE = (7, 9)  # height, width
LISTED = {"train": ["a", "b", "c"], "val": ["d", "e"], "other": ["a", "e"]}


class Rooms(ListedDataset):
    """A dataset with every kind of file."""

    METAINFO: ClassVar[dict] = {"classes": ("wall", "floor", "bed"), "geometric_classes": ("up", "down")}
    FOLDERS: ClassVar[dict[str, str]] = {
        "img_path": "images",
        "seg_map_path": "labels",
        "geo_map_path": "geometric",
        "depth_path": "depth",
        "hha_path": "hha",
    }
    SUFFIXES: ClassVar[dict[str, str]] = {"img_path": ".jpg"} | dict.fromkeys(list(FOLDERS)[1:], ".png")
    LISTS: ClassVar[Path] = Path("lists")
    SPLITS: ClassVar[dict[str, Split]] = {"train": Split(3, ids_sha256("abc")), "val": Split(2)}
    HELD_OUT: ClassVar[dict[str, tuple[str, ...]]] = {"train": ("val",)}


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five rooms, sound in every respect, and a sixth that no list names."""
    root = tmp_path / "rooms"
    generator = np.random.default_rng(0)
    for name in "abcdef":
        save(root / f"images/{name}.jpg", generator.integers(0, 256, (*SIZE, 3), np.uint8))
        save(root / f"labels/{name}.png", generator.choice([0, 1, 2, 255], SIZE).astype(np.uint8))
        save(root / f"geometric/{name}.png", generator.choice([0, 1, 255], SIZE).astype(np.uint8))
        save(root / f"depth/{name}.png", generator.integers(0, 10_000, SIZE, np.uint16))
        save(root / f"hha/{name}.png", generator.integers(0, 256, (*SIZE, 3), np.uint8))
    (root / "lists").mkdir()
    for name, ids in LISTED.items():
        relist(root, name, ids)
    return root


def relist(root: Path, name: str, ids: list[str]) -> None:
    (root / f"lists/{name}.txt").write_text("".join(f"{image_id}\n" for image_id in ids))


def test_a_sound_folder_has_no_faults_and_every_file_is_decoded_once(root):
    report = check(Rooms, root, published=True)
    assert report.faults == []
    assert report.lists == {"other": 2, "train": 3, "val": 2}
    assert report.files == dict.fromkeys(Rooms.FOLDERS, 5), "a and e stand in two lists"


def test_the_drawn_sample_is_sound(drawn):
    report = check(VOC2011, drawn, published=False)
    assert report.faults == []
    # VOC's masks of 4 + 2 training images and 6 held out; SBD's of all 16 that it trains on
    assert report.files == {"img_path": 22, "seg_map_path": 12 + 16}


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def grey(dtype: type, value: int = 0, size: tuple[int, ...] = SIZE) -> np.ndarray:
    return np.full(size, value, dtype)


DAMAGES = {
    "truncated image": (lambda root: truncate(root / "images/b.jpg"), "image .*b.jpg cannot be read .*truncated"),
    "truncated label": (lambda root: truncate(root / "labels/b.png"), "b.png cannot be read"),
    "no image": (lambda root: (root / "images/d.jpg").write_bytes(b"no"), "image .*d.jpg cannot be read"),
    "missing image": (lambda root: (root / "images/a.jpg").unlink(), "image .*a.jpg is missing"),
    "missing label": (lambda root: (root / "labels/e.png").unlink(), "label .*e.png is missing"),
    "missing depth": (lambda root: (root / "depth/e.png").unlink(), "depth map .*e.png is missing"),
    "stray label": (lambda root: save(root / "labels/c.png", grey(np.uint8, 3)), "labels/c.png holds class ids 3;"),
    "stray geometric label": (
        lambda root: save(root / "geometric/c.png", grey(np.uint8, 2)),
        "geometric/c.png .*ids 2",
    ),
    "colour label": (
        lambda root: save(root / "labels/c.png", grey(np.uint8, 0, (*SIZE, 3))),
        "c.png is a colour image",
    ),
    "depth of 8 bits": (
        lambda root: save(root / "depth/c.png", grey(np.uint8, 9)),
        "depth map .*c.png is no 16-bit grey",
    ),
    "depth in colour": (
        lambda root: save(root / "depth/c.png", grey(np.uint8, 9, (*SIZE, 3))),
        "c.png is no 16-bit grey",
    ),
    "grey HHA": (lambda root: save(root / "hha/c.png", grey(np.uint8, 9)), "HHA image .*c.png has not three channels"),
    "HHA of 4 channels": (
        lambda root: save(root / "hha/c.png", grey(np.uint8, 9, (*SIZE, 4))),
        "c.png has not three channels",
    ),
    "size of a label": (
        lambda root: save(root / "labels/d.png", grey(np.uint8, 1, SIZE[::-1])),
        "label .*labels/d.png is 7x9 pixels, its image .*images/d.jpg 9x7;",
    ),
    "size of a depth map": (
        lambda root: save(root / "depth/d.png", grey(np.uint16, 1, (7, 10))),
        "depth/d.png is 10x7",
    ),
    "size of an HHA image": (
        lambda root: save(root / "hha/d.png", grey(np.uint8, 1, (8, 9, 3))),
        "HHA image .*hha/d.png is 9x8 pixels",
    ),
    "a twin": (
        lambda root: shutil.copy(root / "images/b.jpg", root / "images/e.jpg"),
        "e of val.txt is the same image as b of train.txt",
    ),
    "missing list": (lambda root: (root / "lists/val.txt").unlink(), "the list .*val.txt is missing"),
    "empty list": (lambda root: relist(root, "other", []), "the list .*other.txt is empty"),
    "repeated id": (lambda root: relist(root, "other", ["a", "b", "a"]), "other.txt names ids more than once: a;"),
    "short list": (lambda root: relist(root, "val", ["d"]), "the list .*val.txt has 1 ids, the published one 2"),
    "other ids": (lambda root: relist(root, "train", ["a", "b", "f"]), "train.txt does not hold the 3 published ids"),
}


@pytest.mark.parametrize(("damage", "named"), DAMAGES.values(), ids=DAMAGES)
def test_a_fault_is_named_in_one_line(root, damage, named):
    damage(root)
    (fault,) = check(Rooms, root, published=True).faults
    assert re.search(named, fault) and "\n" not in fault


def test_ids_in_a_training_list_and_a_scored_one_are_named(root):
    relist(root, "train", ["a", "e", "d"])
    (fault,) = check(Rooms, root, published=False).faults
    assert fault.startswith("train.txt and val.txt share 2 ids: d, e;")


def test_lists_that_need_not_differ_may_share_images(root):
    relist(root, "other", ["a", "b", "c", "d", "e"])
    assert check(Rooms, root, published=True).faults == []


def test_a_drawn_folder_need_not_have_the_published_lists(root):
    relist(root, "train", ["a", "b"])
    assert check(Rooms, root, published=False).faults == []
    assert len(check(Rooms, root, published=True).faults) == 1


def test_a_folder_put_together_by_hand_need_not_have_all_lists(root):
    (root / "lists/train.txt").unlink()
    assert check(Rooms, root, published=False).faults == []


def test_all_faults_are_found_in_one_run(root):
    truncate(root / "images/a.jpg")
    save(root / "labels/b.png", grey(np.uint8, 3))
    (root / "hha/c.png").unlink()
    save(root / "depth/d.png", grey(np.uint16, 1, (3, 3)))
    relist(root, "train", ["a", "b", "c", "d"])
    faults = check(Rooms, root, published=True).faults
    for name in ("train.txt has 4 ids", "share 1 ids: d", "a.jpg", "labels/b.png", "hha/c.png", "depth/d.png"):
        assert sum(name in fault for fault in faults) == 1, name
    assert len(faults) == 6


def test_other_labels_of_a_list_are_the_ones_it_is_read_with(drawn, tmp_path):
    """SBD's list goes with SBD's masks: what is wrong with those is found."""
    root = tmp_path / "voc"
    shutil.copytree(drawn, root)
    image_id = (root / LISTS / "sbd_train.txt").read_text().split()[-1]
    (root / f"SegmentationClassSBD/{image_id}.png").unlink()
    (fault,) = check(VOC2011, root, published=False).faults
    assert f"SegmentationClassSBD/{image_id}.png is missing" in fault


def test_show_tells_what_was_checked(root, capsys):
    show(Rooms, root)
    out = capsys.readouterr().out
    assert {"train.txt", "val.txt", "other.txt"} <= set(out.split())
    assert "5 images, 5 labels, 5 geometric labels, 5 depth maps, 5 HHA images" in out


def test_show_names_ten_faults_and_counts_the_others(root, capsys):
    for folder in ("labels", "hha", "depth"):
        for path in (root / folder).iterdir():
            path.write_bytes(b"broken")
    with pytest.raises(UserError, match="has 15 faults: 10 named above and 5 more;") as caught:
        show(Rooms, root)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out.count(" cannot be read ") == 10


def test_only_a_folder_that_stands_for_the_published_data_has_its_counts(root, capsys):
    relist(root, "train", ["a", "b"])
    with pytest.raises(UserError, match="has 1 fault, named above;"):
        show(Rooms, root)
    (root / "sample.json").write_text(json.dumps({"drawn_by": "somebody"}))
    show(Rooms, root)


def test_no_folder_and_no_lists(root):
    with pytest.raises(UserError, match=r"the folder .*nowhere is missing; run `repro prepare nowhere`"):
        check(Rooms, root / "nowhere", published=True)
    shutil.rmtree(root / "lists")
    assert len(check(Rooms, root, published=True).faults) == 2, "train and val"
    (fault,) = check(Rooms, root, published=False).faults
    assert "holds no list" in fault


def test_an_image_too_large_to_be_one_is_refused_in_every_thread(root, monkeypatch):
    """PIL only warns at first, and each decoder turns the warning into an error while it works, beside others."""
    before = list(warnings.filters)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", SIZE[0] * SIZE[1] - 1)
    faults = check(Rooms, root, published=True).faults
    assert len(faults) == 5 * len(Rooms.FOLDERS)
    assert list(warnings.filters) == before, "left as they were"


@pytest.mark.skipif(not (SHARED / "data/voc_animals.zip").exists(), reason="no ../shared: the animals of VOC")
def test_a_folder_of_real_photographs_is_sound(tmp_path):
    with zipfile.ZipFile(SHARED / "data/voc_animals.zip") as archive:
        archive.extractall(tmp_path)
    report = check(VOC2011, tmp_path, published=False)
    assert report.faults == []
    assert report.lists == {"seg11valid": 228, "train": 964}
    assert report.files == {"img_path": 1192, "seg_map_path": 1192}
    assert check(VOC2011, tmp_path, published=True).faults, "it is not all of VOC"
