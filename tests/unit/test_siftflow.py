"""SIFT Flow: both label sets, the derived lists, what `prepare` refuses, and the drawn sample."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from preparation import BROKEN_MATS, assert_same_files, pixels, stop_and_go_on
from scipy.io import loadmat, savemat

from repro.data.images import VOID
from repro.data.sample.mat import encode_mat
from repro.data.sample.siftflow import SIZE, write_siftflow
from repro.data.siftflow import CLASSES, GEOMETRIC_CLASSES, SCENES, SIFTFlow, prepare, read_labels, read_test_list
from repro.data.splits import check_disjoint, read_ids
from repro.data.transforms import LoadImage, LoadLabel, PackInputs
from repro.errors import UserError

PIPELINE = [
    {"type": LoadImage},
    {"type": LoadLabel, "num_classes": 33},
    {"type": LoadLabel, "num_classes": 3, "path": "geo_map_path", "field": "gt_geo_map"},
    {"type": PackInputs},
]


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data") / "siftflow"
    write_siftflow(root, train=16, val=6)
    return root


@pytest.fixture
def official(sample, tmp_path) -> Path:
    """A copy of the official tree that a test may damage."""
    return Path(shutil.copytree(sample / "official", tmp_path / "official"))


@pytest.fixture
def root(sample, tmp_path) -> Path:
    """A copy of the prepared folder that a test may damage."""
    return Path(shutil.copytree(sample, tmp_path / "siftflow"))


def load(root: Path, name: str = "trainval", **kwargs) -> SIFTFlow:
    return SIFTFlow(f"lists/{name}.txt", data_root=str(root), **kwargs)


def mat(official: Path, kind: str, image_id: str) -> Path:
    return official / kind / SCENES / f"{image_id}.mat"


def png(root: Path, kind: str, image_id: str) -> np.ndarray:
    return pixels(root / kind / f"{image_id}.png")


def released(path: Path) -> np.ndarray:
    """Labels as the released nets' data layer computes them: unsigned bytes, in which 0 - 1 is 255."""
    label = loadmat(path)["S"].astype(int)
    label[label == -1] = 0
    with np.errstate(over="ignore"):
        return label.astype(np.uint8) - np.uint8(1)


def test_classes_follow_the_released_nets_outputs():
    assert len(CLASSES) == 33 and list(CLASSES) == sorted(CLASSES)
    # the three classes that the test images lack, numbered as in other published code
    assert [CLASSES.index(name) + 1 for name in ("cow", "desert", "moon")] == [9, 11, 16]
    assert CLASSES[27] == "sky" and CLASSES[32] == "window"
    assert GEOMETRIC_CLASSES == ("sky", "horizontal", "vertical")
    for classes, palette in (("classes", "palette"), ("geometric_classes", "geometric_palette")):
        assert len(SIFTFlow.METAINFO[classes]) == len({tuple(colour) for colour in SIFTFlow.METAINFO[palette]})


def test_lists_are_the_official_one_and_the_annotated_rest(sample):
    official = sample / "official"
    everything = {path.stem for path in (official / "Images" / SCENES).iterdir()}
    unannotated = {i for i in everything if not loadmat(mat(official, "SemanticLabels", i))["S"].any()}
    assert len(everything) == 24 and len(unannotated) == 2
    trainval, test = (read_ids(sample / f"lists/{name}.txt") for name in ("trainval", "test"))
    assert test == read_test_list(official / "TestSet1.txt") and len(test) == 6
    assert set(trainval) == everything - set(test) - unannotated
    check_disjoint(trainval, test)
    assert {path.stem for path in (sample / "Images").iterdir()} == everything - unannotated


def test_every_pixel_is_as_the_released_nets_read_it(sample):
    for image_id in read_ids(sample / "lists/trainval.txt") + read_ids(sample / "lists/test.txt"):
        for kind in ("SemanticLabels", "GeoLabels"):
            np.testing.assert_array_equal(
                png(sample, kind, image_id), released(mat(sample / "official", kind, image_id))
            )


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float64])
def test_every_class_id_survives(tmp_path, dtype):
    (tmp_path / "ids.mat").write_bytes(encode_mat(S=np.arange(34, dtype=dtype).repeat(5).reshape(34, 5)))
    label = read_labels(tmp_path / "ids.mat", 33)
    assert label.dtype == np.uint8
    assert label[:, 0].tolist() == [VOID, *range(33)]
    if dtype is not np.uint8:
        (tmp_path / "ids.mat").write_bytes(encode_mat(S=np.array([[-1, 0, 1, 2, 3]], dtype)))
        assert read_labels(tmp_path / "ids.mat", 3).tolist() == [[VOID, VOID, 0, 1, 2]]


def test_the_list_of_windows_paths_is_read(tmp_path):
    (tmp_path / "TestSet1.txt").write_bytes(f"{SCENES}\\coast_bea3.jpg\r\n{SCENES}/coast_n199066.jpg\n\n".encode())
    assert read_test_list(tmp_path / "TestSet1.txt") == ["coast_bea3", "coast_n199066"]


def test_items_carry_both_label_sets(sample):
    dataset = load(sample, pipeline=PIPELINE)
    info = dataset.get_data_info(0)
    assert info["geo_map_path"] == str(sample / "GeoLabels" / f"{info['img_id']}.png")
    assert dataset.metainfo["classes"] == CLASSES and dataset.metainfo["geometric_classes"] == GEOMETRIC_CLASSES
    packed = dataset[0]["data_samples"]
    for kind, label in (("SemanticLabels", packed.gt_sem_seg), ("GeoLabels", packed.gt_geo_seg)):
        np.testing.assert_array_equal(label.data[0].numpy(), png(sample, kind, info["img_id"]))
    assert "geo_map_path" not in load(sample, data_prefix={"geo_map_path": None}).get_data_info(0)


def void(path: Path) -> None:
    path.write_bytes(encode_mat(S=np.zeros(SIZE, np.uint8)))


@pytest.mark.parametrize("lose", [void, Path.unlink])
@pytest.mark.parametrize("kinds", [["SemanticLabels"], ["GeoLabels"], ["SemanticLabels", "GeoLabels"]])
def test_a_training_image_without_one_of_its_labels_is_unannotated(sample, official, tmp_path, kinds, lose):
    before = read_ids(sample / "lists/trainval.txt")
    for kind in kinds:
        lose(mat(official, kind, before[3]))
    prepare(official, tmp_path / "out")
    assert read_ids(tmp_path / "out/lists/trainval.txt") == before[:3] + before[4:]
    assert read_ids(tmp_path / "out/lists/test.txt") == read_ids(sample / "lists/test.txt")
    assert not list((tmp_path / "out").rglob(f"{before[3]}.*")), "neither its image nor its other label"
    assert len(load(tmp_path / "out")) == len(before) - 1


@pytest.mark.parametrize(("lose", "named"), [(void, "a test image are void throughout"), (Path.unlink, "lacks 1")])
@pytest.mark.parametrize("kind", ["SemanticLabels", "GeoLabels"])
def test_a_test_image_without_one_of_its_labels_is_refused(official, tmp_path, kind, lose, named):
    tested = read_test_list(official / "TestSet1.txt")[2]
    lose(mat(official, kind, tested))
    with pytest.raises(UserError, match=named) as caught:
        prepare(official, tmp_path / "out")
    assert kind in str(caught.value) and tested in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out/lists").exists()


def test_prepare_goes_on_where_it_stopped(official, tmp_path, monkeypatch):
    ids = sorted(path.stem for path in (official / "Images" / SCENES).iterdir())
    root = tmp_path / "out"
    broken, early = mat(official, "GeoLabels", ids[5]), root / "SemanticLabels" / f"{ids[0]}.png"
    stop_and_go_on(prepare, official, root, broken, early, monkeypatch)
    lists = {path.name: path.read_bytes() for path in (root / "lists").iterdir()}
    (root / "GeoLabels" / f"{ids[1]}.png").unlink()
    prepare(official, root)
    assert (root / "GeoLabels" / f"{ids[1]}.png").exists()
    assert {path.name: path.read_bytes() for path in (root / "lists").iterdir()} == lists
    assert len(load(root)) == 16 and len(load(root, "test")) == 6


def test_a_folder_around_the_archives_own_is_looked_into(official, tmp_path):
    official.rename(tmp_path / "SiftFlowDataset")
    prepare(tmp_path, tmp_path / "out")
    assert len(load(tmp_path / "out", "test")) == 6
    with pytest.raises(UserError, match="has no SemanticLabels"):
        prepare(tmp_path / "out/lists", tmp_path / "again")


def without_key(path: Path) -> None:
    savemat(path, {"names": np.zeros((3, 3), np.uint8)})


def holding(*ids: float):
    return lambda path: path.write_bytes(encode_mat(S=np.array([ids])))


@pytest.mark.parametrize("kind", ["SemanticLabels", "GeoLabels"])
@pytest.mark.parametrize(
    ("damage", "named"),
    [
        *BROKEN_MATS,
        (without_key, "lacks S"),
        (lambda path: savemat(path, {"S": "text"}), "no map of class ids"),
        (lambda path: path.write_bytes(encode_mat(S=np.ones((2, 2, 2)))), "no map of class ids"),
        (holding(1, 34, 77), "class ids 34, 77;"),
        (holding(1, 256), "class ids 256;"),  # as a byte it would be 0, and void
        (holding(1, -2), "class ids -2;"),
        (holding(1, 1.5), "class ids 1.5;"),
        (holding(1, np.nan), "class ids nan;"),
    ],
)
def test_prepare_names_a_broken_mat(official, tmp_path, kind, damage, named):
    image_id = sorted(path.stem for path in (official / kind / SCENES).iterdir())[3]
    damage(mat(official, kind, image_id))
    with pytest.raises(UserError, match=named) as caught:
        prepare(official, tmp_path / "out")
    assert kind in str(caught.value) and image_id in str(caught.value) and "\n" not in str(caught.value)


def test_prepare_names_what_the_test_list_lacks(official, tmp_path):
    tested = read_test_list(official / "TestSet1.txt")[0]
    (official / "Images" / SCENES / f"{tested}.jpg").unlink()
    with pytest.raises(UserError, match=f"lacks 1 images: {tested};"):
        prepare(official, tmp_path / "out")
    (official / "TestSet1.txt").unlink()
    with pytest.raises(UserError, match=r"TestSet1\.txt is missing"):
        prepare(official, tmp_path / "out")


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda path: path["img_path"].write_bytes(path["img_path"].read_bytes()[:900]), "image .* truncated"),
        (lambda path: Image.new("L", (7, 9)).save(path["seg_map_path"]), "is 7x9 pixels"),
        (lambda path: Image.new("L", (7, 9)).save(path["geo_map_path"]), "is 7x9 pixels"),
        (lambda path: Image.new("L", SIZE, 33).save(path["seg_map_path"]), "class ids 33;"),
        (lambda path: Image.new("L", SIZE, 3).save(path["geo_map_path"]), "class ids 3;"),
        (lambda path: path["geo_map_path"].unlink(), "geometric label of 1 ids"),
    ],
)
def test_the_loader_names_a_broken_file(root, damage, named):
    info = load(root).get_data_info(2)
    damage({key: Path(info[key]) for key in ("img_path", "seg_map_path", "geo_map_path")})
    with pytest.raises(UserError, match=named) as caught:
        load(root, pipeline=PIPELINE)[2]
    assert info["img_id"] in str(caught.value) and "\n" not in str(caught.value)


def test_sample_has_the_same_bytes_again_and_a_class_that_is_only_trained(sample, tmp_path):
    write_siftflow(tmp_path / "again", train=16, val=6)
    assert_same_files(tmp_path / "again", sample)
    seen = {}
    for name in ("trainval", "test"):
        maps = [png(sample, "SemanticLabels", image_id) for image_id in read_ids(sample / f"lists/{name}.txt")]
        assert {label.shape for label in maps} == {SIZE}
        seen[name] = {CLASSES[i] for i in np.unique(np.stack(maps)) if i != VOID}
    assert seen["trainval"] == {"bird", "boat", "car", "person", "cow", "sky", "road", "grass", "sand"}
    assert "cow" not in seen["test"] and {"sky", "person"} < seen["test"] < seen["trainval"]


def test_sample_geometry_fits_its_semantics(sample):
    for image_id in read_ids(sample / "lists/test.txt"):
        semantic, geometric = (png(sample, kind, image_id) for kind in ("SemanticLabels", "GeoLabels"))
        np.testing.assert_array_equal(semantic == VOID, geometric == VOID)
        assert 0 < (semantic == VOID).mean() < 0.25
        for name, classes in (
            ("sky", {"sky"}),
            ("horizontal", {"road", "grass", "sand"}),
            ("vertical", {"bird", "boat", "car", "person"}),
        ):
            np.testing.assert_array_equal(
                geometric == GEOMETRIC_CLASSES.index(name), np.isin(semantic, [CLASSES.index(c) for c in classes])
            )


def test_a_sample_too_small_is_refused(tmp_path):
    with pytest.raises(UserError, match="too small"):
        write_siftflow(tmp_path / "siftflow", train=7)
    assert not list(tmp_path.iterdir())
