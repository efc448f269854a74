"""The coordinate map: the paper's numbers follow from the layers, and its closed form agrees with what units see."""

import random
from fractions import Fraction

import pytest
import torch
from torch import Tensor, nn

from repro.models import FCN, VGG16, CaffeNet, GoogLeNet, PixelSoftmaxLoss, SkipHead
from repro.models.geometry import IMAGE, Geometry, chain, convolution, deconvolution, parallel, trace, upsampling_kernel
from repro.models.upsample import Upsample, bilinear_kernel

FUSE = {
    VGG16: ("pool4", "pool3", "pool2", "pool1"),
    CaffeNet: ("pool2", "pool1"),
    GoogLeNet: ("pool3", "pool2", "pool1"),
}


def fcn(trunk, depth=0, device="meta", num_classes=21, **backbone) -> FCN:
    loss = dict(type=PixelSoftmaxLoss, reduction="sum")
    head = dict(type=SkipHead, num_classes=num_classes, fuse=FUSE[trunk][:depth], loss=loss)
    with torch.device(device):
        return FCN(backbone=dict(type=trunk, **backbone), decode_head=head)


def upsamplings(head: SkipHead) -> list[str]:
    """Kernel/stride of the deconvolutions, in order."""
    layers = [layer for layer in head.children() if isinstance(layer, Upsample)]
    return [f"{layer.kernel_size[0]}/{layer.stride[0]}" for layer in layers]


@pytest.mark.parametrize(
    ("trunk", "backbone", "depth", "kernels", "offsets"),
    [
        (VGG16, {}, 0, ["64/32"], [19]),
        (VGG16, {}, 1, ["4/2", "32/16"], [5, 27]),
        (VGG16, {}, 2, ["4/2", "4/2", "16/8"], [5, 9, 31]),
        (VGG16, {}, 3, ["4/2", "4/2", "4/2", "8/4"], [5, 9, 17, 33]),
        (VGG16, {}, 4, ["4/2", "4/2", "4/2", "4/2", "4/2"], [5, 9, 17, 33, 34]),
        (CaffeNet, {}, 0, ["63/32"], [18]),
        (GoogLeNet, {}, 0, ["63/32"], [1]),
        (GoogLeNet, {"padding": 100}, 0, ["63/32"], [98]),
    ],
)
def test_upsampling_kernels_and_crop_offsets(trunk, backbone, depth, kernels, offsets):
    head = fcn(trunk, depth, **backbone).decode_head
    assert upsamplings(head) == kernels
    assert [step[3] for step in head.steps] + [head.image_crop] == offsets


@pytest.mark.parametrize("more", range(1, 5))
def test_the_offset_at_the_image_follows_the_padding(more):
    head = fcn(VGG16, 2, padding=100 + more, width=1 / 64).decode_head
    assert [step[3] for step in head.steps] == [5, 9]
    assert head.image_crop == 31 + more


@pytest.mark.parametrize(
    ("trunk", "millions", "layers", "receptive_field", "with_pool"),
    [(CaffeNet, "56.95", 8, 355, 355), (VGG16, "134.35", 16, 404, 404), (GoogLeNet, "5.995", 22, 715, 907)],
)
def test_table_1s_numbers_of_the_nets(trunk, millions, layers, receptive_field, with_pool):
    net = fcn(trunk)
    trainable = sum(parameter.numel() for parameter in net.parameters() if parameter.requires_grad)
    assert f"{trainable / 1e6:.{len(millions.partition('.')[2])}f}" == millions
    top = net.backbone.geometries()[net.backbone.top]
    scored = top.then(trace(net.decode_head.score_fr))
    assert (scored.convolutions, scored.stride, scored.receptive_field) == (layers, 32, receptive_field)
    assert top.then(trace(net.backbone.classifier_pool[0])).receptive_field == with_pool


@pytest.mark.parametrize(
    ("trunk", "strides"),
    [
        (VGG16, {"pool1": 2, "pool2": 4, "pool3": 8, "pool4": 16, "fc7": 32}),
        (CaffeNet, {"pool1": 8, "pool2": 16, "fc7": 32}),
        (GoogLeNet, {"pool1": 4, "pool2": 8, "pool3": 16, "inception_5b": 32}),
    ],
)
def test_strides_of_the_maps(trunk, strides):
    assert {name: geometry.stride for name, geometry in trunk(width=1 / 64).geometries().items()} == strides


def gradient(net: nn.Module, image: Tensor, unit: int) -> Tensor:
    """The row sums of the image's gradient by the output's unit (unit, unit)."""
    (grown,) = torch.autograd.grad(net(image)[0, 0, unit, unit], image)
    return grown[0, 0].sum(dim=1)


def probe(size: int) -> Tensor:
    return torch.zeros(1, 1, size, size, dtype=torch.float64, requires_grad=True)


def conv_or_pool(rng: random.Random) -> nn.Module:
    kernel, stride = rng.randint(1, 5), rng.randint(1, 3)
    padding = rng.randint(0, kernel // 2)
    if rng.random() < 0.5:
        return nn.AvgPool2d(kernel, stride, padding)
    layer = nn.Conv2d(1, 1, kernel, stride, padding, bias=False, dtype=torch.float64)
    nn.init.constant_(layer.weight, 1 / kernel**2)
    return layer


def bilinear(rng: random.Random) -> nn.Module:
    factor = rng.randint(2, 4)
    kernel = 2 * factor - rng.randint(0, 1)
    layer = nn.ConvTranspose2d(1, 1, kernel, factor, rng.randint(0, 2), bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight[0, 0] = bilinear_kernel(kernel)
    return layer


@pytest.mark.parametrize("seed", range(40))
def test_a_chain_of_convolutions_and_pools_sees_what_its_geometry_says(seed):
    rng = random.Random(seed)
    net = nn.Sequential(*(conv_or_pool(rng) for _ in range(rng.randint(1, 3))))
    geometry = trace(net)
    image = probe(int(geometry.receptive_field + 3 * geometry.stride) + 8)
    reach = (geometry.receptive_field - 1) / 2
    interior = 0
    for unit in range(net(image).shape[-1]):
        first, last = (geometry.stride * unit + geometry.offset + end for end in (-reach, reach))
        if first >= 0 and last < image.shape[-1]:
            seen = gradient(net, image, unit).nonzero().flatten().tolist()
            assert (seen[0], seen[-1]) == (first, last), f"unit {unit} of {net}"
            interior += 1
    assert interior >= 2


@pytest.mark.parametrize("seed", range(30))
def test_deconvolutions_in_a_chain_lie_where_its_geometry_says(seed):
    """Bilinear kernels keep the centre of mass, so each unit's gradient balances on the unit's place in the image."""
    rng = random.Random(seed)
    parts = [conv_or_pool, bilinear, rng.choice((conv_or_pool, bilinear)), bilinear]
    net = nn.Sequential(*(part(rng) for part in parts[: rng.randint(2, 4)]))
    geometry = trace(net)
    image = probe(120)
    positions = torch.arange(120, dtype=torch.float64)
    middle = round((60 - geometry.offset) / geometry.stride)
    for unit in range(middle - 3, middle + 4):
        weights = gradient(net, image, unit)
        centre = (weights * positions).sum() / weights.sum()
        assert float(centre) == pytest.approx(float(geometry.stride * unit + geometry.offset), abs=1e-9), str(net)


@pytest.mark.parametrize("seed", range(10))
def test_a_deconvolution_sees_at_most_its_receptive_field(seed):
    rng = random.Random(seed)
    net = nn.Sequential(conv_or_pool(rng), bilinear(rng))
    geometry = trace(net)
    image = probe(100)
    middle = round((50 - geometry.offset) / geometry.stride)
    extents = []
    for unit in range(middle, middle + 4):  # every phase of a factor up to 4
        seen = gradient(net, image, unit).nonzero().flatten().tolist()
        extents.append(seen[-1] - seen[0] + 1)
    assert max(extents) == geometry.receptive_field


@pytest.mark.parametrize("trunk", FUSE, ids=lambda trunk: trunk.__name__)
def test_every_path_of_a_net_lays_a_pixel_on_itself(trunk):
    """Linear, averaging nets of the real shapes: the gradient of a pixel's score balances on that very pixel."""
    net = fcn(trunk, depth=len(FUSE[trunk]), device="cpu", num_classes=1, width=1 / 512).double().eval()
    net.backbone = averaging(net.backbone)
    size = {VGG16: 520, CaffeNet: 480, GoogLeNet: 800}[trunk]
    image = torch.zeros(1, 3, size, size, dtype=torch.float64, requires_grad=True)
    positions = torch.arange(size, dtype=torch.float64)
    scores = [name for name, _ in net.decode_head.named_children() if name.startswith("score_")]
    for path in scores:
        for name in scores:
            nn.init.constant_(net.decode_head.get_submodule(name).weight, float(name == path))
        y, x = size // 2 + 3, size // 2 - 6
        (grown,) = torch.autograd.grad(net(image)[0, 0, y, x], image)
        weights = grown[0].sum(dim=0)
        centre = [float((weights.sum(dim=1 - axis) * positions).sum() / weights.sum()) for axis in (0, 1)]
        assert centre == pytest.approx([y, x], abs=1e-6), path


def averaging(module: nn.Module) -> nn.Module:
    """The module with average pools for maximum pools, without normalisation, and with equal weights."""
    for name, child in module.named_children():
        if isinstance(child, nn.MaxPool2d):
            # torch divides a window that leaves the map by what lies inside; only at the border
            module.add_module(name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding, ceil_mode=True))
        elif isinstance(child, nn.LocalResponseNorm):
            module.add_module(name, nn.Identity())
        elif isinstance(child, nn.Conv2d):
            nn.init.constant_(child.weight, 1 / child.weight[0].numel())
            nn.init.ones_(child.get_parameter("bias"))
        else:
            averaging(child)
    return module


@pytest.mark.parametrize("layer", [nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(3, 2, 1)])
def test_pools_have_a_convolutions_geometry_and_count_none(layer):
    like = trace(nn.Conv2d(1, 1, 3, 2, 1))
    assert trace(layer) == Geometry(like.stride, like.offset, like.receptive_field, convolutions=0)
    assert like.convolutions == 1


@pytest.mark.parametrize("layer", [nn.ReLU(), nn.Dropout(), nn.LocalResponseNorm(5), nn.Identity()])
def test_pointwise_layers_change_nothing(layer):
    assert trace(layer) == IMAGE


def test_nested_containers_are_chains():
    first, second, third = nn.Conv2d(1, 1, 3, 2), nn.MaxPool2d(2), Upsample(1, 4, 2)
    nested = nn.Sequential(first, nn.Sequential(second, nn.Sequential(third)))
    assert trace(nested) == chain(map(trace, (first, second, third)))


def test_a_convolution_and_the_deconvolution_that_reverses_it_meet_on_the_same_grid():
    for kernel in range(1, 8):
        for stride in range(1, 5):
            for padding in range(4):
                there_and_back = convolution(kernel, stride, padding).then(deconvolution(kernel, stride, padding))
                assert (there_and_back.stride, there_and_back.offset) == (1, 0)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(1, 1, 3, dilation=2),
        nn.ConvTranspose2d(1, 1, 3, dilation=2),
        nn.MaxPool2d(3, dilation=2),
        nn.Conv2d(1, 1, (3, 5)),
        nn.Conv2d(1, 1, 3, stride=(1, 2)),
        nn.Conv2d(1, 1, 3, padding=(1, 0)),
        nn.Conv2d(1, 1, 3, padding="same"),
        nn.BatchNorm2d(1),
        nn.Module(),
        nn.Sequential(nn.Conv2d(1, 1, 3), nn.Upsample(scale_factor=2)),
    ],
    ids=str,
)
def test_layers_of_unknown_geometry_are_refused(layer):
    with pytest.raises(TypeError, match="geometry"):
        trace(layer)


def test_maps_of_different_strides_are_not_cropped():
    with pytest.raises(ValueError, match="stride 2 and 1 cannot be cropped"):
        convolution(3, 2).crop_to(IMAGE)


def test_maps_half_a_unit_apart_are_not_cropped():
    with pytest.raises(ValueError, match="1/2 units apart"):
        IMAGE.crop_to(convolution(2))


def test_a_map_is_not_cropped_to_one_that_begins_before_it():
    with pytest.raises(ValueError, match="-1 units apart"):
        convolution(3).crop_to(IMAGE)
    assert IMAGE.crop_to(convolution(3)) == 1


def test_branches_share_a_grid_and_the_widest_counts():
    wide, deep = convolution(5, padding=2), chain([convolution(3, padding=1), convolution(1)])
    assert parallel([wide, deep]) == Geometry(Fraction(1), Fraction(0), Fraction(5), convolutions=2)
    for other in (convolution(5, padding=1), convolution(5, stride=2, padding=2)):
        with pytest.raises(ValueError, match="different grids"):
            parallel([wide, other])


def test_upsampling_takes_the_kernel_that_meets_the_grid():
    halves = convolution(2, 2)  # centred between two pixels
    assert upsampling_kernel(halves, IMAGE) == 4
    assert upsampling_kernel(convolution(3, 2), IMAGE) == 3


def test_upsampling_that_meets_no_grid_is_refused():
    thirds = Geometry(Fraction(4), Fraction(1, 3))
    with pytest.raises(ValueError, match="no bilinear kernel aligns"):
        upsampling_kernel(thirds, IMAGE)


@pytest.mark.parametrize(("coarse", "fine"), [(1, 2), (3, 2)])
def test_upsampling_by_no_whole_factor_is_refused(coarse, fine):
    with pytest.raises(ValueError, match=f"stride {coarse} cannot be upsampled to {fine}"):
        upsampling_kernel(Geometry(Fraction(coarse)), Geometry(Fraction(fine)))
