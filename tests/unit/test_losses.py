"""The pixel softmax loss against torch's own, and what void pixels do: nothing."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from repro.models import PixelSoftmaxLoss

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
REDUCTIONS = ["sum", "mean"]


def example(seed: int, void: float = 0.3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(2, 7, 9, 11, generator=generator, dtype=torch.float64)
    labels = torch.randint(7, (2, 9, 11), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < void] = 255
    return scores, labels


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("void", [0.0, 0.3, 0.97])
@pytest.mark.parametrize("seed", range(3))
def test_value_and_gradient_are_torchs(reduction, void, seed):
    scores, labels = example(seed, void)
    ours, theirs = (scores.clone().requires_grad_() for _ in range(2))
    loss = PixelSoftmaxLoss(reduction)(ours, labels)
    expected = functional.cross_entropy(theirs, labels, ignore_index=255, reduction=reduction)
    assert loss.shape == ()
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
    loss.backward()
    expected.backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-15)


def test_sum_and_mean_written_out():
    scores, labels = example(0)
    found = [
        -float(scores[n, :, y, x].log_softmax(dim=0)[labels[n, y, x]])
        for n in range(2)
        for y in range(9)
        for x in range(11)
        if labels[n, y, x] != 255
    ]
    assert float(PixelSoftmaxLoss("sum")(scores, labels)) == pytest.approx(sum(found), rel=1e-12)
    assert float(PixelSoftmaxLoss("mean")(scores, labels)) == pytest.approx(sum(found) / len(found), rel=1e-12)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_an_image_of_void_alone_costs_nothing(reduction):
    scores, labels = example(0, void=1.1)
    scores.requires_grad_()
    loss = PixelSoftmaxLoss(reduction)(scores, labels)
    loss.backward()
    assert float(loss.detach()) == 0
    assert scores.grad is not None and torch.equal(scores.grad, torch.zeros_like(scores))


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_void_pixels_neither_count_nor_learn(reduction):
    scores, labels = example(1)
    void = (labels == 255)[:, None].expand_as(scores)
    scores.requires_grad_()
    loss = PixelSoftmaxLoss(reduction)(scores, labels)
    loss.backward()
    assert scores.grad is not None and not scores.grad[void].any()
    assert scores.grad[~void].all()
    other = torch.where(void, -scores, scores)
    assert torch.equal(PixelSoftmaxLoss(reduction)(other, labels), loss)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_it_runs_in_deterministic_mode(reduction, device):
    scores, labels = (tensor.to(device) for tensor in example(2))
    scores.requires_grad_()
    torch.use_deterministic_algorithms(True)
    try:
        PixelSoftmaxLoss(reduction)(scores, labels).backward()
    finally:
        torch.use_deterministic_algorithms(False)
    assert scores.grad is not None and scores.grad.isfinite().all()


def test_another_reduction_is_refused():
    with pytest.raises(ValueError, match="'sum' or 'mean', not 'none'"):
        PixelSoftmaxLoss("none")  # type: ignore[arg-type]
