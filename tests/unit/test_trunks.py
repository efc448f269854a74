"""The three trunks: Caffe's names, the papers' shapes, and a graph that no width changes."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from repro.models import VGG16, CaffeNet, GoogLeNet
from repro.models.trunk import Trunk

TRUNKS = [VGG16, CaffeNet, GoogLeNet]

VGG16_SHAPES = {
    "conv1_1": (64, 3, 3, 3),
    "conv1_2": (64, 64, 3, 3),
    "conv2_1": (128, 64, 3, 3),
    "conv2_2": (128, 128, 3, 3),
    "conv3_1": (256, 128, 3, 3),
    "conv3_2": (256, 256, 3, 3),
    "conv3_3": (256, 256, 3, 3),
    "conv4_1": (512, 256, 3, 3),
    "conv4_2": (512, 512, 3, 3),
    "conv4_3": (512, 512, 3, 3),
    "conv5_1": (512, 512, 3, 3),
    "conv5_2": (512, 512, 3, 3),
    "conv5_3": (512, 512, 3, 3),
    "fc6": (4096, 512, 7, 7),
    "fc7": (4096, 4096, 1, 1),
}
CAFFENET_SHAPES = {
    "conv1": (96, 3, 11, 11),
    "conv2": (256, 48, 5, 5),  # two groups
    "conv3": (384, 256, 3, 3),
    "conv4": (384, 192, 3, 3),  # two groups
    "conv5": (256, 192, 3, 3),  # two groups
    "fc6": (4096, 256, 6, 6),
    "fc7": (4096, 4096, 1, 1),
}
# input | 1x1 | 3x3 reduce, 3x3 | 5x5 reduce, 5x5 | pool projection: Table 1 of "Going deeper with convolutions"
INCEPTIONS = {
    "3a": (192, 64, 96, 128, 16, 32, 32),
    "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64),
    "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64),
    "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128),
    "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}


def googlenet_shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "conv1/7x7_s2": (64, 3, 7, 7),
        "conv2/3x3_reduce": (64, 64, 1, 1),
        "conv2/3x3": (192, 64, 3, 3),
    }
    for name, (inputs, one, three_reduce, three, five_reduce, five, projection) in INCEPTIONS.items():
        shapes |= {
            f"inception_{name}.1x1": (one, inputs, 1, 1),
            f"inception_{name}.3x3_reduce": (three_reduce, inputs, 1, 1),
            f"inception_{name}.3x3": (three, three_reduce, 3, 3),
            f"inception_{name}.5x5_reduce": (five_reduce, inputs, 1, 1),
            f"inception_{name}.5x5": (five, five_reduce, 5, 5),
            f"inception_{name}.pool_proj": (projection, inputs, 1, 1),
        }
    return shapes


def on_meta(trunk: type[Trunk], **options) -> Trunk:
    with torch.device("meta"):
        return trunk(**options)


def layers(trunk: Trunk) -> dict[str, nn.Module]:
    return dict(trunk.named_children())


@pytest.mark.parametrize(
    ("trunk", "shapes"), [(VGG16, VGG16_SHAPES), (CaffeNet, CAFFENET_SHAPES), (GoogLeNet, googlenet_shapes())]
)
def test_parameters_have_caffes_names_and_shapes(trunk, shapes):
    expected = {f"{name}.weight": shape for name, shape in shapes.items()}
    expected |= {f"{name}.bias": shape[:1] for name, shape in shapes.items()}
    assert {name: tuple(tensor.shape) for name, tensor in on_meta(trunk).state_dict().items()} == expected


@pytest.mark.parametrize("trunk", TRUNKS)
@pytest.mark.parametrize("width", [1 / 2, 1 / 8, 1 / 16, 1 / 64, 1 / 1000])
def test_the_width_scales_channels_and_leaves_the_graph(trunk, width):
    full, narrow = on_meta(trunk), on_meta(trunk, width=width)
    assert narrow.geometries() == full.geometries()
    assert narrow.outputs == full.outputs
    for (name, wide), (same, thin) in zip(full.named_modules(), narrow.named_modules(), strict=True):
        assert (name, type(wide)) == (same, type(thin))
        if isinstance(wide, nn.Conv2d):
            assert isinstance(thin, nn.Conv2d)
            for setting in ("kernel_size", "stride", "padding", "groups"):
                assert getattr(thin, setting) == getattr(wide, setting)
            assert thin.out_channels == pytest.approx(wide.out_channels * width, abs=2)
        elif not isinstance(wide, nn.Sequential) and not list(wide.children()):
            assert repr(thin) == repr(wide)
    maps = narrow(torch.empty(1, 3, 33, 40, device="meta"))
    assert {name: found.shape[1] for name, found in maps.items()} == narrow.channels()


@pytest.mark.parametrize(
    ("trunk", "channels"),
    [
        (VGG16, {"pool1": 64, "pool2": 128, "pool3": 256, "pool4": 512, "fc7": 4096}),
        (CaffeNet, {"pool1": 96, "pool2": 256, "fc7": 4096}),
        (GoogLeNet, {"pool1": 64, "pool2": 192, "pool3": 480, "inception_5b": 1024}),
    ],
)
def test_maps_have_the_papers_channels(trunk, channels):
    net = on_meta(trunk)
    assert net.channels() == channels
    assert {name: found.shape[1] for name, found in net(torch.empty(1, 3, 40, 33, device="meta")).items()} == channels
    assert list(channels)[-1] == net.top


@pytest.mark.parametrize("trunk", TRUNKS)
def test_a_fourth_input_channel_changes_the_first_layer_alone(trunk):
    three, four = on_meta(trunk).state_dict(), on_meta(trunk, in_channels=4).state_dict()
    differing = [name for name in three if three[name].shape != four[name].shape]
    assert differing == [next(iter(three))]
    assert four[differing[0]].shape[1] == 4


def test_padding_belongs_to_the_first_convolution():
    for trunk, own in ((VGG16, 100), (CaffeNet, 100), (GoogLeNet, 3)):
        convolutions = [m for m in on_meta(trunk).modules() if isinstance(m, nn.Conv2d)]
        other = [m for m in on_meta(trunk, padding=7).modules() if isinstance(m, nn.Conv2d)]
        assert (convolutions[0].padding, other[0].padding) == ((own, own), (7, 7))
        assert [m.padding for m in convolutions[1:]] == [m.padding for m in other[1:]]


def test_caffenet_pools_before_it_normalises():
    names = list(layers(on_meta(CaffeNet)))
    assert names[:8] == ["conv1", "relu1", "pool1", "norm1", "conv2", "relu2", "pool2", "norm2"]


def test_caffenets_pools_overlap_and_round_up():
    pools = [m for m in on_meta(CaffeNet).modules() if isinstance(m, nn.MaxPool2d)]
    assert [(pool.kernel_size, pool.stride, pool.padding, pool.ceil_mode) for pool in pools] == [(3, 2, 0, True)] * 3


def test_vgg16s_pools_round_up():
    sizes = {name: found.shape[-1] for name, found in on_meta(VGG16)(torch.empty(1, 3, 1, 1, device="meta")).items()}
    assert sizes == {"pool1": 100, "pool2": 50, "pool3": 25, "pool4": 13, "fc7": 1}


@pytest.mark.parametrize("trunk", [CaffeNet, GoogLeNet])
def test_normalisation_is_caffes(trunk):
    """Over 5 channels, x / (1 + 1e-4 / 5 * sum of squares) ^ 0.75, zeros beyond the first and the last channel."""
    found = [m for m in on_meta(trunk).modules() if isinstance(m, nn.LocalResponseNorm)]
    assert len(found) == 2
    x = 300 * torch.randn(2, 9, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    squares = functional.pad(x.square(), (0, 0, 0, 0, 2, 2))
    summed = torch.stack([squares[:, c : c + 5].sum(dim=1) for c in range(9)], dim=1)
    expected = x / (1 + 1e-4 / 5 * summed) ** 0.75
    assert (expected - x).abs().max() > 1
    for norm in found:
        torch.testing.assert_close(norm(x), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(("trunk", "dropped"), [(VGG16, 2), (CaffeNet, 2), (GoogLeNet, 1)])
def test_dropout_is_elementwise_and_can_be_turned_off(trunk, dropped):
    for probability in (0.0, 0.3):
        found = [m for m in on_meta(trunk, dropout=probability).modules() if isinstance(m, nn.Dropout)]
        assert [m.p for m in found] == [probability] * dropped


def by_hand(trunk: Trunk, image: Tensor) -> dict[str, Tensor]:
    """Every named layer's output, nothing done in place."""
    left, x = {}, image
    for name, layer in trunk.named_children():
        x = layer(x.clone())
        left[name] = x.clone()
    return left


@pytest.mark.parametrize(
    ("trunk", "leaves"),
    [
        (VGG16, {"pool1": "pool1", "pool2": "pool2", "pool3": "pool3", "pool4": "pool4", "fc7": "drop7"}),
        (CaffeNet, {"pool1": "norm1", "pool2": "norm2", "fc7": "drop7"}),
        (
            GoogLeNet,
            {"pool1": "pool1/norm1", "pool2": "pool2/3x3_s2", "pool3": "pool3/3x3_s2", "inception_5b": "inception_5b"},
        ),
    ],
)
@torch.no_grad()
def test_maps_leave_the_layers_of_their_names_and_stay_as_they_are(trunk, leaves):
    torch.manual_seed(0)
    net = trunk(width=1 / 16).eval()
    image = 50 * torch.randn(2, 3, 45, 38)
    before = image.clone()
    maps, expected = net(image), by_hand(net, image)
    assert list(maps) == list(leaves)
    for name, layer in leaves.items():
        assert maps[name].any() and torch.equal(maps[name], expected[layer]), name
    assert torch.equal(image, before)


@torch.no_grad()
def test_inception_joins_its_branches_in_caffes_order():
    torch.manual_seed(0)
    inception = layers(GoogLeNet(width=1 / 8))["inception_3b"]
    x = torch.randn(1, 32, 6, 7).relu()
    own = {
        name: (layer.weight, layer.bias) for name, layer in inception.named_children() if isinstance(layer, nn.Conv2d)
    }
    expected = [
        functional.conv2d(x, *own["1x1"]).relu(),
        functional.conv2d(functional.conv2d(x, *own["3x3_reduce"]).relu(), *own["3x3"], padding=1).relu(),
        functional.conv2d(functional.conv2d(x, *own["5x5_reduce"]).relu(), *own["5x5"], padding=2).relu(),
        functional.conv2d(functional.max_pool2d(x, 3, 1, 1), *own["pool_proj"]).relu(),
    ]
    torch.testing.assert_close(inception(x.clone()), torch.cat(expected, dim=1), rtol=0, atol=1e-6)


@pytest.mark.parametrize("trunk", TRUNKS)
@torch.no_grad()
def test_fresh_weights_keep_the_signal_alive(trunk):
    """From pixels with a spread of 64 to the last map, no layer makes it vanish or explode."""
    torch.manual_seed(0)
    maps = trunk(width=1 / 4).eval()(64 * torch.randn(1, 3, 64, 64))
    spreads = [1.0, *(float(found.std()) for found in maps.values())]
    assert all(1 / 8 < after / before < 8 for before, after in pairwise(spreads)), spreads
