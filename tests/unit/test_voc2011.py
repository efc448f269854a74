"""VOC 2011: colours, derived lists, the folder `prepare` makes of the official trees, and what the loader refuses."""

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from preparation import BROKEN_MATS, pixels, stop_and_go_on
from scipy.io import savemat

from repro.data.sample.voc import encode_sbd, write_voc
from repro.data.splits import check_disjoint, ids_sha256, read_ids, seg11valid
from repro.data.transforms import LoadImage, LoadLabel
from repro.data.voc2011 import CLASSES, LISTS, PALETTE, VOC2011, prepare, read_sbd
from repro.errors import UserError

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data") / "voc2011"
    write_voc(root, train=16, val=6)
    return root


@pytest.fixture
def official(sample, tmp_path) -> tuple[Path, Path]:
    """A copy of the two official trees that a test may damage."""
    shutil.copytree(sample / "official", tmp_path / "official")
    return tmp_path / "official/VOCdevkit/VOC2011", tmp_path / "official/benchmark_RELEASE/dataset"


@pytest.fixture
def folder(tmp_path) -> Path:
    """A VOC folder of three images that a test may damage."""
    for image_id in ("a", "b", "c"):
        for name, suffix in (("JPEGImages", "jpg"), ("SegmentationClass", "png")):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.new("L", (20, 10)).save(tmp_path / name / f"{image_id}.{suffix}")
    (tmp_path / LISTS).mkdir(parents=True)
    (tmp_path / LISTS / "train.txt").write_text("a\nb\n\nc\n")
    return tmp_path


def load(root: Path, name: str = "train", **kwargs) -> VOC2011:
    return VOC2011(str(LISTS / f"{name}.txt"), data_root=str(root), **kwargs)


def test_classes_and_colours_are_vocs():
    assert len(CLASSES) == len(PALETTE) == 21
    assert CLASSES[0] == "background" and CLASSES[8] == "cat" and CLASSES[20] == "tvmonitor"
    assert PALETTE[:4] == [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    assert PALETTE[15] == [192, 128, 128] and PALETTE[20] == [0, 64, 128]


def test_items_carry_id_and_paths_in_the_lists_order(folder):
    dataset = load(folder)
    assert [dataset.get_data_info(i)["img_id"] for i in range(len(dataset))] == ["a", "b", "c"]
    assert dataset.get_data_info(1)["img_path"] == str(folder / "JPEGImages/b.jpg")
    assert dataset.get_data_info(1)["seg_map_path"] == str(folder / "SegmentationClass/b.png")
    assert dataset.metainfo["classes"] == CLASSES


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda root: shutil.rmtree(root), "repro prepare"),
        (lambda root: (root / LISTS / "train.txt").unlink(), "train.txt is missing"),
        (lambda root: (root / LISTS / "train.txt").write_text("\n \n"), "train.txt is empty"),
        (lambda root: (root / LISTS / "train.txt").write_text("a\nb\na\n"), "more than once: a;"),
        (lambda root: (root / LISTS / "train.txt").write_bytes(b"\xff\xfe\x00"), "cannot read the list"),
        (lambda root: (root / "JPEGImages/b.jpg").unlink(), "image of 1 ids of .*: b;"),
        (lambda root: (root / "SegmentationClass/c.png").unlink(), "label of 1 ids of .*: c;"),
        (
            lambda root: (root / LISTS / "train.txt").write_text("".join(f"x{i:02}\n" for i in range(25))),
            "25 ids .*x09 and 15 more;",
        ),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(folder, damage, named):
    damage(folder)
    with pytest.raises(UserError, match=named) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_split_hash_ignores_order_only():
    # printf 'a\nb\n' | sha256sum
    digest = "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2"
    assert ids_sha256(["b", "a"]) == ids_sha256(["a", "b"]) == digest != ids_sha256(["a", "c"])


def test_seg11valid_is_val_without_what_sbd_trains_on():
    assert seg11valid(["d", "b", "a", "c"], ["a", "x", "b"]) == ["d", "c"]


def test_overlap_of_training_and_validation_is_refused():
    check_disjoint(["a", "b"], ["c"])
    with pytest.raises(UserError, match=r"2 validation images .* b, c; validate on seg11valid"):
        check_disjoint(["a", "b", "c"], ["c", "b", "d"])


def test_prepare_derives_lists_and_keeps_every_pixel(sample):
    lists = {name: read_ids(sample / LISTS / f"{name}.txt") for name in ("train", "val", "sbd_train", "seg11valid")}
    assert len(lists["sbd_train"]) == 16 and len(lists["seg11valid"]) == 6
    assert set(lists["val"]) & set(lists["sbd_train"]), "the overlap is what makes the derivation matter"
    assert set(lists["seg11valid"]) == set(lists["val"]) - set(lists["sbd_train"])
    check_disjoint(lists["sbd_train"], lists["seg11valid"])
    mats = sample / "official/benchmark_RELEASE/dataset/cls"
    for image_id in lists["sbd_train"]:
        with Image.open(sample / "SegmentationClassSBD" / f"{image_id}.png") as png:
            assert png.mode == "P" and (png.getpalette() or [])[:6] == [0, 0, 0, 128, 0, 0]
            np.testing.assert_array_equal(np.array(png), read_sbd(mats / f"{image_id}.mat"))
    assert len(load(sample, "seg11valid")) == 6
    assert len(load(sample, "sbd_train", data_prefix={"seg_map_path": "SegmentationClassSBD"})) == 16


def test_every_class_id_survives_mat_to_png(official, tmp_path):
    voc, sbd = official
    first = read_ids(sbd / "train.txt")[0]
    label = np.arange(21, dtype=np.uint8).repeat(7).reshape(21, 7)
    (sbd / "cls" / f"{first}.mat").write_bytes(encode_sbd(label))
    prepare(voc.parents[1], tmp_path / "out")
    np.testing.assert_array_equal(pixels(tmp_path / "out/SegmentationClassSBD" / f"{first}.png"), label)


def test_prepare_goes_on_where_it_stopped_and_copies_where_links_fail(official, tmp_path, monkeypatch):
    voc, sbd = official
    ids, root = read_ids(sbd / "train.txt"), tmp_path / "out"
    broken, early = sbd / "cls" / f"{ids[5]}.mat", root / "SegmentationClassSBD" / f"{ids[0]}.png"
    stop_and_go_on(prepare, voc.parents[1], root, broken, early, monkeypatch)
    shutil.rmtree(root / "JPEGImages")
    prepare(voc.parents[1], root)
    assert len(load(root, "seg11valid")) == 6
    photo = next((root / "JPEGImages").iterdir())
    assert photo.read_bytes() == (voc / "JPEGImages" / photo.name).read_bytes()


def without_key(path: Path) -> None:
    savemat(path, {"GTinst": {"Segmentation": np.zeros((3, 3), np.uint8)}})


def without_field(path: Path) -> None:
    savemat(path, {"GTcls": {"Boundaries": 1}})


def with_stray_id(path: Path) -> None:
    path.write_bytes(encode_sbd(np.array([[0, 1], [2, 77]], np.uint8)))


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        *BROKEN_MATS,
        (without_key, "lacks GTcls"),
        (without_field, "lacks GTcls"),
        (with_stray_id, "class ids 77"),
        (lambda path: path.unlink(), "lacks 1 SBD masks"),
    ],
)
def test_prepare_names_a_broken_mat(official, tmp_path, damage, named):
    voc, sbd = official
    image_id = read_ids(sbd / "train.txt")[0]
    damage(sbd / "cls" / f"{image_id}.mat")
    with pytest.raises(UserError, match=named) as caught:
        prepare(voc.parents[1], tmp_path / "out")
    assert image_id in str(caught.value) and "\n" not in str(caught.value)


def test_prepare_names_missing_images_and_refuses_the_lists_of_2012(official, tmp_path):
    voc, sbd = official
    image_id = read_ids(sbd / "train.txt")[3]
    (voc / "JPEGImages" / f"{image_id}.jpg").unlink()
    prepare(voc.parents[1], tmp_path / "from_sbd")  # SBD has the photo too
    (sbd / "img" / f"{image_id}.jpg").unlink()
    with pytest.raises(UserError, match=f"lacks 1 images: {image_id}"):
        prepare(voc.parents[1], tmp_path / "out")
    newer = voc.rename(voc.with_name("VOC2012"))
    with pytest.raises(UserError, match="lists of 2012"):
        prepare(newer.parents[1], tmp_path / "out")


@pytest.mark.skipif(not (SHARED / "data/voc_seg11valid_masks.zip").exists(), reason="no ../shared: seg11valid's masks")
def test_seg11valid_hash_of_the_real_ids():
    with zipfile.ZipFile(SHARED / "data/voc_seg11valid_masks.zip") as archive:
        ids = [Path(name).stem for name in archive.namelist() if name.endswith(".png")]
    assert len(ids) == 736
    assert ids_sha256(ids) == "4ca991bd72c251fd2485eaa9e29536502ea3800d1b1c17c151fd6a04bcfbc2cc"


@pytest.mark.skipif(not (SHARED / "data/voc_animals.zip").exists(), reason="no ../shared: the animals of VOC")
def test_a_plain_voc_folder_of_real_photographs_loads(tmp_path):
    with zipfile.ZipFile(SHARED / "data/voc_animals.zip") as archive:
        archive.extractall(tmp_path)
    steps = [{"type": LoadImage}, {"type": LoadLabel, "num_classes": 21}, {"type": "mmseg.PackSegInputs"}]
    train, valid = load(tmp_path, "train", pipeline=steps), load(tmp_path, "seg11valid", pipeline=steps)
    assert (len(train), len(valid)) == (964, 228)
    check_disjoint(*[[d.get_data_info(i)["img_id"] for i in range(len(d))] for d in (train, valid)])
    for index in range(0, 228, 20):
        item = valid[index]
        assert item["inputs"].shape[1:] == item["data_samples"].gt_sem_seg.data.shape[1:]
