"""Section 3.1: a net on a whole image against the same net on every crop, forward and backward.

AlexNet on crops of 227x227, alone and in batches; and the same weights, convolutional and without the padding of 100,
on 500x500, which gives a grid of 10x10. The naive way classifies the 100 crops that the grid stands for.
"""

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from repro.models.classifier import Classifier
from repro.models.trunk import Trunk
from repro.report.timing.rules import IN_SECTION3_1, NOT_PRINTED, crop_time_of
from repro.timing.case import SEED, random_images
from repro.timing.nets import config_of, dtype_of
from repro.timing.work import count
from repro.weights.convolutionalize import convolutionalize

CLASSES = 1000
CROP, IMAGE, GRID = 227, 500, 10
BATCH = 50


class Dense(nn.Module):
    """A classifier made convolutional: images (N, 3, H, W) -> scores (N, classes, ~H/32, ~W/32)."""

    def __init__(self, classifier: Classifier, trunk: Trunk) -> None:
        super().__init__()
        self.backbone = trunk
        self.classifier = nn.Conv2d(trunk.channels()[trunk.top], CLASSES, 1)
        self.load_state_dict(convolutionalize(classifier, trunk))

    def forward(self, images: Tensor) -> Tensor:
        return self.classifier(self.backbone(images)[self.backbone.top])


def build_pair(width: float) -> tuple[Classifier, Dense]:
    """AlexNet as a classifier with random weights, and the same made convolutional."""
    backbone = {**config_of("voc2011/fcn32s_alexnet", width).model.backbone, "padding": 0}
    torch.manual_seed(SEED)
    classifier = Classifier(backbone, CLASSES)
    last = classifier.layers[-1]
    assert isinstance(last, nn.Linear)
    nn.init.normal_(last.weight, std=0.01)  # a training begins at zero
    return classifier.eval(), Dense(classifier, MODELS.build(backbone)).eval()


@pytest.fixture
def nets(width: float, device: str) -> dict[str, nn.Module]:
    classifier, dense = build_pair(width)
    return {"crops_alone": classifier.to(device), "crops_batched": classifier, "dense": dense.to(device)}


@pytest.mark.parametrize("direction", ["forward", "backward"])
@pytest.mark.parametrize("subject", IN_SECTION3_1)
def test_section3_1(timing, nets, precision, subject, direction, device, measuring):
    batch = (BATCH if measuring else 2) if subject == "crops_batched" else 1
    side = IMAGE if subject == "dense" else CROP
    settings = {"precision": precision, "mode": "eager", "batch": batch, "height": side, "width": side}
    with timing(subject, direction=direction, **settings) as case:
        if measuring and precision == "fp32" and (subject, direction) != NOT_PRINTED:
            case.claims.append(crop_time_of(subject, direction)[0])
        dtype = dtype_of(precision)
        net = nets[subject].to(dtype)
        inputs = [images.to(dtype) for images in random_images(batch, side, side, device=device)]
        with torch.inference_mode():
            scores = net(inputs[0])
        assert scores.isfinite().all() and scores.std() > 0
        if subject == "dense":
            assert scores.shape == (1, CLASSES, GRID, GRID)
            case.work["grid"] = GRID
        run, prepare = forward(net) if direction == "forward" else backward(net)
        given = prepare(inputs[0])
        case.work["flop"] = count(lambda: run(given)).flop
        case.measure({direction: run}, inputs, prepare=prepare)


def forward(net: nn.Module) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    return torch.inference_mode()(net), lambda images: images


def backward(net: nn.Module) -> tuple[Callable[[Tensor], Any], Callable[[Tensor], Tensor]]:
    """The backward pass alone, to the gradients of all weights, and the forward pass that it needs before."""
    net.train()

    def scores(images: Tensor) -> Tensor:
        net.zero_grad()
        return net(images).sum()

    return torch.Tensor.backward, scores


def test_the_convolutional_net_gives_a_crop_the_classifier_s_scores():
    classifier, dense = build_pair(1 / 16)
    (crop,) = random_images(2, CROP, CROP, count=1)
    with torch.inference_mode():
        torch.testing.assert_close(dense(crop)[..., 0, 0], classifier(crop), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_the_whole_image_is_several_times_faster_than_its_crops():
    """By the count of operations 8 times; in time at least twice, on any machine, though the crops come in one batch.

    The nets are narrow, for speed.
    """
    classifier, dense = build_pair(1 / 4)
    crops, image = random_images(GRID**2, CROP, CROP, count=1)[0], random_images(1, IMAGE, IMAGE, count=1)[0]
    assert count(lambda: classifier(crops)).flop > 5 * count(lambda: dense(image)).flop

    def seconds(net: nn.Module, images: Tensor) -> float:
        started = time.perf_counter()
        net(images)
        return time.perf_counter() - started

    pairs = [(seconds(classifier, crops), seconds(dense, image)) for _ in range(3)]
    assert min(naive for naive, _ in pairs) > 2 * min(whole for _, whole in pairs)
