"""Our recipes' training steps against Caffe's, written down from its definition: the same updates and the same history.

For each parameter Caffe's SGD solver keeps a history V and takes, with its own multiples of the rate and of the decay,

    V <- momentum * V + rate * lr_mult * (gradient / iter_size + decay * decay_mult * W),    W <- W - V

where the gradient is summed over the iter_size images of an update. torch keeps its rate out of the history, which is
the same as long as the rate does not change: V is the rate times torch's buffer.

A small trunk stands for the real ones; all else is as the experiments' configs have it. In float64.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from repro import experiments
from repro.models.segmentor import FCN
from repro.models.trunk import Trunk
from repro.settings import load_config

STEPS = 20  # updates
SIZES = [(9, 14), (17, 11), (13, 13)]  # height, width; the updates take them in turn
MEAN = (104.00699, 116.66877, 122.67892)  # BGR
TOLERANCE = 1e-10

Arrays = dict[str, NDArray[np.float64]]  # by parameter
Images = tuple[Tensor, Tensor]  # of one update: (N, 3, H, W) in 0..255, and labels (N, H, W) with 255 for void


@pytest.fixture(autouse=True)
def scope():
    """What a runner sets from `default_scope`."""
    with DefaultScope.overwrite_default_scope("mmseg"):
        yield


class SmallTrunk(Trunk):
    """Three convolutions, then fc6 and fc7; stride 8, with a pool at stride 4 for a skip."""

    def __init__(self) -> None:
        layers = [
            ("conv3", nn.Conv2d(3, 4, 3, padding=20)),
            ("relu3", nn.ReLU(inplace=True)),
            ("pool3", nn.MaxPool2d(2, 2, ceil_mode=True)),
            ("conv4", nn.Conv2d(4, 6, 3, padding=1)),
            ("relu4", nn.ReLU(inplace=True)),
            ("pool4", nn.MaxPool2d(2, 2, ceil_mode=True)),
            ("conv5", nn.Conv2d(6, 8, 3, padding=1)),
            ("relu5", nn.ReLU(inplace=True)),
            ("pool5", nn.MaxPool2d(2, 2, ceil_mode=True)),
            ("fc6", nn.Conv2d(8, 10, 3)),
            ("relu6", nn.ReLU(inplace=True)),
            ("fc7", nn.Conv2d(10, 10, 1)),
            ("relu7", nn.ReLU(inplace=True)),
        ]
        super().__init__(layers, {"pool4": "pool4", "fc7": "relu7"})


@dataclass(frozen=True)
class Solver:
    """What a solver's prototxt and the `param`s of its net say.

    Attributes:
        mean: whether an image's loss is the mean over its labelled pixels, not the sum.
        fast_biases: the end of the names of those biases that have lr_mult 2 and decay_mult 0.
        resting: the beginnings of the names of parameters that have lr_mult 0.
    """

    rate: float
    momentum: float = 0.99
    decay: float = 5e-4
    iter_size: int = 1
    mean: bool = False
    fast_biases: str = "bias"
    resting: tuple[str, ...] = ("decode_head.upscore",)  # the paper learns the 2x ones, the release none

    def multiples(self, name: str) -> tuple[float, float]:
        """lr_mult and decay_mult of a parameter."""
        if name.startswith(self.resting):
            return 0, 0
        return (2, 0) if name.endswith(self.fast_biases) else (1, 1)


RECIPES = {
    "voc2011/fcn32s_vgg16": Solver(1e-10),
    "voc2011/fcn16s_vgg16": Solver(1e-12),
    "voc2011/fcn32s_fixed_vgg16": Solver(1e-10, resting=("backbone", "decode_head.upscore")),
    "voc2011/fcn16s_vgg16_cvpr": Solver(1e-6, 0.9, iter_size=20, mean=True, resting=("decode_head.upscore4",)),
    "voc2011/fcn32s_alexnet": Solver(1e-4, 0.9, iter_size=20, mean=True, fast_biases="score_fr.bias"),
}


def updates(count: int) -> Iterator[Images]:
    """The images of each update, `count` of them, of one size; images differ in how much of them is labelled."""
    generator = torch.Generator().manual_seed(1)
    for step in range(STEPS):
        size = SIZES[step % len(SIZES)]
        labels = torch.randint(21, (count, *size), generator=generator)
        labelled = torch.rand(count, 1, 1, generator=generator)
        labels[torch.rand(labels.shape, generator=generator) > labelled] = 255
        labels[:, 0, 0] = 0  # or a mean would be over nothing
        yield torch.randint(256, (count, 3, *size), generator=generator), labels


def build(name: str, options: dict[str, Any] | None = None) -> tuple[FCN, Any]:
    """The net of an experiment on the small trunk, with random weights in every layer, and the experiment's config."""
    config = load_config(experiments.get(name), options)
    config.model.backbone = dict(type=SmallTrunk)
    torch.manual_seed(0)
    net = MODELS.build(config.model).double()
    for key, parameter in net.named_parameters():
        if key.endswith("bias") or "decode_head.score_" in key:
            nn.init.normal_(parameter, std=0.1)
    return net, config


def values(net: nn.Module) -> Arrays:
    """A net's parameters, copied."""
    return {name: parameter.detach().numpy().copy() for name, parameter in net.named_parameters()}


def train_ours(name: str, options: dict[str, Any] | None = None) -> tuple[Arrays, Arrays]:
    """Train by our config; gives the updates since the start, and the rate times momentum of what is trained."""
    net, config = build(name, options)
    begin = values(net)
    optim_wrapper = build_optim_wrapper(net, config.optim_wrapper)
    optim_wrapper.initialize_count_status(net, 0, config.train_cfg.max_iters)  # as the runner does
    net.train()
    for images, labels in updates(RECIPES[name].iter_size):
        for image, label in zip(images, labels, strict=True):
            sample = SegDataSample(gt_sem_seg=PixelData(data=label[None]))
            net.train_step({"inputs": [image], "data_samples": [sample]}, optim_wrapper)
    rates = {id(value): group["lr"] for group in optim_wrapper.param_groups for value in group["params"]}
    states = optim_wrapper.optimizer.state
    history = {
        key: rates[id(value)] * states[value]["momentum_buffer"].numpy()
        for key, value in net.named_parameters()
        if value in states
    }
    return {key: value - begin[key] for key, value in values(net).items()}, history


@cache
def train_caffe(name: str) -> tuple[Arrays, Arrays]:
    """Train as Caffe does; gives the updates since the start and the history of every parameter."""
    net, _ = build(name)
    solver = RECIPES[name]
    weights = values(net)
    begin = {key: value.copy() for key, value in weights.items()}
    history = {key: np.zeros_like(value) for key, value in weights.items()}
    for images, labels in updates(solver.iter_size):
        gradients = summed_gradients(net, weights, images, labels, solver.mean)
        for key, weight in weights.items():
            lr_mult, decay_mult = solver.multiples(key)
            step = gradients[key] / solver.iter_size + solver.decay * decay_mult * weight
            history[key] = solver.momentum * history[key] + solver.rate * lr_mult * step
            weight -= history[key]
    return {key: value - begin[key] for key, value in weights.items()}, history


def summed_gradients(net: FCN, weights: Arrays, images: Tensor, labels: Tensor, mean: bool) -> Arrays:
    """The sum of the gradients of several images' losses, in one pass."""
    parameters = {key: torch.from_numpy(value).requires_grad_() for key, value in weights.items()}
    inputs = images - torch.tensor(MEAN, dtype=torch.float32)[:, None, None].double()
    scores = torch.func.functional_call(net, parameters, (inputs,))
    losses = functional.cross_entropy(scores, labels, ignore_index=255, reduction="none").sum(dim=(1, 2))
    if mean:
        losses = losses / (labels != 255).sum(dim=(1, 2))
    gradients = torch.autograd.grad(losses.sum(), list(parameters.values()))
    return {key: value.numpy() for key, value in zip(parameters, gradients, strict=True)}


def agree(found: tuple[Arrays, Arrays], expected: tuple[Arrays, Arrays], solver: Solver) -> bool:
    """Whether every trained parameter's update and history are the expected ones, and the others' updates are zero."""
    errors = []
    for key in expected[0]:
        trained = solver.multiples(key)[0] > 0
        if trained != (key in found[1]) or trained != found[0][key].any():
            print(f"{key} {'rests' if trained else 'trains'}")
            return False
        for ours, caffe in zip(found, expected, strict=True):
            if trained:
                errors.append(np.abs(ours[key] - caffe[key]).max() / np.abs(caffe[key]).max())
    worst = float(np.max(errors))  # NaN where one is
    print(f"relative error {worst:.1e}")
    return worst <= TOLERANCE


@pytest.mark.parametrize("name", RECIPES)
def test_twenty_updates_are_caffes(name):
    expected = train_caffe(name)
    for arrays in expected:
        assert all(value.any() == (RECIPES[name].multiples(key)[0] > 0) for key, value in arrays.items())
    assert agree(train_ours(name), expected, RECIPES[name])


# recipes that are not Caffe's
RATE, PARAMWISE = "optim_wrapper.optimizer.lr", "optim_wrapper.paramwise_cfg"
LOSS, LEARNED = "model.decode_head.loss.reduction", "model.decode_head.learned_upsampling"
WRONG: list[tuple[str, dict[str, Any]]] = [
    ("voc2011/fcn16s_vgg16", {RATE: 1.0001e-12}),
    ("voc2011/fcn16s_vgg16", {"optim_wrapper.optimizer.momentum": 0.9}),
    ("voc2011/fcn16s_vgg16", {"optim_wrapper.optimizer.dampening": 0.01}),
    ("voc2011/fcn16s_vgg16", {"optim_wrapper.optimizer.nesterov": True}),
    ("voc2011/fcn16s_vgg16", {"optim_wrapper.optimizer.weight_decay": 0}),
    ("voc2011/fcn16s_vgg16", {f"{PARAMWISE}.bias_lr_mult": 1}),
    ("voc2011/fcn16s_vgg16", {f"{PARAMWISE}.bias_decay_mult": 1}),
    ("voc2011/fcn16s_vgg16", {LOSS: "mean"}),
    ("voc2011/fcn16s_vgg16", {LEARNED: True}),
    ("voc2011/fcn16s_vgg16", {"model.freeze_backbone": True}),
    ("voc2011/fcn16s_vgg16_cvpr", {LEARNED: False}),
    ("voc2011/fcn32s_alexnet", {LOSS: "sum"}),
    ("voc2011/fcn32s_alexnet", {"optim_wrapper.accumulative_counts": 10}),
    ("voc2011/fcn32s_alexnet", {PARAMWISE: {"bias_lr_mult": 2, "bias_decay_mult": 0}}),
]


@pytest.mark.parametrize(("name", "options"), WRONG, ids=str)
def test_another_recipe_does_not_agree(name, options):
    assert not agree(train_ours(name, options), train_caffe(name), RECIPES[name])
