"""The classifier's examples: the right object, the right label, square, of one size."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from repro.data.crops import ObjectCrops, square_crop
from repro.data.sample.voc import write_voc
from repro.data.splits import read_ids
from repro.data.voc2011 import CLASSES, LISTS
from repro.errors import UserError


def write(folder, image_id: str, label: np.ndarray, colours: dict[int, tuple[int, int, int]]) -> None:
    for name in ("JPEGImages", "SegmentationClass", str(LISTS)):
        (folder / name).mkdir(parents=True, exist_ok=True)
    image = np.zeros((*label.shape, 3), np.uint8)
    for class_id, rgb in colours.items():
        image[label == class_id] = rgb
    Image.fromarray(image).save(folder / f"JPEGImages/{image_id}.jpg", quality=100, subsampling=0)
    Image.fromarray(label).save(folder / f"SegmentationClass/{image_id}.png")
    with (folder / LISTS / "train.txt").open("a") as file:
        file.write(f"{image_id}\n")


def load(root, **kwargs) -> ObjectCrops:
    return ObjectCrops(str(LISTS / "train.txt"), data_root=str(root), **kwargs)


@pytest.fixture
def folder(tmp_path):
    label = np.zeros((100, 150), np.uint8)
    label[10:40, 20:60] = 8  # the larger cat
    label[70:80, 5:15] = 8  # the smaller one
    label[50:90, 80:140] = 12  # a dog
    label[95:99, 145:149] = 15  # too small
    label[9, 20:60] = 255
    write(tmp_path, "a", label, {8: (255, 0, 0), 12: (0, 0, 255), 15: (0, 255, 0)})
    return tmp_path


def test_one_crop_per_class_around_its_largest_component(folder):
    crops = load(folder)
    assert len(crops) == 2
    assert [crops[i]["data_samples"] for i in range(2)] == [7, 11]
    assert crops.get_data_info(0)["bbox"] == (20, 10, 60, 40)
    cat, dog = crops[0]["inputs"], crops[1]["inputs"]
    assert cat.shape == dog.shape == (3, 224, 224) and cat.dtype == torch.uint8
    assert cat[:, 112, 112].tolist() == pytest.approx([0, 0, 255], abs=6), "blue, green, red"
    assert dog[:, 112, 112].tolist() == pytest.approx([255, 0, 0], abs=6)
    red = (cat[2] > 128).float().mean()
    assert red == pytest.approx(30 * 40 / 48**2, abs=0.03), "the whole object, with a tenth of context on each side"
    assert crops.metainfo["classes"] == CLASSES[1:]


def test_a_cache_is_refused_not_ignored(folder):
    with pytest.raises(UserError, match="ObjectCrops keeps no cache"):
        load(folder, cache=True)
    assert len(load(folder, cache=False)) == 2


def test_smaller_components_count_when_asked_for(folder):
    assert [item["data_samples"] for item in load(folder, min_pixels=10)] == [7, 11, 14]


def test_crops_move_inside_the_image_and_continue_its_edge_where_they_are_larger():
    image = np.zeros((40, 100, 3), np.uint8)
    image[:, :10] = 50
    image[0] = 200
    corner = square_crop(image, (0, 20, 10, 30), 12, 0.1)
    assert (corner[:, :8] == 50).all(), "moved to start at the border, nothing padded"
    tall = square_crop(image, (20, 0, 80, 40), 60, 0.0)
    assert tall.shape == (60, 60, 3)
    assert (tall[:10] == 200).all() and (tall[12:] == 0).all()


def test_an_object_as_large_as_the_image(tmp_path):
    write(tmp_path, "all", np.full((31, 57), 3, np.uint8), {3: (10, 20, 30)})
    assert (load(tmp_path, size=64)[0]["inputs"].float().mean((1, 2)) - torch.tensor([30.0, 20, 10])).abs().max() < 4


def test_crops_of_the_sample_batch_and_show_their_class(tmp_path):
    write_voc(tmp_path / "voc2011", train=16, val=2)
    crops = ObjectCrops(
        str(LISTS / "sbd_train.txt"),
        data_root=str(tmp_path / "voc2011"),
        data_prefix={"seg_map_path": "SegmentationClassSBD"},
        size=64,
    )
    ids = read_ids(tmp_path / "voc2011" / LISTS / "sbd_train.txt")
    assert {crops.get_data_info(i)["img_id"] for i in range(len(crops))} == set(ids)
    batch = next(iter(DataLoader(crops, batch_size=4)))
    assert batch["inputs"].shape == (4, 3, 64, 64) and batch["data_samples"].shape == (4,)
    again = crops[0]["inputs"]
    assert torch.equal(batch["inputs"][0], again), "no augmentation"


def test_a_stray_label_is_refused_when_the_index_is_built(folder):
    Image.fromarray(np.full((100, 150), 33, np.uint8)).save(folder / "SegmentationClass/a.png")
    with pytest.raises(UserError, match=r"a\.png holds class ids 33"):
        load(folder)
