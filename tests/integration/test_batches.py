"""Several images a step: batches of one size and accumulated gradients give what single images give."""

import random
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmseg.registry import MODELS
from PIL import Image
from torch import Tensor

from repro import experiments
from repro.data.samplers import SameSizeBatches
from repro.data.voc2011 import LISTS
from repro.errors import UserError
from repro.evaluate import evaluate
from repro.experiments import Experiment
from repro.models.segmentor import FCN
from repro.settings import load_config
from repro.train import find_checkpoints, train
from repro.weights import store

NET = "voc2011/fcn32s_vgg16_voc_cvpr"
NARROW = {"model.backbone.width": 1 / 16, "model.backbone.dropout": 0}
SIZES = ((46, 35), (35, 46), (40, 40))  # width, height
IMAGES = {"train": 11, "val": 10}
COUNTS = 20  # images that an update accumulates

CARD = f"""
'''FCN-32s on batches of one size.'''
from mmengine.config import read_base

from repro.data.samplers import SameSizeBatches

with read_base():
    from repro.configs.{NET.replace("/", ".")} import *

for loader in (train_dataloader, val_dataloader):
    loader.update(batch_size=3, batch_sampler=dict(type=SameSizeBatches), num_workers=0, persistent_workers=False)
test_dataloader = val_dataloader
optim_wrapper.update(accumulative_counts=1)
experiment = dict(recipe="cvpr2015", starts_from="ilsvrc/vgg16")
"""


@pytest.fixture(autouse=True)
def scope():
    """What a runner sets from `default_scope`: mmseg's own parts are found by name."""
    with DefaultScope.overwrite_default_scope("mmseg"):
        yield


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VOC folder of noise in three sizes, with void; not to be changed."""
    root = tmp_path_factory.mktemp("mixed")
    generator = np.random.default_rng(0)
    for folder in ("JPEGImages", "SegmentationClass", LISTS):
        (root / folder).mkdir(parents=True)
    for name, count in IMAGES.items():
        ids = [f"{name}{index}" for index in range(count)]
        (root / LISTS / f"{name}.txt").write_text("".join(f"{image_id}\n" for image_id in ids))
        for image_id in ids:
            width, height = SIZES[generator.integers(len(SIZES))]
            image = generator.integers(0, 256, (height, width, 3), np.uint8)
            label = generator.choice([*range(21), 255], (height, width)).astype(np.uint8)
            label[: generator.integers(height)] = 255  # images differ in how much of them is labelled
            Image.fromarray(image).save(root / f"JPEGImages/{image_id}.jpg")
            Image.fromarray(label).save(root / f"SegmentationClass/{image_id}.png")
    return root


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A user's experiment with batches of one size."""
    path = tmp_path_factory.mktemp("cards") / "same_size.py"
    path.write_text(CARD)
    return experiments.read_card(path)


def build(config: Any) -> FCN:
    """A net whose score layers do not start at zero, so that every layer matters."""
    torch.manual_seed(0)
    net = MODELS.build(config.model)
    for name, parameter in net.named_parameters():
        if "score" in name and name.endswith("weight"):
            torch.nn.init.normal_(parameter, std=0.05)
    return net


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    with DefaultScope.overwrite_default_scope("mmseg"):
        store.save(store.Weights(build(load_config(experiments.get(NET), NARROW)).state_dict()), path)
    return path


def batches(config: Any, root: Path, batch_size: int, **changed: Any) -> list[dict]:
    """The validation images as a runner's loader hands them out."""
    loader = config.val_dataloader | {"batch_size": batch_size, "num_workers": 0, "persistent_workers": False}
    loader["dataset"]["data_root"] = str(root)
    return list(Runner.build_dataloader(loader | changed, seed=0))


def here(loader: str) -> dict[str, Any]:
    """Options for a loader without processes of its own."""
    return {f"{loader}.num_workers": 0, f"{loader}.persistent_workers": False}


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> bool:
    """Whether two tensors differ by rounding only, compared with the largest value."""
    found, expected = found.detach().double(), expected.detach().double()
    return float((found - expected).abs().max()) <= tolerance * float(expected.abs().max())


@pytest.mark.parametrize(
    "name", ["fcn32s_vgg16", "fcn8s_vgg16", "fcn8s_atonce_vgg16", "fcn32s_alexnet", "fcn32s_googlenet"]
)
def test_a_batch_of_one_size_is_its_images_alone(mixed, name):
    """Scores, and the gradient of a summed loss."""
    config = load_config(experiments.get(f"voc2011/{name}"), NARROW | {"model.decode_head.loss.reduction": "sum"})
    config.val_dataloader.dataset.ann_file = str(LISTS / "val.txt")
    net = build(config)
    single = {data["data_samples"][0].img_id: net.data_preprocessor(data, True) for data in batches(config, mixed, 1)}
    seen: Counter[str] = Counter()
    for data in batches(config, mixed, 4, batch_sampler={"type": SameSizeBatches}):
        data = net.data_preprocessor(data, True)
        ids = [sample.img_id for sample in data["data_samples"]]
        seen.update(ids)
        scores = net(data["inputs"])
        assert scores.std() > 0
        for image_id, image_scores in zip(ids, scores, strict=True):
            assert close(image_scores, net(single[image_id]["inputs"])[0])
        together = gradient(net, [data])
        alone = gradient(net, [single[image_id] for image_id in ids])
        assert all(close(together[key], alone[key], 1e-4) for key in alone)
    assert sorted(seen) == sorted(single) and set(seen.values()) == {1} and len(single) == IMAGES["val"]


def gradient(net: FCN, batches: list[dict]) -> dict[str, Tensor]:
    """The sum of the gradients of some batches, each from a net without any."""
    total: dict[str, Tensor] = {}
    for data in batches:
        net.zero_grad()
        net.parse_losses(net(**data, mode="loss"))[0].backward()
        for name, parameter in net.named_parameters():
            if parameter.grad is not None:
                total[name] = total.get(name, 0) + parameter.grad.double()
    assert any(part.any() for part in total.values())
    return total


def test_an_evaluation_in_batches_of_one_size_counts_the_same_pixels(mixed, card, weights, tmp_path):
    settings = {"work_dirs": tmp_path, "weights": weights, "data_root": mixed}
    alone = evaluate(experiments.get(NET), options=NARROW | here("test_dataloader"), **settings)
    together = evaluate(card, options=NARROW, **settings)
    assert alone is not None and together is not None
    assert together.dataset == alone.dataset
    assert (alone.confusion["semantic"].sum(axis=0) > 0).sum() > 1, "more than one class is predicted"
    np.testing.assert_array_equal(together.confusion["semantic"], alone.confusion["semantic"])


def test_batches_of_several_sizes_are_refused(mixed, weights, tmp_path):
    settings = {"work_dirs": tmp_path, "data_root": mixed}
    several = {"train_dataloader.batch_size": 4, "test_dataloader.batch_size": 4}
    options = NARROW | several | here("train_dataloader") | here("test_dataloader")
    remedies = r"different sizes in one batch.*accumulative_counts.*SameSizeBatches"
    with pytest.raises(UserError, match=remedies) as caught:
        evaluate(experiments.get(NET), weights=weights, options=options, **settings)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=remedies):
        train(experiments.get(NET), start=[weights], options=options, **settings)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_training_on_batches_of_one_size_resumes_bit_for_bit(
    mixed, card, weights, tmp_path, monkeypatch, dismiss_workers, workers
):
    loaders = {"train_dataloader.num_workers": workers, "train_dataloader.persistent_workers": workers > 0}
    options = NARROW | loaders | {"model.backbone.dropout": 0.5, "default_hooks.checkpoint.interval": 2}
    options |= {"train_cfg.max_iters": 6, "train_cfg.val_interval": 100, "optim_wrapper.optimizer.lr": 0.001}
    seen: list[list[str]] = []

    def run(folder: str, stop_before: int | None = None) -> str:
        """Train what is left, or until Ctrl-C is pressed; gives the digest of the weights."""
        seen.clear()
        original = FCN.train_step

        def step(self: FCN, data: dict, *args: Any, **kwargs: Any) -> Any:
            if len(seen) + 1 == stop_before:
                raise KeyboardInterrupt
            seen.append([sample.img_id for sample in data["data_samples"]])
            return original(self, data, *args, **kwargs)

        try:
            with monkeypatch.context() as patched:
                patched.setattr(FCN, "train_step", step)
                path = train(card, work_dirs=tmp_path / folder, data_root=mixed, start=[weights], options=options)
        finally:
            dismiss_workers()
        return store.load(path).sha256

    whole, order = run("whole"), list(seen)
    assert all(len(ids) == 3 for ids in order) and len({tuple(ids) for ids in order}) > 1
    with pytest.raises(KeyboardInterrupt):
        run("parts", stop_before=6)
    random.seed(99)
    torch.manual_seed(99)
    assert find_checkpoints(tmp_path / "parts" / card.name)[-1].name == "iter_4.pth"
    assert run("parts") == whole
    assert seen == order[4:], "the batches that were trained on before are not met again"


# the loss's reduction, and which parameters learn twice as fast and do not decay
RECIPES: dict[str, tuple[str, Callable[[str], bool]]] = {
    "voc2011/fcn32s_vgg16_cvpr": ("mean", lambda name: name.endswith("bias")),
    "voc2011/fcn32s_alexnet": ("mean", lambda name: name.endswith("score_fr.bias")),
    "voc2011/fcn32s_vgg16": ("sum", lambda name: name.endswith("bias")),
}


@pytest.mark.parametrize("name", RECIPES)
def test_an_accumulated_step_is_caffes_with_iter_size(mixed, name):
    """The mean of the single images' gradients, whether their losses are means or sums over pixels.

    Caffe divides what it has added up by iter_size, and then adds the decay (SGDSolver::Normalize, then Regularize);
    mmengine divides each loss by accumulative_counts, which is the same.
    """
    reduction, twice_without_decay = RECIPES[name]
    rate, decay = 1.0, 5e-4  # at the recipe's rate an update would drown in the rounding of the weights
    options = NARROW | {"optim_wrapper.accumulative_counts": COUNTS, "optim_wrapper.optimizer.lr": rate}
    config = load_config(experiments.get(name), options)
    assert config.model.decode_head.loss.reduction == reduction
    config.val_dataloader.dataset.ann_file = str(LISTS / "val.txt")
    net = build(config)
    images = 2 * batches(config, mixed, 1)
    assert len(images) == COUNTS and len({data["inputs"][0].shape for data in images}) > 1
    before = {key: parameter.detach().double() for key, parameter in net.named_parameters()}
    summed = gradient(deepcopy(net), [net.data_preprocessor(deepcopy(data), True) for data in images])

    optim_wrapper = build_optim_wrapper(net, config.optim_wrapper)
    net.train()
    for taken, data in enumerate(images, start=1):
        net.train_step(data, optim_wrapper)
        unmoved = all(torch.equal(parameter.double(), before[key]) for key, parameter in net.named_parameters())
        assert unmoved == (taken < COUNTS), "one update, after the last image"
    for key, parameter in net.named_parameters():
        if key not in summed:
            assert torch.equal(parameter.double(), before[key])
            continue
        rate_mult, decay_mult = (2, 0) if twice_without_decay(key) else (1, 1)
        update = rate * rate_mult * (summed[key] / COUNTS + decay * decay_mult * before[key])
        assert close(before[key] - parameter.double(), update, 1e-4), key
