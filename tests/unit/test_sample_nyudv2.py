"""The drawn NYUDv2: the same bytes for the same seed, a geometry that its camera and its labels agree with."""

import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from repro.data.nyudv2 import CLASSES, NYUDv2
from repro.data.sample import nyudv2
from repro.data.sample.depth import WALL, camera_of, depth_of
from repro.data.sample.nyudv2 import CLASS_OF, SIZE, name_label, write_nyudv2
from repro.data.sample.scene import draw_scene
from repro.data.splits import read_ids
from repro.errors import UserError


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data") / "nyudv2"
    write_nyudv2(root, train=10, val=4)
    return root


def digest(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


def test_same_seed_same_bytes_other_seed_other_images(sample, tmp_path):
    write_nyudv2(tmp_path / "again", train=10, val=4)
    assert digest(tmp_path / "again") == digest(sample)
    write_nyudv2(tmp_path / "other", seed=1, train=8, val=1)
    other, first = digest(tmp_path / "other"), digest(sample)
    drawn = {other[name] for name in other if name.startswith(("images", "depth", "hha", "labels"))}
    assert len(drawn) == 4 * 9 and not drawn & set(first.values())


def test_it_loads_with_all_its_modalities_and_classes(sample):
    trained = NYUDv2("splits/trainval.txt", data_root=str(sample), **NYUDv2.CHECKED["trainval"])
    tested = NYUDv2("splits/test.txt", data_root=str(sample), **NYUDv2.CHECKED["test"])
    assert (len(trained), len(tested)) == (10, 4) and trained.frame_size == SIZE
    assert not {*read_ids(sample / "splits/trainval.txt")} & {*read_ids(sample / "splits/test.txt")}
    labels = np.unique(np.concatenate([pixels(path).ravel() for path in (sample / "labels").iterdir()]))
    assert {CLASSES[i] for i in labels if i != 255} == set(CLASS_OF.values()) and 255 in labels


def test_the_official_files_have_the_published_structure(sample):
    with h5py.File(sample / "official/nyu_depth_v2_labeled.mat") as file:
        assert file["images"].shape == (14, 3, SIZE[1], SIZE[0]) and file["images"].dtype == np.uint8
        assert file["depths"].shape == (14, SIZE[1], SIZE[0]) and file["depths"].dtype == np.float32
        assert file["labels"].shape == (14, SIZE[1], SIZE[0]) and file["labels"].dtype == np.uint16
        assert set(np.unique(file["labels"][:]).tolist()) <= {0, *CLASS_OF}
    splits = loadmat(sample / "official/splits.mat")
    assert splits["trainNdxs"].shape == (10, 1) and splits["testNdxs"].ravel().tolist() == [11, 12, 13, 14]
    mapping = loadmat(sample / "official/classMapping40.mat")
    assert mapping["mapClass"].shape == (1, 894) and [str(c[0]) for c in mapping["className"][0]] == list(CLASSES)


@pytest.mark.parametrize("index", range(4))
def test_depth_is_that_of_planes_before_the_camera(index):
    """Points at this depth lie on one floor, on a wall across it, or on a board across it that meets the floor."""
    scene = draw_scene(2, index, SIZE)
    points = depth_of(scene)[..., None].astype(float) * camera_of(SIZE).rays(*SIZE)
    rest = scene.instance == 0
    far_rows, near_rows = np.arange(SIZE[0]) < scene.camera.horizon - 1, np.arange(SIZE[0]) > scene.camera.horizon + 1

    def plane(mask: np.ndarray) -> tuple[np.ndarray, float]:
        """Unit normal and offset of the plane through the points, which they all lie on."""
        normal, *_ = np.linalg.lstsq(points[mask], np.ones(mask.sum()), rcond=None)
        np.testing.assert_allclose(points[mask] @ normal, 1, atol=1e-5)
        return normal / np.linalg.norm(normal), float(1 / np.linalg.norm(normal))

    down, height = plane(rest & near_rows[:, None])
    ahead, distance = plane(rest & far_rows[:, None])
    np.testing.assert_allclose([height, distance, down @ ahead], [scene.camera.height, WALL, 0], atol=1e-4)
    assert down[0] == pytest.approx(0, abs=1e-6) and down[1] > 0.8
    for placed in scene.objects:
        mask = (scene.instance == placed.instance) & (points @ down < height - 1e-3)
        reach = points[mask] @ ahead
        assert reach.min() == pytest.approx(reach.max(), abs=1e-4) and 1 < reach.min() < WALL
    assert (points @ down <= height + 1e-4).all(), "nothing below the floor"
    reaches = [np.median((points @ ahead)[scene.instance == placed.instance]) for placed in scene.objects]
    assert reaches == sorted(reaches, reverse=True), "what covers is nearer"


def test_hha_shows_floor_wall_and_how_far_they_are(sample):
    inside = np.zeros(SIZE, bool)
    inside[5:-5, 5:-5] = True
    for path in sorted((sample / "hha").iterdir())[:6]:
        hha, label = pixels(path).astype(int), pixels(sample / "labels" / path.name)
        depth = pixels(sample / "depth" / path.name).astype(float)
        # far enough from an edge for a plane's window to see one plane
        plain = np.abs(depth - np.roll(depth, 7, 0)) + np.abs(depth - np.roll(depth, -7, 1)) < 450
        plain &= inside & (np.abs(np.arange(SIZE[0]) - edge_row(label))[:, None] > 8)
        for name, angle in (("floor", 38), ("wall", 128)):
            mask = plain & (label == CLASSES.index(name))
            assert mask.sum() > 500
            assert (np.abs(hha[mask, 2] - angle) <= 2).mean() > 0.97
        floor = label == CLASSES.index("floor")
        assert (hha[floor, 1] <= 15).all() and np.median(hha[floor, 1]) <= 1
        np.testing.assert_allclose(hha[..., 0], 31000 / (depth / 10), atol=1)


def edge_row(label: np.ndarray) -> float:
    """Where the floor ends: the middle row between wall above and floor below."""
    floor = (label == CLASSES.index("floor")).any(axis=1)
    wall = (label == CLASSES.index("wall")).any(axis=1)
    return (np.flatnonzero(floor).min() + np.flatnonzero(wall).max()) / 2


def test_labels_follow_the_picture():
    for index in range(6):
        scene = draw_scene(1, index, SIZE)
        label = name_label(scene)
        assert (label == 0).any(), "outlines are unlabelled"
        rest = (scene.instance == 0) & (label > 0)
        np.testing.assert_array_equal(label[rest] == 11, scene.ground[rest])
        for placed in scene.objects:
            assert len(set(label[scene.instance == placed.instance].tolist()) - {0}) <= 1
    bottles = {
        int(name)
        for index in range(60)
        for scene in [draw_scene(1, index, SIZE, classes=(5,))]
        for name in np.unique(name_label(scene))
    }
    assert {2, 182} <= bottles and CLASS_OF[2] == CLASS_OF[182], "two names are one class"


def test_a_finished_sample_is_left_alone_and_too_small_a_one_refused(sample, monkeypatch):
    before = (sample / "sample.json").stat().st_mtime_ns
    monkeypatch.setattr(nyudv2, "prepare", None)  # not to be called
    write_nyudv2(sample, train=10, val=4)
    assert (sample / "sample.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match="too small"):
        write_nyudv2(sample.with_name("other"), train=0)
