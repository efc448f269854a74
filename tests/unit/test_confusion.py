"""The scorer against two other ways of counting, and with the work shared by two processes."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from repro.confusion import ConfusionMatrix, confusion_matrix
from repro.metrics import scores

CLASSES = {"semantic": 5, "geometric": 3}
FIELDS = {"semantic": ("gt_sem_seg", "pred_sem_seg"), "geometric": ("gt_geo_seg", "pred_geo_seg")}


def counted_slowly(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    matrix = np.zeros((classes, classes), np.int64)
    for true, found in zip(truth.ravel().tolist(), predicted.ravel().tolist(), strict=True):
        if true < classes:
            matrix[true, found] += 1
    return matrix


def sample(number: int, heads: tuple[str, ...] = ("semantic",)) -> SegDataSample:
    """An image's sample: labels of any size with void, predictions that are often right."""
    rng = np.random.default_rng(number)
    height, width = rng.integers(3, 12, 2)
    found = SegDataSample(metainfo={"img_id": f"image{number:02}"})
    for head in heads:
        truth = rng.integers(0, CLASSES[head], (1, height, width))
        predicted = np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, CLASSES[head], truth.shape))
        truth[rng.random(truth.shape) < 0.2] = 255
        for name, values in zip(FIELDS[head], (truth, predicted), strict=True):
            found.set_field(PixelData(data=torch.from_numpy(values)), name, dtype=PixelData)
    return found


def expected(numbers: range, head: str = "semantic") -> np.ndarray:
    total = np.zeros((CLASSES[head], CLASSES[head]), np.int64)
    for number in numbers:
        item = sample(number, ("semantic", "geometric")[: 1 if head == "semantic" else 2])
        truth, predicted = (item.get(name).data.numpy() for name in FIELDS[head])
        total += counted_slowly(truth, predicted, CLASSES[head])
    return total


def evaluated(samples: list[SegDataSample], size: int, batch: int = 1, heads: tuple[str, ...] = ("semantic",)):
    metric = ConfusionMatrix({head: CLASSES[head] for head in heads})
    evaluator = Evaluator(metric)
    for first in range(0, len(samples), batch):
        evaluator.process(data_samples=samples[first : first + batch], data_batch=None)
    return metric, evaluator.evaluate(size)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_counts_agree_with_a_loop_and_with_numpy(dtype):
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 21, (2, 40, 60))
    truth[rng.random(truth.shape) < 0.1] = 255
    matrix = confusion_matrix(torch.from_numpy(truth).to(dtype), torch.from_numpy(predicted).to(dtype), 21).numpy()
    np.testing.assert_array_equal(matrix, counted_slowly(truth, predicted, 21))
    bins = np.histogram2d(truth.ravel(), predicted.ravel(), bins=[np.arange(22), np.arange(22)])[0]
    np.testing.assert_array_equal(matrix[:, :20], bins[:, :20])  # numpy's last bin is closed on both sides
    assert matrix.dtype == np.int64 and matrix.sum() == (truth != 255).sum()


def test_the_last_class_and_nothing_but_void():
    matrix = confusion_matrix(torch.tensor([[20, 255]]), torch.tensor([[0, 20]]), 21)
    assert matrix[20, 0] == 1 and matrix.sum() == 1
    for void in (21, 254, 255):
        assert confusion_matrix(torch.full((4, 4), void), torch.zeros(4, 4), 21).sum() == 0


@pytest.mark.parametrize("batch", [1, 4])
def test_the_metric_sums_over_images_of_any_size(batch):
    metric, numbers = evaluated([sample(number) for number in range(9)], 9, batch)
    np.testing.assert_array_equal(metric.confusions["semantic"].total(), expected(range(9)))
    found = scores(expected(range(9)))
    assert numbers == pytest.approx(
        {name: 100 * getattr(found, name) for name in ("pixel_acc", "mean_acc", "mean_iu", "fw_iu")}
    )
    assert metric.confusions["semantic"].ids == [f"image{number:02}" for number in range(9)]
    row = metric.confusions["semantic"].by_image().toarray()[4].reshape(5, 5)
    np.testing.assert_array_equal(row, expected(range(4, 5)))


def test_two_heads_are_counted_apart():
    heads = ("semantic", "geometric")
    metric, numbers = evaluated([sample(number, heads) for number in range(5)], 5, heads=heads)
    np.testing.assert_array_equal(metric.confusions["geometric"].total(), expected(range(5), "geometric"))
    assert metric.confusions["semantic"].total().shape == (5, 5)
    assert len(numbers) == 8 and numbers["geometric_mean_iu"] != numbers["mean_iu"]


def test_the_rule_for_absent_classes_is_the_configs():
    item = SegDataSample(metainfo={"img_id": "one"})
    truth, predicted = torch.zeros(1, 2, 2, dtype=torch.long), torch.tensor([[[0, 0], [0, 1]]])
    for name, values in zip(FIELDS["semantic"], (truth, predicted), strict=True):
        item.set_field(PixelData(data=values), name, dtype=PixelData)
    found = {}
    for absent in ("present", "union"):
        evaluator = Evaluator(ConfusionMatrix({"semantic": 5}, absent=absent))
        evaluator.process(data_samples=[item], data_batch=None)
        found[absent] = evaluator.evaluate(1)["mean_iu"]
    assert found == pytest.approx({"present": 75, "union": 37.5})


def _one_of_two(rank: int, images: int, folder: str) -> None:
    os.environ |= {"MASTER_ADDR": "localhost", "RANK": str(rank), "WORLD_SIZE": "2"}
    store = torch.distributed.FileStore(f"{folder}/store", 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    mine = list(DefaultSampler(range(images), shuffle=False))
    metric, numbers = evaluated([sample(number) for number in mine], images)
    totals = {name: counted.total() for name, counted in metric.confusions.items()}
    Path(folder, f"{rank}.pickle").write_bytes(pickle.dumps((mine, totals, numbers)))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("images", [7])
def test_two_processes_count_what_one_counts(tmp_path, images):
    """The sampler pads an odd number of images, so that one is evaluated twice; it counts once."""
    torch.multiprocessing.spawn(_one_of_two, (images, str(tmp_path)), nprocs=2)
    (first, totals, numbers), (second, _, other_numbers) = (
        pickle.loads((tmp_path / f"{rank}.pickle").read_bytes()) for rank in (0, 1)
    )
    assert len(first) + len(second) == images + 1 and set(first) | set(second) == set(range(images))
    np.testing.assert_array_equal(totals["semantic"], expected(range(images)))
    assert numbers == other_numbers == evaluated([sample(number) for number in range(images)], images)[1]
