"""Patch sampling (Figure 5): whole cells of the coarsest map are left out, and on average nothing is lost."""

import math
from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from repro.models import FCN, VGG16, CaffeNet, GoogLeNet, PixelSoftmaxLoss, SkipHead
from repro.models.geometry import Geometry
from repro.models.trunk import Trunk

TRUNKS: dict[type[Trunk], dict] = {VGG16: {}, CaffeNet: {}, GoogLeNet: {"padding": 100}}
REDUCTIONS = ["sum", "mean"]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def example(seed: int, height: int = 45, width: int = 61, void: float = 0.3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(2, 5, height, width, generator=generator, dtype=torch.float64)
    labels = torch.randint(5, (2, height, width), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < void] = 255
    return scores, labels


def grid(stride: int, offset: int = 0) -> Geometry:
    return Geometry(Fraction(stride), Fraction(offset))


def net(trunk: type[Trunk], **loss) -> FCN:
    loss = dict(type=PixelSoftmaxLoss, reduction="mean") | loss
    return FCN(
        backbone=dict(type=trunk, width=1 / 64) | TRUNKS[trunk],
        decode_head=dict(type=SkipHead, num_classes=5, loss=loss),
    )


def draw(loss: PixelSoftmaxLoss, scores: Tensor, labels: Tensor, times: int) -> tuple[Tensor, Tensor]:
    """Losses of so many draws (times,), and by how much more than in the whole image's gradient each pixel counts."""
    scores = scores.clone().requires_grad_()
    (whole,) = torch.autograd.grad(PixelSoftmaxLoss(loss.reduction)(scores, labels), scores)
    losses, weights = [], []
    for _ in range(times):
        losses.append(loss(scores, labels))
        (sampled,) = torch.autograd.grad(losses[-1], scores)
        ratio = (sampled / whole).where(labels[:, None] != 255, 0)  # of every class, (N, classes, H, W)
        assert not sampled.masked_select(labels[:, None] == 255).any()
        assert (ratio - ratio[:, :1]).abs().max() < 1e-9, "all classes alike"
        weights.append(ratio[:, 0].round(decimals=9))
    return torch.stack(losses).detach(), torch.stack(weights)  # (times,), (times, N, H, W)


def peaks(trunk: type[Trunk], height: int, width: int) -> tuple[Tensor, Tensor]:
    """Which coarse cell each pixel (H, W) takes most from in upsampling, and whether no other gives as much."""
    coarse = net(trunk)
    top = coarse.decode_head.top
    rows, columns = coarse.extract_feat(torch.zeros(1, 3, height, width))[top].shape[-2:]
    cells = rows * columns  # each of them a class
    loss = dict(type=PixelSoftmaxLoss, reduction="sum")
    head = SkipHead(cells, loss, {top: cells}, {top: coarse.backbone.geometries()[top]})
    nn.init.eye_(head.score_fr.weight.data.view(cells, cells))
    with torch.no_grad():
        taken = head({top: torch.eye(cells).view(1, cells, rows, columns)}, (height, width))[0]
    first, second = taken.topk(2, dim=0).values
    return taken.argmax(dim=0), first > second


@pytest.mark.parametrize("sampled", [0.5, 0.25])
@pytest.mark.parametrize("trunk", TRUNKS)
def test_the_pixels_of_a_cell_count_together(trunk, sampled):
    """A cell's pixels are those to which upsampling brings more of its score than of any other's."""
    height, width = 150, 211
    cell, clear = peaks(trunk, height, width)
    assert clear.double().mean() > 0.9 and len(cell.unique()) > 20
    torch.manual_seed(0)
    _, weights = draw(net(trunk, sampled=sampled).decode_head.loss, *example(0, height, width, void=0), times=3)
    assert weights.unique().tolist() == [0, 1 / sampled]
    for image in weights.flatten(0, 1):
        for one in cell.unique():
            assert len(image[(cell == one) & clear].unique()) == 1, "a cell counts whole or not at all"


@pytest.mark.parametrize("sampled", [0.5, 0.25, 0.9])
def test_each_cell_of_each_image_is_kept_with_this_probability(sampled):
    """By itself: neither its neighbours nor the other image of the batch, nor the last draw, tell whether it is."""
    loss, times = PixelSoftmaxLoss("mean", sampled=sampled, cells=grid(8, 3)), 400
    torch.manual_seed(1)
    _, weights = draw(loss, *example(0, 41, 57, void=0), times=times)
    kept = (weights[:, :, 3::8, 3::8] > 0).double()
    assert kept.shape == (times, 2, 5, 7)
    variance = sampled * (1 - sampled)
    assert (kept.mean(dim=0) - sampled).abs().max() < 5 * math.sqrt(variance / times)
    kept = kept - sampled
    for dimension in range(4):
        length = kept.shape[dimension] - 1
        one, other = (kept.narrow(dimension, start, length) for start in (0, 1))
        correlation = (one * other).mean() / variance
        assert abs(correlation) < 5 / math.sqrt(one.numel())


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("sampled", [0.5, 0.25])
def test_loss_and_gradient_are_on_average_the_whole_images(reduction, sampled):
    """Also where cells at the edge are smaller, labels are void, and errors differ from cell to cell."""
    scores, labels = example(2)
    scores[:, :, :, :20] *= 3  # where the loss is larger
    labels[:, :12] = 255
    whole = float(PixelSoftmaxLoss(reduction)(scores, labels))
    times = 400
    torch.manual_seed(3)
    losses, weights = draw(PixelSoftmaxLoss(reduction, sampled=sampled, cells=grid(16, 5)), scores, labels, times)
    assert abs(losses.mean() - whole) < 5 * losses.std() / math.sqrt(times)
    assert losses.std() < whole, "or the bound above would bind nothing"
    assert (weights.mean(dim=0)[labels != 255] - 1).abs().max() < 5 * math.sqrt((1 / sampled - 1) / times)


@pytest.mark.parametrize("device", DEVICES)
def test_a_seed_decides_what_is_drawn(device):
    scores, labels = (tensor.to(device) for tensor in example(4))
    loss = PixelSoftmaxLoss("sum", sampled=0.5, cells=grid(8))
    torch.manual_seed(5)
    first, second = loss(scores, labels), loss(scores, labels)
    torch.manual_seed(5)
    again = loss(scores, labels)
    assert torch.equal(first, again) and not torch.equal(first, second)
    torch.manual_seed(5)
    here = loss.cpu()(*example(4))
    torch.testing.assert_close(first.cpu(), here, rtol=1e-12, atol=0)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_without_sampling_no_bit_changes_and_nothing_is_drawn(reduction):
    scores, labels = (tensor.float() if tensor.is_floating_point() else tensor for tensor in example(6))
    before = torch.get_rng_state()
    found = PixelSoftmaxLoss(reduction)(scores, labels)
    assert torch.equal(PixelSoftmaxLoss(reduction, sampled=1.0)(scores, labels), found)
    assert torch.equal(torch.get_rng_state(), before)
    plain = functional.cross_entropy(scores, labels, ignore_index=255, reduction="none").sum()
    assert torch.equal(found, plain if reduction == "sum" else plain / (labels != 255).sum())


@pytest.mark.parametrize("device", DEVICES)
def test_it_runs_in_deterministic_mode(device):
    scores, labels = (tensor.to(device) for tensor in example(7))
    scores.requires_grad_()
    torch.use_deterministic_algorithms(True)
    try:
        PixelSoftmaxLoss("mean", sampled=0.5)(scores, labels).backward()
    finally:
        torch.use_deterministic_algorithms(False)
    assert scores.grad is not None and scores.grad.isfinite().all()


@pytest.mark.parametrize("sampled", [0, -0.5, 1.5, math.nan])
def test_what_is_no_probability_is_refused(sampled):
    with pytest.raises(ValueError, match="sampled is a probability above 0, up to 1"):
        PixelSoftmaxLoss("mean", sampled=sampled)


def test_a_head_samples_on_its_coarsest_grid():
    """At 8s as at 32s: the cells are those of the final layer, not of the last map that is fused."""
    for fuse in ((), ("pool4", "pool3")):
        loss = dict(type=PixelSoftmaxLoss, reduction="sum", sampled=0.5)
        head = dict(type=SkipHead, num_classes=5, fuse=fuse, loss=loss)
        finer = FCN(backbone=dict(type=VGG16, width=1 / 64), decode_head=head)
        assert finer.decode_head.loss.cells == finer.backbone.geometries()["fc7"]
