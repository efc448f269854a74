"""Depth and HHA in a pipeline: what the nets are given, to the value, and one clear line for every broken file."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from repro.data.images import read_depth
from repro.data.modalities import MEAN_LOG_DEPTH, LoadHHA, StackDepth, StackHHA
from repro.data.nyudv2 import WITH_DEPTH, NYUDv2
from repro.data.transforms import LoadImage, LoadLabel, PackInputs
from repro.errors import UserError

H, W = 30, 40
STEPS: dict[str, list[dict]] = {
    "rgb": [{"type": LoadImage}],
    "rgbd": [{"type": LoadImage}, {"type": StackDepth}],
    "hha": [{"type": LoadHHA}],
    "rgb_hha": [{"type": LoadImage}, {"type": StackHHA}],
}


@pytest.fixture
def folder(tmp_path) -> Path:
    """A prepared NYUDv2 of two random images that a test may damage; every tenth depth is unknown."""
    rng = np.random.default_rng(0)
    for name in ("images", "hha", "depth", "labels", "splits"):
        (tmp_path / name).mkdir()
    for image_id in ("5001", "5002"):
        depth = rng.integers(500, 65536, (H, W), np.uint16)
        depth[rng.random((H, W)) < 0.1] = 0
        files = {
            "images": rng.integers(0, 256, (H, W, 3), np.uint8),
            "hha": rng.integers(0, 256, (H, W, 3), np.uint8),
            "depth": depth,
            "labels": rng.integers(0, 40, (H, W), np.uint8),
        }
        for name, pixels in files.items():
            Image.fromarray(pixels).save(tmp_path / name / f"{image_id}.png")
    (tmp_path / "splits/test.txt").write_text("5001\n5002\n")
    return tmp_path


def dataset(root: Path, modality: str) -> NYUDv2:
    pipeline = [*STEPS[modality], {"type": LoadLabel, "num_classes": 40}, {"type": PackInputs}]
    return NYUDv2("splits/test.txt", data_root=str(root), pipeline=pipeline, **WITH_DEPTH)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


@pytest.mark.parametrize(("modality", "channels"), [("rgb", 3), ("rgbd", 4), ("hha", 3), ("rgb_hha", 6)])
def test_each_net_is_given_its_channels_in_order(folder, modality, channels):
    item = dataset(folder, modality)[1]
    inputs = item["inputs"].numpy()
    assert inputs.shape == (channels, H, W)
    assert inputs.dtype == (np.float32 if modality == "rgbd" else np.uint8)
    colour, hha = pixels(folder / "images/5002.png"), pixels(folder / "hha/5002.png")
    if modality != "hha":
        np.testing.assert_array_equal(inputs[:3], colour.transpose(2, 0, 1)[::-1])  # BGR
    if "hha" in modality:
        np.testing.assert_array_equal(inputs[-3:], hha.transpose(2, 0, 1))  # as in the PNG
    assert item["data_samples"].img_shape == item["data_samples"].ori_shape == (H, W)
    np.testing.assert_array_equal(item["data_samples"].gt_sem_seg.data[0], pixels(folder / "labels/5002.png"))


def test_depth_is_the_natural_log_of_millimetres_and_the_mean_where_unknown(folder):
    depth = pixels(folder / "depth/5001.png").astype(float)
    log = dataset(folder, "rgbd")[0]["inputs"][3].numpy()
    np.testing.assert_allclose(log[depth > 0], np.log(depth[depth > 0]), rtol=1e-6)
    assert (depth == 0).any() and (log[depth == 0] == np.float32(MEAN_LOG_DEPTH)).all()


def test_the_mean_takes_unknown_depth_to_exactly_zero(folder):
    """In the net's own precision: to a convolution it is nothing then, like the border of zeros."""
    inputs = dataset(folder, "rgbd")[0]["inputs"]
    centred = inputs - torch.tensor([116.19, 97.203, 92.318, 7.844])[:, None, None]
    unknown = torch.from_numpy(pixels(folder / "depth/5001.png") == 0)
    assert centred.dtype == torch.float32 and (centred[3][unknown] == 0).all()
    assert not (centred[3][~unknown] == 0).any()


def test_hha_is_the_image_of_the_net_that_sees_nothing_else(folder):
    assert dataset(folder, "hha")[0]["data_samples"].img_path == str(folder / "hha/5001.png")
    assert dataset(folder, "rgb_hha")[0]["data_samples"].img_path == str(folder / "images/5001.png")


def test_depth_maps_are_read_to_the_millimetre(tmp_path):
    depth = np.array([[0, 1, 2550], [256, 32768, 65535]], np.uint16)
    Image.fromarray(depth).save(tmp_path / "depth.png")
    read = read_depth(tmp_path / "depth.png")
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, depth)


def save(shape: tuple[int, ...], dtype: type = np.uint8):
    return lambda path: Image.fromarray(np.ones(shape, dtype)).save(path)


def palette(path: Path) -> None:
    Image.new("P", (W, H)).save(path)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


BROKEN = {
    "HHA grey": (save((H, W)), "hha", "hha/5002.png has not three channels"),
    "HHA with alpha": (save((H, W, 4)), "hha", "hha/5002.png has not three channels"),
    "HHA palette": (palette, "hha", "hha/5002.png has not three channels"),
    "HHA small": (save((H, W - 1, 3)), "hha", r"hha/5002.png is 39x30 pixels|its image .*hha/5002.png 39x30"),
    "HHA truncated": (truncate, "hha", "HHA image .*hha/5002.png cannot be read"),
    "HHA missing": (Path.unlink, "hha", "HHA image .*hha/5002.png is missing"),
    "depth 8 bit": (save((H, W)), "depth", "depth/5002.png is no 16-bit grey PNG"),
    "depth colour": (save((H, W, 3)), "depth", "depth/5002.png is no 16-bit grey PNG"),
    "depth small": (save((H - 1, W), np.uint16), "depth", r"depth map .*depth/5002.png is 40x29 pixels"),
    "depth truncated": (truncate, "depth", "depth map .*depth/5002.png cannot be read"),
    "depth text": (lambda path: path.write_text("2.5 m"), "depth", "depth map .*depth/5002.png cannot be read"),
    "depth missing": (Path.unlink, "depth", "depth map .*depth/5002.png is missing"),
}


@pytest.mark.parametrize(
    ("fault", "modality"),
    [(fault, m) for fault in BROKEN for m in (("hha", "rgb_hha") if fault.startswith("HHA") else ("rgbd",))],
)
def test_broken_files_are_named_in_one_line(folder, fault, modality):
    damage, kind, said = BROKEN[fault]
    data = dataset(folder, modality)
    damage(folder / kind / "5002.png")
    data[0]
    with pytest.raises(UserError, match=said) as caught:
        data[1]
    assert "\n" not in str(caught.value)
