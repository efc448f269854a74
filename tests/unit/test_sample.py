"""The drawn sample: the same bytes for the same seed, VOC's on-disk habits, and folders that are not ours to touch."""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from repro.data.sample import voc
from repro.data.sample.scene import CLASS_IDS, draw_scene
from repro.data.sample.voc import void_border, write_voc
from repro.data.splits import read_ids
from repro.data.voc2011 import LISTS
from repro.errors import UserError


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("data") / "voc2011"
    write_voc(root, train=32, val=8)
    return root


def digest(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def mask(path: Path) -> np.ndarray:
    with Image.open(path) as png:
        return np.array(png)


def test_same_seed_same_bytes_other_seed_other_images(sample, tmp_path):
    write_voc(tmp_path / "again", train=32, val=8)
    assert digest(tmp_path / "again") == digest(sample)
    write_voc(tmp_path / "other", seed=1, train=32, val=8)
    other, first = digest(tmp_path / "other"), digest(sample)
    assert not {other[name] for name in other if name.endswith(".jpg")} & set(first.values())


def test_every_class_occurs_and_sizes_vary(sample):
    masks = [mask(path) for path in (sample / "SegmentationClassSBD").iterdir()]
    assert set(np.unique(np.concatenate([m.ravel() for m in masks]))) == {0, *CLASS_IDS}
    assert len({m.shape for m in masks}) > 10
    assert all(190 <= side <= 250 for m in masks for side in m.shape)


def test_void_rings_objects_in_voc_masks_and_never_in_sbd(sample):
    both = set(read_ids(sample / LISTS / "train.txt"))
    assert both
    for image_id in both:
        ours, sbd = (mask(sample / name / f"{image_id}.png") for name in ("SegmentationClass", "SegmentationClassSBD"))
        assert 255 not in sbd and 255 in ours
        np.testing.assert_array_equal(ours[ours != 255], sbd[ours != 255])
        # inside an image no object pixel touches background: the ring lies between
        background = cv2.dilate((ours == 0).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert not (background & (ours != 0) & (ours != 255)).any()


def test_void_border_is_three_pixels_wide():
    instance = np.zeros((20, 20), np.uint8)
    instance[:, 10:] = 1
    assert np.flatnonzero(void_border(instance)[5]).tolist() == [8, 9, 10]


def test_mat_has_sbds_structure(sample):
    image_id = read_ids(sample / LISTS / "sbd_train.txt")[0]
    struct = loadmat(sample / f"official/benchmark_RELEASE/dataset/cls/{image_id}.mat")["GTcls"]
    assert struct.shape == (1, 1) and set(struct.dtype.names) == {"Boundaries", "Segmentation", "CategoriesPresent"}
    label = struct[0]["Segmentation"][0]
    assert label.dtype == np.uint8
    assert struct[0]["Boundaries"][0].shape == (20, 1)
    present = struct[0]["CategoriesPresent"][0].ravel()
    assert present.tolist() == [i for i in np.unique(label) if i]
    edge = struct[0]["Boundaries"][0][present[0] - 1, 0].toarray().astype(bool)
    assert edge.any() and (label[edge] == present[0]).all()


def test_thin_parts_can_be_left_out():
    for index in range(5):
        thin, filled = draw_scene(0, index), draw_scene(0, index, thin_parts=False)
        assert [o.class_id for o in thin.objects] == [o.class_id for o in filled.objects]
        assert (thin.label > 0).sum() < (filled.label > 0).sum()
        # opening removes what is at most 8 pixels wide: much of an object with thin parts, little of a filled one
        kernel = np.ones((9, 9), np.uint8)
        lost = [1 - (cv2.morphologyEx((s.label > 0).astype(np.uint8), cv2.MORPH_OPEN, kernel).sum()
                     / (s.label > 0).sum()) for s in (thin, filled)]  # fmt: skip
        assert lost[0] > 0.15 > lost[1]


def test_scene_is_consistent():
    for index in range(8):
        scene = draw_scene(3, index, (150, 190))
        assert scene.image.shape == (150, 190, 3) and scene.image.dtype == np.uint8
        assert scene.label.shape == scene.instance.shape == (150, 190)
        assert ((scene.label > 0) == (scene.instance > 0)).all()
        distances = [placed.distance for placed in scene.objects]
        assert distances == sorted(distances, reverse=True) and scene.objects
        for placed in scene.objects:
            x0, y0, x1, y1 = placed.box
            inside = scene.instance[y0:y1, x0:x1] == placed.instance
            assert inside.sum() == (scene.instance == placed.instance).sum()
            assert (scene.label[scene.instance == placed.instance] == placed.class_id).all()


def test_colour_alone_does_not_tell_the_class():
    """A table from colour to class, learned from 40 scenes, gets little more than half of the IU on 20 others."""
    votes = np.zeros((8**3, 21))

    def bins(image):
        return (image.astype(int) // 32) @ [64, 8, 1]

    scenes = [draw_scene(0, index) for index in range(60)]
    for scene in scenes[:40]:
        np.add.at(votes, (bins(scene.image).ravel(), scene.label.ravel()), 1)
    matrix = np.zeros((21, 21))
    for scene in scenes[40:]:
        np.add.at(matrix, (scene.label.ravel(), votes.argmax(1)[bins(scene.image)].ravel()), 1)
    hit, true = np.diag(matrix), matrix.sum(1)
    iu = hit[true > 0] / (true + matrix.sum(0) - hit)[true > 0]
    assert iu.mean() < 0.6


def test_finished_sample_is_left_alone_and_another_replaces_it(tmp_path):
    root = tmp_path / "voc2011"
    write_voc(root, train=8, val=2)
    before = (root / "sample.json").stat().st_mtime_ns
    write_voc(root, train=8, val=2)
    assert (root / "sample.json").stat().st_mtime_ns == before
    write_voc(root, train=8, val=2, thin_parts=False)
    assert json.loads((root / "sample.json").read_text())["thin_parts"] is False
    assert [path.name for path in tmp_path.iterdir()] == ["voc2011"], "no leftovers beside it"


def test_broken_off_drawing_leaves_nothing_and_is_done_again(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(voc, "prepare", interrupt)
        with pytest.raises(KeyboardInterrupt):
            write_voc(tmp_path / "voc2011", train=8, val=2)
    assert not list(tmp_path.iterdir())
    write_voc(tmp_path / "voc2011", train=8, val=2)
    assert (tmp_path / "voc2011/sample.json").exists()


@pytest.mark.parametrize("manifest", [None, "{}", "not json", '{"drawn_by": "me"}'])
def test_a_users_folder_is_not_overwritten(tmp_path, manifest):
    (tmp_path / "holiday.jpg").write_bytes(b"precious")
    if manifest is not None:
        (tmp_path / "sample.json").write_text(manifest)
    with pytest.raises(UserError, match="is no drawn sample"):
        write_voc(tmp_path, train=8, val=2)
    assert (tmp_path / "holiday.jpg").read_bytes() == b"precious"


def test_an_unwritable_place_and_too_small_a_sample_are_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="file"):
        write_voc(tmp_path / "file" / "voc2011", train=8, val=2)
    with pytest.raises(UserError, match="too small"):
        write_voc(tmp_path / "voc2011", train=0)
