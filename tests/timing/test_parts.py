"""The parts of a run in images per second, so that the slowest is known: loader, net, scorer; and a training loop."""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mmengine.device import get_device
from mmengine.runner import Runner
from torch import Tensor
from torch.backends import cudnn

import repro.confusion
from repro import experiments
from repro.confusion import ConfusionMatrix, confusion_matrix
from repro.runner import build_runner
from repro.settings import load_config
from repro.timing.case import random_images
from repro.timing.device import use_precision
from repro.timing.nets import build_step, forward

from .conftest import TINY
from .test_loader import DISTINCT, PULLED, SIZE, pull, stream, voc  # noqa: F401  its fixtures

NET = "voc2011/fcn8s_vgg16"
CLASSES = 21
SCORED = 16  # images a trial
STEPS = 40  # a trial of the training loop
ROUNDS = 5


def draw_pairs(count: int, size: tuple[int, int], device: str) -> list[tuple[Tensor, Tensor]]:
    """Truths, a tenth of them void, and predictions, each (1, H, W), of so many images."""
    generator = torch.Generator().manual_seed(0)
    truths = torch.randint(CLASSES, (count, 1, *size), generator=generator)
    truths[torch.rand(truths.shape, generator=generator) < 0.1] = 255
    predictions = torch.randint(CLASSES, truths.shape, generator=generator)
    return list(zip(truths.to(device), predictions.to(device), strict=True))


def score(pairs: list[tuple[Tensor, Tensor]]) -> ConfusionMatrix:
    """The metric after it has seen so many images, as an evaluation hands them over."""
    metric = ConfusionMatrix({"semantic": CLASSES})
    for index, (truth, predicted) in enumerate(pairs):
        sample = {"img_id": str(index), "gt_sem_seg": {"data": truth}, "pred_sem_seg": {"data": predicted}}
        metric.process({}, [sample])
    return metric


@pytest.mark.parametrize("part", ["forward", "update"])
def test_net(timing, build, part, device, measuring):
    height, width = SIZE if measuring else TINY
    settings = {"precision": "fp32", "mode": "eager", "images": 1, "height": height, "width": width}
    with use_precision("fp32"), timing(part, **settings) as case:
        net, inputs = build(NET), random_images(1, height, width, device=device)
        run = build_step(net, NET, "fp32", inputs[0]) if part == "update" else forward(net)
        assert case.measure({"images": run}, inputs, rounds=ROUNDS, warmup=1).isfinite().all()


def test_scorer(timing, device, measuring):
    height, width = SIZE if measuring else TINY
    with timing("scorer", images=SCORED, height=height, width=width) as case:
        batches = [draw_pairs(SCORED, (height, width), device) for _ in range(2)]
        metric = case.measure({"images": score}, batches)
        assert len(metric.results) == SCORED


@pytest.mark.parametrize(("workers", "cache"), [(0, False), (1, False), (2, False), (0, True)])
def test_loader(timing, stream, workers, cache):  # noqa: F811
    with timing("loader", images=PULLED, workers=workers, cache="yes" if cache else "no") as case:
        batches = stream(workers, cache=cache)
        pull(batches, 4 * DISTINCT)  # processes have started, a cache is filled
        case.measure({"images": lambda given: pull(given, PULLED)}, [batches], rounds=ROUNDS, warmup=1)


@pytest.fixture
def flags() -> Iterator[None]:
    """A Runner makes torch deterministic; what is timed after it must not be."""
    before = torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark
    yield
    torch.use_deterministic_algorithms(before[0])
    cudnn.deterministic, cudnn.benchmark = before[1:]


@pytest.mark.usefixtures("flags")
def test_training_loop(timing, drawn, device, measuring, tmp_path):
    """The sample's FCN-32s, an eighth as wide, under the Runner that `repro train` builds, with all its hooks."""
    if not get_device().startswith(device):
        pytest.skip(f"a Runner takes {get_device()} where there is one: hide it with CUDA_VISIBLE_DEVICES=")
    steps = STEPS if measuring else 2
    with timing("training_loop", images=steps) as case:
        folders = [tmp_path / str(trial) for trial in range(1 + ROUNDS)]
        runner = case.measure(
            {"images": train}, folders, rounds=ROUNDS, warmup=1, prepare=lambda folder: prepare(folder, drawn, steps)
        )
        assert runner.iter == steps


def prepare(folder: Path, data: Path, steps: int) -> Runner:
    """A Runner with everything built, about to take its first step."""
    experiment = experiments.get("sample/fcn32s_vgg16")
    config = load_config(experiment, {"train_cfg.max_iters": steps}, seed=0, data_root=data)
    return build_runner(config, experiment, folder, "none", "train")


def train(runner: Runner) -> Runner:
    runner.train()
    return runner


def count_by_products(truth: Tensor, predicted: Tensor, num_classes: int) -> Tensor:
    """The confusion matrix as a product of one-hot matrices: the way without `bincount`."""
    labelled = truth < num_classes
    rows, columns = (
        torch.nn.functional.one_hot(ids[labelled], num_classes).double() for ids in (truth, predicted)
    )  # (pixels, classes)
    return (rows.T @ columns).long()


def test_bincount_is_faster_than_a_product_of_one_hot_matrices(device):
    """Both give the same counts; the ratio is taken pair by pair in one run."""
    (pair,) = draw_pairs(1, (375, 500), device)
    ratios = []
    for _ in range(7):
        started = time.perf_counter()
        found = confusion_matrix(*pair, CLASSES).cpu()  # which waits for the device
        between = time.perf_counter()
        expected = count_by_products(*pair, CLASSES).cpu()
        ratios.append((time.perf_counter() - between) / (between - started))
    assert torch.equal(found, expected)
    assert statistics.median(ratios) > 1


def test_the_scorer_counts_where_the_scores_lie(device, monkeypatch):
    """Of an image only the matrix leaves the device: what is counted is no copy of the labels, on a CPU neither."""
    counted = []

    def spy(truth: Tensor, predicted: Tensor, classes: int) -> Tensor:
        counted.append((truth.device.type, predicted.device.type, predicted.data_ptr()))
        return confusion_matrix(truth, predicted, classes)

    monkeypatch.setattr(repro.confusion, "confusion_matrix", spy)
    ((truth, predicted),) = pairs = draw_pairs(1, (33, 47), device)
    score(pairs)
    assert counted == [(truth.device.type, predicted.device.type, predicted.data_ptr())]
    assert predicted.device.type == torch.device(device).type
