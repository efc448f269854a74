"""Loading images and labels: pixels as stored, and one clear line for every broken file, from worker processes too."""

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from PIL import Image
from torch.utils.data import DataLoader

from repro.data.images import colour_map, read_image, read_label
from repro.data.transforms import LoadImage, LoadLabel
from repro.data.voc2011 import LISTS, VOC2011
from repro.errors import UserError

PIPELINE = [
    {"type": LoadImage},
    {"type": LoadLabel, "num_classes": 21},
    {"type": "mmseg.PackSegInputs", "meta_keys": ("img_id", "img_path", "seg_map_path", "ori_shape", "img_shape")},
]


@pytest.fixture
def folder(tmp_path):
    """A VOC folder of four images, 40 wide and 30 high, that a test may damage."""
    rng = np.random.default_rng(0)
    (tmp_path / LISTS).mkdir(parents=True)
    (tmp_path / LISTS / "train.txt").write_text("a\nb\nc\nd\n")
    for name in ("JPEGImages", "SegmentationClass"):
        (tmp_path / name).mkdir()
    for image_id in "abcd":
        Image.fromarray(rng.integers(0, 256, (30, 40, 3), np.uint8)).save(tmp_path / f"JPEGImages/{image_id}.jpg")
        Image.fromarray(rng.integers(0, 21, (30, 40), np.uint8)).save(tmp_path / f"SegmentationClass/{image_id}.png")
    return tmp_path


def dataset(folder, **kwargs) -> VOC2011:
    return VOC2011(str(LISTS / "train.txt"), data_root=str(folder), pipeline=PIPELINE, **kwargs)


def test_pipeline_gives_bgr_labels_and_the_id(folder):
    item = dataset(folder)[2]
    with Image.open(folder / "JPEGImages/c.jpg") as image:
        rgb = np.array(image)
    assert item["inputs"].dtype == torch.uint8
    np.testing.assert_array_equal(item["inputs"].numpy(), rgb.transpose(2, 0, 1)[::-1])
    sample = item["data_samples"]
    assert sample.img_id == "c" and sample.ori_shape == sample.img_shape == (30, 40)
    with Image.open(folder / "SegmentationClass/c.png") as label:
        np.testing.assert_array_equal(sample.gt_sem_seg.data[0].numpy(), np.array(label))


def test_transforms_set_mmsegs_keys(folder):
    results = LoadImage()({"img_path": str(folder / "JPEGImages/a.jpg")})
    assert results["img"].shape == (30, 40, 3) and results["img"].dtype == np.uint8
    results = LoadLabel(21)(results | {"seg_map_path": str(folder / "SegmentationClass/a.png"), "seg_fields": []})
    assert results["gt_seg_map"].dtype == np.uint8 and results["seg_fields"] == ["gt_seg_map"]


def test_palette_and_grey_labels_are_the_same_ids(tmp_path):
    ids = np.array([[0, 1, 20, 255]], np.uint8)
    grey, palette = Image.fromarray(ids), Image.fromarray(ids)
    palette.putpalette(colour_map().tobytes())
    grey.save(tmp_path / "grey.png")
    palette.save(tmp_path / "palette.png")
    for name in ("grey", "palette"):
        np.testing.assert_array_equal(read_label(tmp_path / f"{name}.png", 21), ids)


def test_exif_orientation_is_ignored_as_masks_have_none(tmp_path):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    image.save(tmp_path / "turned.jpg", exif=exif)
    image.save(tmp_path / "plain.jpg")
    assert read_image(tmp_path / "turned.jpg").shape == (30, 40, 3)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.jpg"), read_image(tmp_path / "plain.jpg"))


def test_grey_images_become_three_channels(tmp_path):
    Image.new("L", (7, 5), 90).save(tmp_path / "grey.png")
    assert (read_image(tmp_path / "grey.png") == np.full((5, 7, 3), 90)).all()


def truncate(path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def save(label: np.ndarray):
    return lambda path: Image.fromarray(label).save(path)


BROKEN = {
    "truncated image": ("JPEGImages/b.jpg", truncate, "truncated"),
    "no image": ("JPEGImages/b.jpg", lambda path: path.write_text("hello"), "cannot be read"),
    "empty image": ("JPEGImages/b.jpg", lambda path: path.write_bytes(b""), "cannot be read"),
    "truncated label": ("SegmentationClass/b.png", truncate, "cannot be read"),
    "stray id": ("SegmentationClass/b.png", save(np.full((30, 40), 21, np.uint8)), "class ids 21; only 0 to 20"),
    "16 bit": ("SegmentationClass/b.png", save(np.full((30, 40), 256, np.uint16)), "class ids 256"),
    "other size": ("SegmentationClass/b.png", save(np.zeros((40, 30), np.uint8)), "30x40 pixels, .* 40x30"),
    "colours": ("SegmentationClass/b.png", save(np.zeros((30, 40, 3), np.uint8)), "colour image"),
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("test_mode", [False, True])
def test_broken_files_are_named_in_one_line(folder, fault, test_mode):
    name, damage, said = BROKEN[fault]
    damage(folder / name)
    with pytest.raises(UserError, match=said) as caught:
        dataset(folder, test_mode=test_mode)[1]
    assert str(folder / name) in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named(folder):
    with pytest.raises(UserError, match=r"gone.jpg is missing"):
        read_image(folder / "gone.jpg")


def test_a_stray_id_reaches_the_user_from_worker_processes(folder):
    save(np.full((30, 40), 99, np.uint8))(folder / "SegmentationClass/d.png")
    loader: DataLoader = DataLoader(dataset(folder), batch_size=1, num_workers=2, collate_fn=pseudo_collate)
    with pytest.raises(UserError, match="holds class ids 99"):
        list(loader)


def test_a_subset_of_the_classes_maps_the_labels(folder):
    save(np.tile(np.array([0, 8, 12, 255], np.uint8), (30, 10)))(folder / "SegmentationClass/a.png")
    item = dataset(folder, metainfo={"classes": ("background", "dog")})[0]
    assert item["data_samples"].gt_sem_seg.data[0, 0, :4].tolist() == [0, 255, 1, 255]


def test_a_16_bit_grey_image_is_scaled_not_clipped(tmp_path):
    deep = np.linspace(0, 65535, 60).astype(np.uint16).reshape(6, 10)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(read_image(tmp_path / "deep.png"), np.stack([deep // 256] * 3, axis=-1))
