"""PASCAL-Context: the 60 classes and their names in the archive, what `prepare` refuses, and the drawn sample."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from preparation import BROKEN_MATS, assert_same_files, pixels, stop_and_go_on
from scipy.io import loadmat, savemat

from repro.data.pascal_context import CLASSES, PASCALContext, class_table, prepare, read_labels
from repro.data.sample.mat import encode_mat
from repro.data.sample.pascal_context import file_ids, labels_txt, write_pascal_context
from repro.data.splits import check_disjoint, read_ids
from repro.data.transforms import LoadImage, LoadLabel, PackInputs
from repro.errors import UserError

PIPELINE = [{"type": LoadImage}, {"type": LoadLabel, "num_classes": 60}, {"type": PackInputs}]


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data") / "pascal_context"
    write_pascal_context(root, train=24, val=8)
    return root


@pytest.fixture
def official(sample, tmp_path) -> Path:
    """A copy of the official trees that a test may damage."""
    return Path(shutil.copytree(sample / "official", tmp_path / "official"))


@pytest.fixture
def root(sample, tmp_path) -> Path:
    """A copy of the prepared folder that a test may damage."""
    return Path(shutil.copytree(sample, tmp_path / "pascal_context"))


def load(root: Path, name: str = "train", **kwargs) -> PASCALContext:
    return PASCALContext(f"lists/{name}.txt", data_root=str(root), **kwargs)


def png(root: Path, image_id: str) -> np.ndarray:
    return pixels(root / "labels" / f"{image_id}.png")


def released(path: Path, labels: Path) -> np.ndarray:
    """Labels as the released nets' data layer computes them: class by class, by name."""
    names = [line.split(":")[1].replace(" ", "") for line in labels.read_text().splitlines()]
    tasks = list(CLASSES[1:])
    for main, task in (("table", "diningtable"), ("bedclothes", "bedcloth"), ("cloth", "clothes")):
        tasks[tasks.index(task)] = main
    stored = loadmat(path)["LabelMap"]
    label = np.zeros_like(stored, np.uint8)
    for number, name in enumerate(tasks, 1):
        label[stored == names.index(name) + 1] = number
    return label


def test_classes_follow_the_released_nets_outputs():
    assert len(CLASSES) == len(set(CLASSES)) == 60
    # as numbered in the released nets' classes-59.txt
    numbered = {0: "background", 1: "aeroplane", 20: "tvmonitor", 21: "bag", 28: "clothes", 42: "curtain", 50: "sky"}
    numbered |= {33: "floor", 36: "grass", 46: "road", 52: "bedcloth", 55: "truck", 59: "wood"}
    assert {number: CLASSES[number] for number in numbered} == numbered


def test_classes_are_found_by_name_also_where_the_two_lists_differ(tmp_path):
    (tmp_path / "labels.txt").write_text(labels_txt())
    table = class_table(tmp_path / "labels.txt")
    assert set(table) == set(range(460)) and sorted(set(table.values())) == list(range(60))
    assert {name: table[number] for name, number in file_ids().items()} == {
        name: class_id for class_id, name in enumerate(CLASSES) if class_id
    }
    text = labels_txt()
    for ours, theirs in (("diningtable", "table"), ("bedcloth", "bedclothes"), ("clothes", "cloth")):
        assert f"{file_ids()[ours]}: {theirs}\n" in text
    # `clothes` of the 59 is `cloth` in the list of all, never the longer `clothes tree`
    (tmp_path / "labels.txt").write_text(text.replace("other 100", "clothes tree").replace("tvmonitor", "tv monitor"))
    assert class_table(tmp_path / "labels.txt") == table


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda text: text.replace(": cloth\n", ": rag\n").replace(": sky\n", ": heaven\n"), "classes cloth, sky;"),
        (lambda text: text + "sky\n", "the line 'sky'"),
        (lambda text: "", "is empty"),
    ],
)
def test_a_wrong_list_of_names_is_refused(official, tmp_path, damage, named):
    path = official / "labels.txt"
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError, match=named) as caught:
        prepare(official, tmp_path / "out")
    assert "labels.txt" in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_prepare_keeps_the_lists_and_every_pixel(sample):
    official = sample / "official"
    lists = {name: read_ids(sample / f"lists/{name}.txt") for name in ("train", "val")}
    assert (len(lists["train"]), len(lists["val"])) == (24, 8)
    check_disjoint(lists["train"], lists["val"])
    for name, ids in lists.items():
        assert ids == read_ids(official / f"VOCdevkit/VOC2010/ImageSets/Main/{name}.txt")
        for image_id in ids:
            expected = released(official / f"trainval/{image_id}.mat", official / "labels.txt")
            np.testing.assert_array_equal(png(sample, image_id), expected)
            photo = official / f"VOCdevkit/VOC2010/JPEGImages/{image_id}.jpg"
            assert (sample / f"JPEGImages/{image_id}.jpg").read_bytes() == photo.read_bytes()


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float64])
def test_every_class_survives_mat_to_png(official, tmp_path, dtype):
    image_id = read_ids(official / "VOCdevkit/VOC2010/ImageSets/Main/train.txt")[0]
    everything = np.random.default_rng(0).permutation(460).astype(dtype).reshape(20, 23)
    (official / f"trainval/{image_id}.mat").write_bytes(encode_mat(LabelMap=everything))
    prepare(official, tmp_path / "out")
    label = png(tmp_path / "out", image_id)
    np.testing.assert_array_equal(label, released(official / f"trainval/{image_id}.mat", official / "labels.txt"))
    assert np.bincount(label.ravel()).tolist() == [460 - 59, *[1] * 59]


def test_archives_may_lie_in_folders_of_their_own(official, tmp_path):
    for archive, files in (("voc", ["VOCdevkit"]), ("trainval", ["labels.txt", "trainval"])):
        (tmp_path / "unpacked" / archive).mkdir(parents=True)
        for file in files:
            (official / file).rename(tmp_path / "unpacked" / archive / file)
    prepare(tmp_path / "unpacked", tmp_path / "out")
    assert len(load(tmp_path / "out", "val")) == 8


def test_items_load_with_their_labels(sample):
    dataset = load(sample, "val", pipeline=PIPELINE)
    assert dataset.metainfo["classes"] == CLASSES and len(dataset.metainfo["palette"]) == 60
    for index in range(8):
        item = dataset[index]
        label = item["data_samples"].gt_sem_seg.data
        assert item["inputs"].shape[1:] == label.shape[1:]
        np.testing.assert_array_equal(label[0].numpy(), png(sample, item["data_samples"].img_id))


def test_prepare_goes_on_where_it_stopped(official, tmp_path, monkeypatch):
    ids = read_ids(official / "VOCdevkit/VOC2010/ImageSets/Main/train.txt")
    root = tmp_path / "out"
    broken, early = official / f"trainval/{ids[7]}.mat", root / f"labels/{ids[0]}.png"
    stop_and_go_on(prepare, official, root, broken, early, monkeypatch)
    assert len(load(root)) == 24 and len(load(root, "val")) == 8


def holding(*ids: float):
    return lambda path: path.write_bytes(encode_mat(LabelMap=np.array([ids])))


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        *BROKEN_MATS,
        (lambda path: savemat(path, {"Labels": np.ones((3, 3))}), "lacks LabelMap"),
        (lambda path: savemat(path, {"LabelMap": "text"}), "no map of class ids"),
        (holding(1, 460, 65535), "class ids 460, 65535,"),
        (holding(1, -1), "class ids -1,"),
        (holding(1, 2.5), "class ids 2.5,"),
        (holding(1, np.nan), "class ids nan,"),
        (lambda path: path.unlink(), "lacks 1 labels"),
    ],
)
def test_prepare_names_a_broken_mat(official, tmp_path, damage, named):
    image_id = read_ids(official / "VOCdevkit/VOC2010/ImageSets/Main/val.txt")[2]
    damage(official / f"trainval/{image_id}.mat")
    with pytest.raises(UserError, match=named) as caught:
        prepare(official, tmp_path / "out")
    assert image_id in str(caught.value) and "\n" not in str(caught.value)


def test_prepare_names_a_missing_image_and_a_missing_archive(official, tmp_path):
    image_id = read_ids(official / "VOCdevkit/VOC2010/ImageSets/Main/val.txt")[0]
    (official / f"VOCdevkit/VOC2010/JPEGImages/{image_id}.jpg").unlink()
    with pytest.raises(UserError, match=f"lacks 1 images: {image_id};"):
        prepare(official, tmp_path / "out")
    shutil.rmtree(official / "VOCdevkit")
    with pytest.raises(UserError, match="has no VOCdevkit/VOC2010"):
        prepare(official, tmp_path / "out")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda image, label: image.write_bytes(image.read_bytes()[:900]), "image .* truncated"),
        (lambda image, label: Image.new("L", (7, 9)).save(label), "is 7x9 pixels"),
        (lambda image, label: Image.new("L", (7, 9), 60).save(label), "class ids 60;"),
        (lambda image, label: label.unlink(), "label of 1 ids"),
    ],
)
def test_the_loader_names_a_broken_file(root, damage, named):
    info = load(root).get_data_info(2)
    damage(Path(info["img_path"]), Path(info["seg_map_path"]))
    with pytest.raises(UserError, match=named) as caught:
        load(root, pipeline=PIPELINE)[2]
    assert info["img_id"] in str(caught.value) and "\n" not in str(caught.value)


def test_sample_has_the_same_bytes_again_and_sizes_vary(sample, tmp_path):
    write_pascal_context(tmp_path / "again", train=24, val=8)
    assert_same_files(tmp_path / "again", sample)
    maps = [png(sample, path.stem) for path in (sample / "labels").iterdir()]
    assert len({label.shape for label in maps}) > 10
    assert all(150 <= side <= 200 for label in maps for side in label.shape)
    seen = {CLASSES[i] for label in maps for i in np.unique(label)}
    assert seen == {
        *("background", "bird", "boat", "bottle", "car", "cat", "chair", "person", "train"),
        *("sky", "grass", "road", "wall", "floor", "diningtable", "bedcloth"),
    }


def test_read_labels_needs_no_dense_ids(tmp_path):
    (tmp_path / "a.mat").write_bytes(encode_mat(LabelMap=np.array([[900, 3], [3, 12]], np.uint16)))
    assert read_labels(tmp_path / "a.mat", {3: 1, 12: 0, 900: 59}).tolist() == [[59, 1], [1, 0]]


def test_a_sample_too_small_is_refused(tmp_path):
    with pytest.raises(UserError, match="too small"):
        write_pascal_context(tmp_path / "pascal_context", val=0)
    assert not list(tmp_path.iterdir())
