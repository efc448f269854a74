"""What the nets cost, counted: a guard that no noise of a machine touches.

The counts of torch's counter are compared with sums that are derived here from the printed layers of each net.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

import pytest
import torch
from channels import INCEPTIONS, VGG16_STAGES
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from repro.models.window import fast
from repro.timing.case import random_images
from repro.timing.nets import build_net, forward, in_mode
from repro.timing.work import Work, copy, count, count_forward, count_step, matrix_products, memory_needed

VGG16 = ("voc2011/fcn32s_vgg16", "voc2011/fcn16s_vgg16", "voc2011/fcn8s_vgg16")
SIDES = (250, 500, 750, 1000, 1500, 2000)
BORDER = 198  # the padding of 100 on both sides, less what a 3x3 convolution without padding takes


@dataclass
class Chain:
    """Layers one after another on a square map: its channels and side, and what came together so far."""

    channels: int
    side: int
    flop: int = 0
    bytes: int = 0

    def conv(self, out: int, kernel: int, stride: int = 1, padding: int = 0, groups: int = 1) -> "Chain":
        side = (self.side + 2 * padding - kernel) // stride + 1
        filters = kernel**2 * self.channels // groups * out
        self.flop += 2 * filters * side**2
        self._move(out, side, filters + out)
        return self

    def pool(self, kernel: int, stride: int, padding: int = 0) -> "Chain":
        self._move(self.channels, ceil((self.side + 2 * padding - kernel) / stride) + 1, 0)
        return self

    def upsample(self, kernel: int, stride: int) -> "Chain":
        """Bilinear, every channel alone."""
        self.flop += 2 * kernel**2 * self.channels * self.side**2
        self._move(self.channels, stride * (self.side - 1) + kernel, kernel**2 * self.channels)
        return self

    def aside(self, out: int) -> "Chain":
        """A 1x1 convolution whose result leaves the chain: a score, or a branch."""
        return Chain(self.channels, self.side).conv(out, 1)

    def _move(self, channels: int, side: int, weights: int) -> None:
        self.bytes += 4 * (self.channels * self.side**2 + weights + channels * side**2)
        self.channels, self.side = channels, side


def vgg16(side: int, fuse: int, channels: int = 3, classes: int = 21) -> tuple[int, int]:
    """FLOP and bytes of FCN-32s (fuse 0), 16s (1) or 8s (2): configuration D, conv1_1 padded by 100."""
    x, pools = Chain(channels, side), []
    for stage, layers in enumerate(VGG16_STAGES):
        for layer, width in enumerate(layers):
            x.conv(width, 3, padding=100 if stage == layer == 0 else 1)
        x.pool(2, 2)
        pools.append((x.channels, x.side))
    x.conv(4096, 7).conv(4096, 1).conv(classes, 1)
    for pool in ((), (3,), (3, 2))[fuse]:  # pool4, pool3
        x.upsample(4, 2)
        side_path = Chain(*pools[pool]).conv(classes, 1)
        x.flop, x.bytes = x.flop + side_path.flop, x.bytes + side_path.bytes
    x.upsample(*((64, 32), (32, 16), (16, 8))[fuse])
    return x.flop, x.bytes


def alexnet(side: int) -> int:
    """FLOP of FCN-AlexNet: CaffeNet, conv1 padded by 100."""
    x = Chain(3, side).conv(96, 11, stride=4, padding=100).pool(3, 2).conv(256, 5, padding=2, groups=2).pool(3, 2)
    x.conv(384, 3, padding=1).conv(384, 3, padding=1, groups=2).conv(256, 3, padding=1, groups=2).pool(3, 2)
    return x.conv(4096, 6).conv(4096, 1).conv(21, 1).upsample(63, 32).flop


def googlenet(side: int) -> int:
    """FLOP of FCN-GoogLeNet, with the classifier's own padding."""
    x = Chain(3, side).conv(64, 7, stride=2, padding=3).pool(3, 2).conv(64, 1).conv(192, 3, padding=1).pool(3, 2)
    for name, (one, three_reduce, three, five_reduce, five, projection) in INCEPTIONS.items():
        branches = [
            x.aside(one),
            x.aside(three_reduce).conv(three, 3, padding=1),
            x.aside(five_reduce).conv(five, 5, padding=2),
            x.aside(projection),
        ]
        x.flop += sum(branch.flop for branch in branches)
        x.channels = one + three + five + projection
        if name in ("3b", "4e"):
            x.pool(3, 2)
    return x.conv(21, 1).upsample(63, 32).flop


@pytest.mark.parametrize("side", [500, 333])
@pytest.mark.parametrize("fuse", [0, 1, 2])
def test_vgg16_costs_what_its_layers_do(fuse, side):
    work = count_forward(VGG16[fuse], 1, (side, side))
    assert (work.flop, work.bytes) == vgg16(side, fuse)


@pytest.mark.parametrize("side", [500, 333])
@pytest.mark.parametrize(
    ("experiment", "expected"), [("voc2011/fcn32s_alexnet", alexnet), ("voc2011/fcn32s_googlenet", googlenet)]
)
def test_the_other_trunks_cost_what_their_layers_do(experiment, expected, side):
    assert count_forward(experiment, 1, (side, side)).flop == expected(side)


def test_more_channels_and_streams_and_heads_cost_what_they_add():
    side, plain = 500, vgg16(500, 0, classes=40)[0]
    first_layer = 2 * 9 * 64 * (side + BORDER) ** 2  # of each input channel
    assert count_forward("nyudv2/fcn32s_rgbd", 1, (side, side)).flop == plain + first_layer
    upsampling = 2 * 64**2 * 40 * 16**2  # one for both streams
    assert count_forward("nyudv2/fcn32s_rgb_hha", 1, (side, side)).flop == 2 * plain - upsampling
    both, *alone = (
        count_forward(f"siftflow/fcn16s_{name}vgg16", 1, (side, side)).flop for name in ("", "semantic_", "geometric_")
    )
    assert both < 1.001 * max(alone), "the second head is nearly free"


def test_at_500x500_the_nets_cost_what_is_known():
    """181 GMAC in VGG16's trunk with the padding of 100 (conv1_1 to fc7)."""
    assert count_forward(VGG16[0], 1, (500, 500)).flop / 2e9 == pytest.approx(181, abs=0.5)


@pytest.mark.parametrize("subject", [*VGG16, "voc2011/fcn32s_alexnet", "nyudv2/fcn32s_rgbd", "nyudv2/fcn32s_rgb_hha"])
def test_nothing_grows_faster_than_the_pixels(subject):
    """A pixel costs less the larger the image, down to a constant; above it by no more than the padding explains."""
    works = {side: count_forward(subject, 1, (side, side)) for side in (*SIDES, 16_000)}
    weights = 4 * sum(weight.numel() for weight in build_net(subject, device="meta").parameters())  # read once an image
    pixel = {side: (work.flop / side**2, (work.bytes - weights) / side**2) for side, work in works.items()}
    for costs in zip(*pixel.values(), strict=True):
        assert all(smaller > larger for smaller, larger in pairwise(costs))
    for side in SIDES:
        explained = ((side + BORDER) / side) ** 2
        for cost, least in zip(pixel[side], pixel[16_000], strict=True):
            assert least < cost < 1.03 * explained * least, "up to the rounding of sizes"


def test_without_wide_padding_a_pixel_costs_the_same_at_every_size():
    """GoogLeNet: up to what the rounding to its grid of 32 pixels adds or takes."""
    pixel = {side: count_forward("voc2011/fcn32s_googlenet", 1, (side, side)).flop / side**2 for side in SIDES}
    for side in SIDES:
        assert pixel[side] == pytest.approx(pixel[2000], rel=16 / side)


@pytest.mark.parametrize("subject", [VGG16[2], "voc2011/fcn32s_alexnet", "voc2011/fcn32s_googlenet"])
def test_an_image_costs_no_more_in_a_batch(subject):
    alone, batch = (count_forward(subject, images, (250, 250)) for images in (1, 32))
    weights = 4 * sum(weight.numel() for weight in build_net(subject, device="meta").parameters())
    assert batch.flop == 32 * alone.flop
    assert batch.bytes == pytest.approx(32 * (alone.bytes - weights) + weights, rel=1e-3), "weights are read once"


def test_a_real_pass_costs_what_its_shapes_do():
    images = random_images(2, 45, 61, count=1)[0]
    net = build_net(VGG16[2], width=1 / 16)
    assert count(lambda: forward(net)(images)) == count_forward(VGG16[2], 2, (45, 61), width=1 / 16)
    half = count_forward(VGG16[2], 2, (45, 61), torch.bfloat16, width=1 / 16)
    whole = count_forward(VGG16[2], 2, (45, 61), width=1 / 16)
    assert half == Work(whole.flop, whole.bytes // 2, whole.largest_layer // 2)


def test_what_is_pointwise_moves_nothing():
    layers = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Dropout(), nn.MaxPool2d(2))
    work = count(lambda: layers(torch.zeros(1, 3, 9, 9)))
    conv, pool = 4 * (3 * 81 + 5 * 3 * 9 + 5 + 5 * 49), 4 * (5 * 49 + 5 * 9)
    assert work == Work(flop=2 * 49 * 5 * 27, bytes=conv + pool, largest_layer=conv)
    assert memory_needed(work) > 4 * (3 * 81 + 5 * 49)


def test_a_step_costs_nearly_three_passes():
    """The gradients of maps and of weights cost a pass each, but for the image's and those of fixed kernels."""
    side = 500
    image = Chain(3, side).conv(96, 11, stride=4, padding=100)
    fixed = Chain(21, 16).upsample(63, 32)
    forwards = count_forward("voc2011/fcn32s_alexnet", 1, (side, side))
    step = count_step("voc2011/fcn32s_alexnet", 1, (side, side))
    assert step.flop == 3 * forwards.flop - image.flop - fixed.flop
    parameters = build_net("voc2011/fcn32s_alexnet", device="meta").parameters()
    trained = 4 * sum(weight.numel() for weight in parameters if weight.requires_grad)
    assert 2 * forwards.bytes < step.bytes - 5 * trained < 4 * forwards.bytes


def test_on_a_known_size_fast_issues_few_operations_more():
    """What lies around the window is copied, and its places are known: a GPU launches each of these alone."""
    net = build_net(VGG16[2], device="meta", width=1 / 16)
    images = torch.empty(1, 3, 300, 300, device="meta")

    def operations(run: Callable[[torch.Tensor], object]) -> int:
        run(images)
        with DispatchCount() as found:
            run(images)
        return found.count

    assert operations(forward(fast(net))) < 5 * operations(forward(net))


class DispatchCount(TorchDispatchMode):
    """Counts the operations that torch dispatches."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


def test_fast_costs_less_than_the_net():
    images = torch.zeros(1, 3, 300, 300)
    net = build_net(VGG16[2], width=1 / 16)
    run, _ = in_mode(net, "fast", "fp32", images)
    run(images)  # knows the size from now on
    found = count(lambda: run(images))
    assert found.flop < 0.8 * count_forward(VGG16[2], 1, (300, 300), width=1 / 16).flop
    # on a CPU fc6 and fc7 are matrix products of another kind, which count too
    assert found.flop == count_forward(VGG16[2], 1, (300, 300), width=1 / 16, quick=True).flop


def test_peaks_count_what_they_do():
    halves, flop = matrix_products("cpu", "bf16", 64)
    half = halves["product"]
    assert half(None).dtype == torch.bfloat16 and flop == count(lambda: half(None)).flop == 2 * 64**3
    products, _ = matrix_products("cpu", "fp32", 64)
    expected = products.pop("product")(None)
    for product in products.values():
        torch.testing.assert_close(product(None).to_dense(), expected, rtol=1e-4, atol=1e-4)
    copied, size = copy("cpu", 4096)
    assert copied(None).numel() == 1024 and not copied(None).any() and size == 2 * 4096
