"""The cache of a dataset: the same items, each read once, whatever is done to them afterwards."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, MODELS
from PIL import Image
from torch.utils.data import DataLoader

from repro import experiments
from repro.data.voc2011 import LISTS
from repro.errors import UserError
from repro.settings import load_config

SIZES = [(12, 9), (9, 12), (12, 9)]  # width, height


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A VOC folder of three images."""
    generator = np.random.default_rng(0)
    for index, (width, height) in enumerate(SIZES):
        for folder, suffix, high, depth in (("JPEGImages", "jpg", 256, (3,)), ("SegmentationClass", "png", 21, ())):
            (tmp_path / folder).mkdir(exist_ok=True)
            pixels = generator.integers(0, high, (height, width, *depth), np.uint8)
            Image.fromarray(pixels).save(tmp_path / folder / f"{index}.{suffix}")
    (tmp_path / LISTS).mkdir(parents=True)
    (tmp_path / LISTS / "train.txt").write_text("".join(f"{index}\n" for index in range(len(SIZES))))
    return tmp_path


@pytest.fixture
def load(root: Path) -> Callable[..., Any]:
    """The dataset as an experiment's loader builds it."""
    settings = load_config(experiments.get("voc2011/fcn32s_vgg16_voc_cvpr"), data_root=root).train_dataloader.dataset

    def load_it(**changed: bool) -> Any:
        return DATASETS.build(settings | changed)

    return load_it


def assert_same(found: dict, expected: dict) -> None:
    assert found.keys() == expected.keys() == {"inputs", "data_samples"}
    assert torch.equal(found["inputs"], expected["inputs"])
    sample, expected_sample = found["data_samples"], expected["data_samples"]
    assert sample.all_keys() == expected_sample.all_keys()
    assert torch.equal(sample.gt_sem_seg.data, expected_sample.gt_sem_seg.data)
    assert sample.metainfo == expected_sample.metainfo


def test_a_cached_item_is_the_one_on_disk(load):
    cached, plain = load(cache=True), load()
    for index in (0, 1, 2, 1, 0):
        assert_same(cached[index], plain[index])


def test_files_are_read_once(load, root):
    cached, plain = load(cache=True), load()
    first = [cached[index] for index in range(2)]
    for path in (root / "JPEGImages").iterdir():
        path.unlink()
    for index in range(2):
        assert_same(cached[index], first[index])
        with pytest.raises(UserError, match=f"{index}.jpg is missing"):
            plain[index]
    with pytest.raises(UserError, match=r"2\.jpg is missing"):
        cached[2]


def test_what_a_net_does_to_an_item_stays_with_it(load):
    """Preprocessing, a loss, its gradient and a prediction, twice over, as a training and an evaluation would."""
    options = {"model.backbone.width": 1 / 16, "model.backbone.dropout": 0}
    net = MODELS.build(load_config(experiments.get("voc2011/fcn32s_vgg16"), options).model)
    cached, plain = load(cache=True), load()
    for _ in range(2):
        for training in (True, False):
            first, second = cached[0], cached[2]
            data = net.data_preprocessor(
                {
                    "inputs": [first["inputs"], second["inputs"]],
                    "data_samples": [first["data_samples"], second["data_samples"]],
                },
                training,
            )
            if training:
                net(**data, mode="loss")["loss_semantic"].backward()
            else:
                assert "pred_sem_seg" in net(**data, mode="predict")[0]
                first["data_samples"].set_metainfo({"scored": True})
                first["data_samples"].note = PixelData(data=torch.zeros(1, 9, 12))
            assert_same(cached[0], plain[0])
            assert_same(cached[2], plain[2])


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loaders_processes_keep_what_they_have_read(load, root, workers):
    cached, plain = load(cache=True), load()
    expected = [plain[index] for index in range(3)]
    order = [0, 1, 2, 0, 1, 2]  # two processes take turns, so each meets all three
    loader = DataLoader(cached, batch_size=None, sampler=order, num_workers=workers, persistent_workers=workers > 0)
    for _ in range(2):
        for item, index in zip(loader, order, strict=True):
            assert_same(item, expected[index])
        for path in (root / "JPEGImages").iterdir():
            path.unlink()
    if workers:
        loader._iterator._shutdown_workers()  # type: ignore[union-attr]
