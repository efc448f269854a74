"""NYUDv2: both published forms become one folder with the same labels; what is broken is named in one line."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from repro.data import nyudv2
from repro.data.hha import NYUDV2, Intrinsics, encode_hha
from repro.data.nyudv2 import CLASSES, NYUDv2, prepare, read_segmentation
from repro.data.sample.depth import camera_of
from repro.data.sample.nyudv2 import CLASS_OF, CROP, NAMES, SIZE, draw_gupta, draw_official
from repro.data.sample.scene import draw_scene
from repro.data.splits import ids_sha256, read_ids
from repro.errors import UserError

SHARED = Path(__file__).resolve().parents[2].parent / "shared"
META = SHARED / "data" / "nyud_meta"
needs_meta = pytest.mark.skipif(not META.exists(), reason="no ../shared: NYUDv2's splits.mat and classMapping40.mat")
CAMERA = camera_of(SIZE)
MAT = "nyu_depth_v2_labeled.mat"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """Six scenes in both published forms: four to train on, two to test; not to be changed."""
    folder = tmp_path_factory.mktemp("drawn")
    scenes = [draw_scene(5, index, SIZE) for index in range(6)]
    draw_official(folder / "official", scenes, 4, 2)
    draw_gupta(folder / "gupta" / "nyud", scenes, 4)
    return folder


@pytest.fixture
def official(drawn, tmp_path) -> Path:
    """A copy of the official form that a test may damage."""
    return Path(shutil.copytree(drawn / "official", tmp_path / "official"))


@pytest.fixture
def gupta(drawn, tmp_path) -> Path:
    """A copy of Gupta et al.'s form that a test may damage."""
    return Path(shutil.copytree(drawn / "gupta", tmp_path / "gupta"))


@pytest.fixture(autouse=True)
def jobs(monkeypatch) -> list[tuple[list[str], Intrinsics]]:
    """HHA is computed in this process; returns what was asked for."""
    asked = []

    def in_this_process(jobs, camera):
        asked.append(([hha.stem for _, hha in jobs if not hha.exists()], camera))
        for depth, hha in jobs:
            hha.parent.mkdir(exist_ok=True)
            Image.fromarray(encode_hha(pixels(depth) / 1000, camera)).save(hha)

    monkeypatch.setattr(nyudv2, "write_hha", in_this_process)
    return asked


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def lists(root: Path) -> dict[str, list[str]]:
    return {path.stem: read_ids(path) for path in (root / "splits").iterdir()}


def test_both_forms_give_the_same_images_depths_and_labels(drawn, tmp_path):
    prepare(drawn / "official", tmp_path / "whole", CAMERA)
    prepare(drawn / "gupta", tmp_path / "crops")
    for image_id in map(str, range(5001, 5007)):
        for kind in ("images", "depth", "labels"):
            whole, crop = (pixels(tmp_path / form / kind / f"{image_id}.png") for form in ("whole", "crops"))
            assert whole.shape[:2] == SIZE and whole.dtype == (np.uint16 if kind == "depth" else np.uint8)
            np.testing.assert_array_equal(whole[CROP], crop)
    labels = np.concatenate([pixels(path).ravel() for path in (tmp_path / "whole/labels").iterdir()])
    assert {0, 1, 255} < set(labels.tolist()) < {*range(40), 255}


def test_what_is_written_is_what_was_drawn(drawn, tmp_path):
    """Against the drawing itself, since both forms could share an error: orientation, channels, units, classes."""
    prepare(drawn / "official", tmp_path, CAMERA)
    scene = draw_scene(5, 3, SIZE)
    np.testing.assert_array_equal(pixels(tmp_path / "images/5004.png"), scene.image[..., ::-1])
    label = pixels(tmp_path / "labels/5004.png")
    for placed in scene.objects:
        named = {9: "chair", 15: "person", 5: "otherprop"}.get(placed.class_id)
        if named:
            assert set(label[scene.instance == placed.instance].tolist()) <= {CLASSES.index(named), 255}
    floor = (label == CLASSES.index("floor")) & (np.arange(SIZE[0])[:, None] > SIZE[0] - 5)
    depth = pixels(tmp_path / "depth/5004.png")[floor]
    assert depth.size and (depth > 1500).all() and (depth < 4000).all(), "millimetres: the floor at the lower edge"


def test_the_official_file_is_read_one_frame_at_a_time(drawn, tmp_path, monkeypatch):
    read = []
    original = h5py.Dataset.__getitem__

    def counted(variable, key):
        values = original(variable, key)
        read.append(np.size(values))
        return values

    monkeypatch.setattr(h5py.Dataset, "__getitem__", counted)
    prepare(drawn / "official", tmp_path, CAMERA)
    assert max(read) == 3 * SIZE[0] * SIZE[1]
    assert sum(read) == 6 * 5 * SIZE[0] * SIZE[1], "and no frame twice"


@needs_meta
def test_the_real_splits_and_classes(tmp_path, monkeypatch):
    """1449 frames of 4x4 pixels under the published splits and mapping give the published lists and classes."""
    numbers = np.arange(1449)
    with h5py.File(tmp_path / MAT, "w") as file:
        file["images"] = np.zeros((1449, 3, 4, 4), np.uint8)
        file["depths"] = np.ones((1449, 4, 4), np.float32)
        file["labels"] = np.broadcast_to((numbers % (NAMES + 1))[:, None, None], (1449, 4, 4)).astype(np.uint16)
    for name in ("splits.mat", "classMapping40.mat"):
        shutil.copyfile(META / name, tmp_path / name)
    monkeypatch.setattr(nyudv2, "write_hha", lambda jobs, camera: None)
    prepare(tmp_path, tmp_path / "out", CAMERA)
    assert lists(tmp_path / "out").keys() == {"trainval", "test"}, "only Gupta et al. tell train from val"
    for name, ids in lists(tmp_path / "out").items():
        assert (len(ids), ids_sha256(ids)) == (NYUDv2.SPLITS[name].images, NYUDv2.SPLITS[name].sha256)

    published = loadmat(META / "classMapping40.mat")
    assert [str(cell[0]) for cell in published["className"][0]] == list(CLASSES)
    names = [str(cell[0]) for cell in published["allClassName"][0]]
    for name, class_name in (("wall", "wall"), ("floor", "floor"), ("bottle", "otherprop"), ("unknown", "otherprop")):
        frame = names.index(name) + 1  # as its label says; image numbers begin at 1
        assert (pixels(tmp_path / f"out/labels/{5001 + frame}.png") == CLASSES.index(class_name)).all()
    assert (pixels(tmp_path / "out/labels/5001.png") == 255).all(), "0 is unlabelled"
    mapping = published["mapClass"][0]
    assert {name: CLASSES[mapping[name - 1] - 1] for name in CLASS_OF} == CLASS_OF, "the drawn names are real ones"


def test_lists_of_gupta_are_kept_and_trainval_derived(drawn, gupta, tmp_path):
    expected = {"train": ["5001", "5002"], "val": ["5003", "5004"], "test": ["5005", "5006"]}
    prepare(gupta, tmp_path / "derived")
    assert lists(tmp_path / "derived") == expected | {"trainval": ["5001", "5002", "5003", "5004"]}
    (gupta / "nyud/trainval.txt").write_text("5004\n5003\n5002\n5001\n")
    prepare(gupta / "nyud", tmp_path / "given")  # the tree itself serves too
    assert lists(tmp_path / "given") == expected | {"trainval": ["5004", "5003", "5002", "5001"]}


def test_lists_of_gupta_beside_the_official_file(official, tmp_path):
    (official / "train.txt").write_text("5001\n5004\n")
    prepare(official, tmp_path / "out", CAMERA)
    assert lists(tmp_path / "out").keys() == {"trainval", "test"}, "one of the two is of no use"
    (official / "val.txt").write_text("5003\n5002\n")
    prepare(official, tmp_path / "out", CAMERA)
    assert lists(tmp_path / "out")["val"] == ["5003", "5002"]
    (official / "val.txt").write_text("5003\n5006\n")
    with pytest.raises(UserError, match=r"train.txt and val.txt in .*official are not together trainval"):
        prepare(official, tmp_path / "out", CAMERA)


def test_hha_is_linked_where_it_is_and_computed_where_not(gupta, tmp_path, jobs):
    source = gupta / "nyud/data/hha"
    marked = np.full((3, 5, 3), 77, np.uint8)
    Image.fromarray(marked).save(source / "img_5001.png")
    prepare(gupta, tmp_path / "all")
    assert not jobs
    np.testing.assert_array_equal(pixels(tmp_path / "all/hha/5001.png"), marked)

    camera = CAMERA.cropped(CROP[0].start, CROP[1].start)
    (source / "img_5003.png").unlink()
    prepare(gupta, tmp_path / "some", camera)
    assert jobs == [(["5003"], camera)]

    shutil.rmtree(source)
    with pytest.raises(UserError, match="the camera of frames of 133x175 is not known"):
        prepare(gupta, tmp_path / "none")


@pytest.mark.parametrize(("size", "camera"), [((480, 640), NYUDV2), ((425, 560), NYUDV2.cropped(45, 40))])
def test_the_camera_follows_from_the_frames(tmp_path, monkeypatch, size, camera):
    asked = []
    monkeypatch.setattr(nyudv2, "write_hha", lambda jobs, camera: asked.append(camera))
    tree = tmp_path / "nyud"
    for name in ("data/images", "data/depth", "segmentation"):
        (tree / name).mkdir(parents=True)
    for image_id in ("5001", "5002"):
        Image.new("RGB", size[::-1]).save(tree / f"data/images/img_{image_id}.png")
        Image.fromarray(np.ones(size, np.uint16)).save(tree / f"data/depth/img_{image_id}.png")
        savemat(tree / f"segmentation/img_{image_id}.mat", {"segmentation": np.ones(size, np.uint8)})
    (tree / "trainval.txt").write_text("5001\n")
    (tree / "test.txt").write_text("5002\n")
    prepare(tmp_path, tmp_path / "out")
    assert asked == [camera]
    assert NYUDv2("splits/test.txt", data_root=str(tmp_path / "out")).frame_size == size


def test_unlabelled_is_void_and_every_class_survives(tmp_path):
    savemat(tmp_path / "a.mat", {"segmentation": np.arange(41, dtype=np.uint8).reshape(1, 41)})
    assert read_segmentation(tmp_path / "a.mat").tolist() == [[255, *range(40)]]


def test_unknown_depth_stays_zero_and_metres_are_rounded(official, tmp_path):
    with h5py.File(official / MAT, "r+") as file:
        file["depths"][1, :4, 0] = [0, 0.0004, 1.2346, 65.535]  # columns before rows
    prepare(official, tmp_path / "out", CAMERA)
    assert pixels(tmp_path / "out/depth/5002.png")[0, :4].tolist() == [0, 0, 1235, 65535]


def test_prepare_goes_on_where_it_stopped(official, tmp_path):
    root = tmp_path / "out"
    with h5py.File(official / MAT, "r+") as file:
        good = file["depths"][3]
        file["depths"][3] = np.nan
    with pytest.raises(UserError, match="the depth of image 4 is NaN"):
        prepare(official, root, CAMERA)
    assert not (root / "splits").exists(), "lists come last"
    assert not list(root.rglob(".*")), "nothing half-written stays"
    early = (root / "labels/5001.png").stat().st_mtime_ns
    with h5py.File(official / MAT, "r+") as file:
        file["depths"][3] = good
    prepare(official, root, CAMERA)
    assert (root / "labels/5001.png").stat().st_mtime_ns == early
    assert {kind: len(list((root / kind).iterdir())) for kind in ("images", "depth", "labels", "hha")} == dict.fromkeys(
        ("images", "depth", "labels", "hha"), 6
    )


def test_the_two_forms_do_not_mix_in_one_folder(drawn, tmp_path):
    prepare(drawn / "gupta", tmp_path)
    (tmp_path / "images/5003.png").unlink()  # as if broken off
    with pytest.raises(UserError, match="holds frames of 133x175, the source 150x200"):
        prepare(drawn / "official", tmp_path, CAMERA)
    assert not (tmp_path / "images/5003.png").exists()


def set_in(name: str, frame: int, value: float):
    def damage(folder: Path) -> None:
        with h5py.File(folder / MAT, "r+") as file:
            file[name][frame, 7, 5] = value

    return damage


def replace_variable(name: str, value: np.ndarray | None):
    def damage(folder: Path) -> None:
        with h5py.File(folder / MAT, "r+") as file:
            del file[name]
            if value is not None:
                file[name] = value

    return damage


def spoil_chunk(folder: Path) -> None:
    with h5py.File(folder / MAT) as file:
        chunk = file["labels"].id.get_chunk_info(2)
        start = chunk.byte_offset + file.userblock_size
    whole = bytearray((folder / MAT).read_bytes())
    whole[start : start + chunk.size] = bytes(chunk.size)
    (folder / MAT).write_bytes(whole)


OFFICIAL = {
    "truncated": (lambda f: (f / MAT).write_bytes((f / MAT).read_bytes()[:-2000]), f"{MAT} cannot be read .*truncated"),
    "empty": (lambda f: (f / MAT).write_bytes(b""), f"{MAT} cannot be read"),
    "no HDF5": (lambda f: (f / MAT).write_bytes(b"MATLAB 5.0" * 99), f"{MAT} cannot be read"),
    "spoilt inside": (spoil_chunk, f"{MAT}: image 3 cannot be read"),
    "without a key": (replace_variable("labels", None), f"{MAT} lacks labels"),
    "four channels": (replace_variable("images", np.zeros((6, 4, 200, 150), np.uint8)), f"{MAT} holds .*4, 200, 150"),
    "other size": (replace_variable("depths", np.ones((6, 150, 200), np.float32)), f"{MAT} holds .*6, 150, 200"),
    "fewer labels": (replace_variable("labels", np.ones((5, 200, 150), np.uint16)), f"{MAT} holds .*5, 200, 150"),
    "float images": (replace_variable("images", np.zeros((6, 3, 200, 150))), f"{MAT} holds .*float64"),
    "NaN": (set_in("depths", 2, np.nan), f"{MAT}: the depth of image 3 is NaN"),
    "infinite": (set_in("depths", 5, np.inf), f"{MAT}: the depth of image 6 is NaN, infinite"),
    "negative": (set_in("depths", 0, -0.5), f"{MAT}: the depth of image 1 is .*negative"),
    "too far": (set_in("depths", 0, 65.536), f"{MAT}: the depth of image 1 is .*more than 65.5 m"),
    "stray label": (set_in("labels", 4, 895), f"{MAT}: the label of image 5 holds ids 895; only 0 to 894"),
    "no splits": (lambda f: (f / "splits.mat").unlink(), "has no splits.mat"),
    "splits without key": (lambda f: savemat(f / "splits.mat", {"trainNdxs": [1]}), "splits.mat lacks testNdxs"),
    "splits beyond": (
        lambda f: savemat(f / "splits.mat", {"trainNdxs": [1, 7], "testNdxs": [0, 2]}),
        "splits.mat lists images that .* has not: 7, 0;",
    ),
    "no mapping": (lambda f: (f / "classMapping40.mat").unlink(), "has no classMapping40.mat"),
    "other mapping": (
        lambda f: savemat(f / "classMapping40.mat", {"mapClass": np.arange(895)}),
        "classMapping40.mat maps to classes outside of 1 to 40",
    ),
    "no form at all": (lambda f: (f / MAT).unlink(), f"has no nyud/segmentation or segmentation or {MAT}"),
}


@pytest.mark.parametrize("fault", OFFICIAL)
def test_a_broken_official_form_is_named_in_one_line(official, tmp_path, fault):
    damage, said = OFFICIAL[fault]
    damage(official)
    with pytest.raises(UserError, match=said) as caught:
        prepare(official, tmp_path / "out", CAMERA)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out/splits").exists()


def segmentation(label: np.ndarray, key: str = "segmentation"):
    return lambda tree: savemat(tree / "segmentation/img_5002.mat", {key: label})


def cut(name: str):
    return lambda tree: (tree / name).write_bytes((tree / name).read_bytes()[:100])


GUPTA = {
    "truncated label": (cut("segmentation/img_5002.mat"), "img_5002.mat cannot be read .*truncated"),
    "without key": (segmentation(np.ones((3, 3), np.uint8), "labels"), "img_5002.mat lacks segmentation"),
    "stray": (segmentation(np.array([[0, 40, 41]], np.uint8)), "img_5002.mat holds ids 41; only 0 to 40"),
    "256 is not void": (segmentation(np.array([[256]], np.uint16)), "img_5002.mat holds ids 256;"),
    "fraction": (segmentation(np.array([[1.5]])), "img_5002.mat holds ids 1.5;"),
    "volume": (segmentation(np.ones((3, 3, 3), np.uint8)), "img_5002.mat holds no map of class ids"),
    "no image": (lambda t: (t / "data/images/img_5006.png").unlink(), "images lacks 1 images: 5006"),
    "no depth": (lambda t: (t / "data/depth/img_5006.png").unlink(), "depth lacks 1 depth maps: 5006"),
    "no label": (lambda t: (t / "segmentation/img_5001.mat").unlink(), "segmentation lacks 1 labels: 5001"),
    "broken image": (cut("data/images/img_5001.png"), "img_5001.png cannot be read"),
    "no test list": (lambda t: (t / "test.txt").unlink(), "nyud lacks test.txt"),
    "no training list": (lambda t: (t / "val.txt").unlink(), "nyud lacks trainval.txt"),
    "lists at odds": (lambda t: (t / "trainval.txt").write_text("5001\n"), "train.txt and val.txt in .* are not"),
}


@pytest.mark.parametrize("fault", GUPTA)
def test_a_broken_form_of_gupta_is_named_in_one_line(gupta, tmp_path, fault):
    damage, said = GUPTA[fault]
    damage(gupta / "nyud")
    with pytest.raises(UserError, match=said) as caught:
        prepare(gupta, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out/splits").exists()


def test_items_name_depth_and_hha_on_request(drawn, tmp_path):
    prepare(drawn / "gupta", tmp_path)
    plain = NYUDv2("splits/test.txt", data_root=str(tmp_path)).get_data_info(0)
    assert plain["img_path"] == str(tmp_path / "images/5005.png") and "depth_path" not in plain
    for name in ("train", "val", "trainval", "test"):
        checked = NYUDv2(f"splits/{name}.txt", data_root=str(tmp_path), **NYUDv2.CHECKED[name]).get_data_info(0)
        assert {Path(checked[f"{kind}_path"]).parent.name for kind in ("img", "seg_map", "depth", "hha")} == {
            *("images", "labels", "depth", "hha")
        }
    (tmp_path / "hha/5006.png").unlink()
    with pytest.raises(UserError, match=r"hha lacks the HHA image of 1 ids of .*: 5006"):
        NYUDv2("splits/test.txt", data_root=str(tmp_path), **NYUDv2.CHECKED["test"])
