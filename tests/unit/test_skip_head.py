"""The skip head: what it computes, written out by hand; and scores of the image's size for every net and every size."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from repro.models import FCN, VGG16, CaffeNet, GoogLeNet, PixelSoftmaxLoss, SkipHead
from repro.models.googlenet import Inception
from repro.models.skip_head import crop
from repro.models.trunk import Trunk
from repro.models.upsample import Upsample
from repro.weights.store import Weights, hand_on

FUSE = {
    VGG16: ("pool4", "pool3", "pool2", "pool1"),
    CaffeNet: ("pool2", "pool1"),
    GoogLeNet: ("pool3", "pool2", "pool1"),
}
NETS: list[tuple[type[Trunk], int, dict]] = [
    (trunk, depth, {}) for trunk, maps in FUSE.items() for depth in range(len(maps) + 1)
]
NETS += [(GoogLeNet, depth, {"padding": 100}) for depth in range(4)]
each_net = pytest.mark.parametrize(
    ("trunk", "depth", "options"),
    NETS,
    ids=[f"{trunk.__name__}-{depth}{'-padded' * bool(options)}" for trunk, depth, options in NETS],
)


def fcn(trunk: type[Trunk] = VGG16, depth: int = 0, seed: int = 0, fuse=None, backbone=None, **head) -> FCN:
    """A net of a 16th of the width with random score layers."""
    torch.manual_seed(seed)
    net = FCN(
        backbone=dict(type=trunk, width=1 / 16) | (backbone or {}),
        decode_head=dict(
            type=SkipHead,
            num_classes=5,
            fuse=FUSE[trunk][:depth] if fuse is None else fuse,
            loss=dict(type=PixelSoftmaxLoss, reduction="sum"),
        )
        | head,
    )
    torch.manual_seed(seed)  # whatever the layers before them have drawn
    for name, layer in net.decode_head.named_children():
        if name.startswith("score_") and isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight)
            nn.init.normal_(layer.get_parameter("bias"))
    return net.eval()


def image(height: int, width: int, seed: int = 1) -> Tensor:
    return 50 * torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(seed))


def deconvolve(scores: Tensor, factor: int) -> Tensor:
    """Bilinear upsampling by an even factor, written out."""
    ramp = [(i + 0.5) / factor for i in range(factor)]
    line = torch.tensor(ramp + ramp[::-1])
    kernel = (line[:, None] * line).expand(scores.shape[1], 1, -1, -1)
    return functional.conv_transpose2d(scores, kernel, stride=factor, groups=scores.shape[1])


def window(x: Tensor, offset: int, like: Tensor) -> Tensor:
    return x[..., offset : offset + like.shape[-2], offset : offset + like.shape[-1]]


def close(found: Tensor, expected: Tensor) -> None:
    """Equal to 1e-6 of the largest score."""
    assert expected.abs().max() > 0
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()


def successor(net: FCN, depth: int) -> FCN:
    """The finer net of the chain as training starts it: handed-on weights, and new score layers at zero."""
    torch.manual_seed(99)
    finer = FCN(
        backbone=dict(type=VGG16, width=1 / 16),
        decode_head=dict(
            type=SkipHead,
            num_classes=5,
            fuse=FUSE[VGG16][:depth],
            loss=dict(type=PixelSoftmaxLoss, reduction="sum"),
        ),
    )
    hand_on(Weights(net.state_dict()), finer, "the coarser net")
    return finer.eval()


@torch.no_grad()
def test_32s_is_one_bilinear_upsampling():
    net, x = fcn(depth=0), image(61, 90)
    coarse = net.decode_head.score_fr(net.backbone(x)["fc7"])
    close(net(x), window(deconvolve(coarse, 32), 19, x))


@torch.no_grad()
def test_16s_begins_as_32s_upsampled_in_two_steps():
    net, x = fcn(depth=0), image(61, 90)
    coarse = net.decode_head.score_fr(net.backbone(x)["fc7"])
    close(successor(net, 1)(x), window(deconvolve(deconvolve(coarse, 2), 16), 27, x))


@torch.no_grad()
def test_16s_adds_the_score_of_pool4():
    net, x = fcn(depth=1), image(61, 90)
    maps, head = net.backbone(x), net.decode_head
    up2 = deconvolve(head.score_fr(maps["fc7"]), 2)
    fused = up2 + window(head.get_submodule("score_pool4")(maps["pool4"]), 5, up2)
    close(net(x), window(deconvolve(fused, 16), 27, x))


@torch.no_grad()
def test_8s_begins_as_16s_upsampled_in_two_steps():
    net, x = fcn(depth=1), image(61, 90)
    maps, head = net.backbone(x), net.decode_head
    up2 = deconvolve(head.score_fr(maps["fc7"]), 2)
    fused = up2 + window(head.get_submodule("score_pool4")(maps["pool4"]), 5, up2)
    close(successor(net, 2)(x), window(deconvolve(deconvolve(fused, 2), 8), 31, x))


@torch.no_grad()
@pytest.mark.parametrize("scales", [{}, {"pool4": 0.01, "pool3": 0.0001}, {"pool3": 0.5}])
def test_8s_adds_the_scores_of_pool4_and_pool3_with_their_maps_scaled(scales):
    net, x = fcn(depth=2, scales=scales), image(61, 90)
    maps, head = net.backbone(x), net.decode_head
    up2 = deconvolve(head.score_fr(maps["fc7"]), 2)
    score4 = head.get_submodule("score_pool4")(maps["pool4"] * scales.get("pool4", 1))
    up_pool4 = deconvolve(up2 + window(score4, 5, up2), 2)
    score3 = head.get_submodule("score_pool3")(maps["pool3"] * scales.get("pool3", 1))
    close(net(x), window(deconvolve(up_pool4 + window(score3, 9, up_pool4), 8), 31, x))


def test_scales_are_no_parameters():
    plain, scaled = fcn(depth=2), fcn(depth=2, scales={"pool4": 0.01})
    assert plain.state_dict().keys() == scaled.state_dict().keys()


@pytest.mark.parametrize("depth", range(5))
@pytest.mark.parametrize("learned", [False, True])
def test_every_fusion_has_an_upsampling_of_its_own_and_only_the_last_is_always_fixed(depth, learned):
    layers = [m for m in fcn(depth=depth, learned_upsampling=learned).modules() if isinstance(m, Upsample)]
    assert sorted(layer.weight.requires_grad for layer in layers) == [False] + [learned] * depth


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_net_with_learned_upsampling_begins_equal_to_the_fixed_one(depth):
    x = image(40, 33)
    with torch.no_grad():
        close(fcn(depth=depth, learned_upsampling=True)(x), fcn(depth=depth)(x))


def test_layers_carry_the_released_nets_names():
    names = [[name for name, _ in fcn(depth=depth).decode_head.named_children()] for depth in range(3)]
    assert [sorted(set(found) - {"loss"}) for found in names] == [
        ["score_fr", "upscore"],
        ["score_fr", "score_pool4", "upscore16", "upscore2"],
        ["score_fr", "score_pool3", "score_pool4", "upscore2", "upscore8", "upscore_pool4"],
    ]


def test_score_layers_begin_at_zero():
    net = FCN(
        backbone=dict(type=VGG16, width=1 / 64),
        decode_head=dict(
            type=SkipHead, num_classes=2, fuse=("pool4",), loss=dict(type=PixelSoftmaxLoss, reduction="sum")
        ),
    ).eval()
    assert not net(image(20, 20)).any()


SIZES = [
    (1, 1),
    (1, 70),
    (47, 1),
    (2, 3),
    (30, 30),
    (31, 31),
    (32, 32),
    (33, 33),
    (31, 32),
    (62, 63),
    (64, 95),
    (97, 50),
]


@each_net
@torch.no_grad()
def test_scores_have_the_size_of_the_image(trunk, depth, options):
    net = fcn(trunk, depth, backbone={"width": 1 / 64} | options)
    for height, width in SIZES:
        found = net(image(height, width))
        assert found.shape == (1, 5, height, width)
        assert found.isfinite().all()


@each_net
def test_no_size_leaves_a_crop_short_of_its_map(trunk, depth, options):
    """Arithmetic on one axis, from the layers' own size formulas, for every size up to 700 pixels."""
    net = fcn(trunk, depth, backbone={"width": 1 / 64} | options)
    head = net.decode_head
    for size in range(1, 701):
        maps = map_sizes(net.backbone, size)
        reached = maps[head.top]
        for name, _, upscore, offset in head.steps:
            up, fine = upsampled(head.get_submodule(upscore), reached), maps[name] - offset
            reached = min(up, fine)
            assert reached >= 1, (size, name)
            assert up - reached <= (trunk is GoogLeNet), (size, name)  # else the finer map covers the upsampled one
        assert head.image_crop + size <= upsampled(head.get_submodule(head.last_upscore), reached), size


def upsampled(layer: nn.Module, size: int) -> int:
    assert isinstance(layer, Upsample)
    return layer.stride[0] * (size - 1) + layer.kernel_size[0]


def map_sizes(trunk: Trunk, size: int) -> dict[str, int]:
    """Lengths of the trunk's maps for an image of `size` pixels: floor for convolutions, ceiling for pools."""
    reached, size = {}, max(size, trunk.smallest_input)
    for name, layer in trunk.named_children():
        if isinstance(layer, nn.Conv2d):
            size = (size + 2 * int(layer.padding[0]) - layer.kernel_size[0]) // layer.stride[0] + 1
        elif isinstance(layer, nn.MaxPool2d):
            kernel, stride = layer.kernel_size, layer.stride
            assert isinstance(kernel, int) and isinstance(stride, int)
            size = -((kernel - size) // stride) + 1  # as long as a window starts inside the map
        else:
            assert isinstance(layer, (nn.ReLU, nn.LocalResponseNorm, nn.Dropout, Inception))
        reached[name] = size
    return {output: reached[name] for output, name in trunk.outputs.items()}


@pytest.mark.parametrize("trunk", FUSE)
def test_the_arithmetic_is_torchs(trunk):
    with torch.device("meta"):
        net = trunk(width=1 / 64)
        for size in [*range(1, 70), *range(98, 702, 31)]:
            maps = net(torch.empty(1, 3, size, size))
            assert {name: found.shape[-1] for name, found in maps.items()} == map_sizes(net, size), size


@torch.no_grad()
@pytest.mark.parametrize("depth", range(4))
@pytest.mark.parametrize(("height", "width"), [(1, 1), (30, 17), (12, 90), (40, 30)])
def test_small_images_are_padded_right_and_bottom_for_googlenet(depth, height, width):
    net, x = fcn(GoogLeNet, depth), image(height, width)
    padded = functional.pad(x, (0, max(0, 31 - width), 0, max(0, 31 - height)))
    assert torch.equal(net(x), net(padded)[..., :height, :width])


def test_googlenet_needs_31_pixels_and_no_more():
    plain = nn.Sequential(*GoogLeNet(width=1 / 64).children())
    assert plain(image(31, 31)).shape[-2:] == (1, 1)
    for height, width in ((30, 31), (31, 30)):
        with pytest.raises(RuntimeError, match="too small"):
            plain(image(height, width))


def test_an_unknown_map_is_an_error_that_names_the_known_ones():
    with pytest.raises(ValueError, match=r"no map pool9; it has pool1, pool2, pool3, pool4, fc7"):
        fcn(fuse=("pool4", "pool9"))


def test_maps_are_fused_from_coarse_to_fine():
    with pytest.raises(ValueError, match="stride 8 cannot be upsampled to 16: maps are fused coarse to fine"):
        fcn(fuse=("pool3", "pool4"))


@pytest.mark.parametrize("name", ["pool3", "fc7", "pool9"])
def test_a_scale_that_would_do_nothing_is_an_error(name):
    with pytest.raises(ValueError, match=f"not on {name}"):
        fcn(fuse=("pool4",), scales={name: 0.1})


def test_a_crop_takes_the_window_at_its_offset():
    x = torch.arange(5 * 7).reshape(1, 1, 5, 7)
    assert torch.equal(crop(x, 2, (3, 4)), x[..., 2:5, 2:6])
    assert torch.equal(crop(x, 0, (5, 7)), x)


@pytest.mark.parametrize(("offset", "size"), [(2, (4, 4)), (2, (3, 6)), (6, (1, 1))])
def test_a_crop_never_leaves_the_map(offset, size):
    with pytest.raises(ValueError, match="leaves a map of 5x7"):
        crop(torch.zeros(1, 1, 5, 7), offset, size)
