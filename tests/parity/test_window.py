"""The faster forward pass gives the plain net's maps and scores, at any size, whatever happens to the weights."""

import copy
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn
from torch.nn.utils import prune
from torch.utils.flop_counter import FlopCounterMode

from repro import experiments
from repro.errors import UserError
from repro.models import packed, window
from repro.models.fusion import LateFusion
from repro.models.segmentor import FCN
from repro.models.trunk import initialize_relu
from repro.models.window import Windowed, fast
from repro.settings import load_config

TOLERANCE = 1e-5  # of the norm; 1e-6 was reached
HALF = 0.02  # in bf16
SIZES = [(1, 1), (31, 33), (64, 97), (250, 333), (375, 500)]
NETS = {  # experiment, and the padding of its trunk where it is another than the experiment's
    "VGG16 8s": ("voc2011/fcn8s_vgg16", None),
    "CaffeNet": ("voc2011/fcn32s_alexnet", None),
    "torchvision's AlexNet": ("torchvision/fcn32s_alexnet", None),
    "two streams": ("nyudv2/fcn16s_rgb_hha", None),
    "four channels": ("nyudv2/fcn32s_rgbd", None),
    "two heads": ("siftflow/fcn16s_vgg16", None),
    "GoogLeNet, padded": ("voc2011/fcn32s_googlenet", 100),
}


def build(experiment: str, padding: int | None = None, width: float = 0.1) -> Any:
    """A net with random weights, biases and scores, so that the empty image's maps are not empty."""
    config = load_config(experiments.get(experiment)).model
    trunk = config.backbone.get("stream", config.backbone)
    trunk.width = width
    if padding is not None:
        trunk.padding = padding
    net = MODELS.build(config).eval()
    with torch.no_grad():
        for layer in convolutions(net):
            if not layer.weight.any():
                initialize_relu(layer)
            nn.init.normal_(layer.bias, std=0.5)  # type: ignore[arg-type]
    return net


def convolutions(net: nn.Module) -> list[nn.Conv2d]:
    return [module for module in net.modules() if isinstance(module, nn.Conv2d)]


def images(net: FCN, size: tuple[int, int], count: int = 1) -> torch.Tensor:
    channels = convolutions(net)[0].in_channels * (2 if isinstance(net.backbone, LateFusion) else 1)
    return 50 * torch.randn(count, channels, *size)


def difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    assert found.shape == expected.shape
    return ((found - expected).norm() / expected.norm()).item()


@torch.inference_mode()
def largest_difference(quick: FCN, plain: FCN, x: torch.Tensor) -> float:
    found, expected = (net(x, mode="tensor") for net in (quick, plain))
    pairs = zip(found, expected, strict=True) if isinstance(found, tuple) else [(found, expected)]
    return max(difference(*pair) for pair in pairs)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize(("experiment", "padding"), NETS.values(), ids=NETS)
def test_scores_are_the_plain_nets(experiment, padding):
    net = build(experiment, padding)
    plain, quick = copy.deepcopy(net), fast(net)
    assert any(isinstance(module, Windowed) for module in quick.modules())
    sizes = [*SIZES, *(tuple(torch.randint(1, 400, (2,)).tolist()) for _ in range(4))]
    for size in sizes:
        assert largest_difference(quick, plain, images(net, size)) < TOLERANCE, size
    assert largest_difference(quick, plain, images(net, (120, 89), count=3)) < TOLERANCE
    assert largest_difference(quick, plain, images(net, (375, 500))) < TOLERANCE  # a size that it knows


@pytest.mark.parametrize("size", [(200, 200), (201, 231), (333, 500)])
def test_every_unit_of_every_map_is_the_trunks(size):
    net = build("voc2011/fcn8s_vgg16")
    x = images(net, size)
    expected = net.backbone(x)
    windowed = Windowed(net.backbone, set(net.backbone.outputs)).eval()
    for _ in range(2):  # an unknown size, then a known one
        found = windowed(x)
        assert found.keys() == expected.keys()
        for name, units in expected.items():
            assert found[name].shape == units.shape
            assert (found[name] - units).abs().max() < 1e-4 * units.abs().max(), name


def test_every_remainder_has_its_own_surroundings():
    net = build("voc2011/fcn8s_vgg16", width=0.02)
    quick: Any = fast(net)
    plain = build_like(net)
    for remainder in range(32):
        size = (96 + remainder, 160 - remainder)
        assert largest_difference(quick, plain, images(net, size)) < TOLERANCE, size
    known = len(known_sizes(quick))
    larger = images(net, (96 + 64 + 5, 160 + 32 - 5))  # of a remainder that it has met: nothing is computed anew
    assert largest_difference(quick, plain, larger) < TOLERANCE
    assert len(known_sizes(quick)) == known == 32


def known_sizes(quick: Any) -> list[tuple[Any, ...]]:
    """The remainders of image sizes whose surroundings are kept, the last used last."""
    trunk = quick.backbone
    return [key[:2] for key in trunk.known.of(chain(trunk.parameters(), trunk.buffers()), dict)]


def build_like(net: FCN) -> Any:
    return copy.deepcopy(net).to(memory_format=torch.contiguous_format)


@torch.no_grad()
def scale(weight: torch.Tensor) -> None:
    weight.mul_(-1.5)


def step(net: FCN, fused: bool = False) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, fused=fused)
    for parameter in net.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()


CHANGES = {
    "in place": lambda net: scale(net.backbone.conv3_2.weight),
    "an optimiser's step": step,
    "a fused optimiser's step": lambda net: step(net, fused=True),
    "loaded": lambda net: net.load_state_dict(build("voc2011/fcn8s_vgg16").state_dict()),
    "replaced": lambda net: setattr(net.backbone.fc6.bias, "data", torch.randn_like(net.backbone.fc6.bias)),
    "fc7 in place": lambda net: scale(net.backbone.fc7.weight),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_changed_weights_are_seen(change):
    net = build("voc2011/fcn8s_vgg16")
    quick, x = fast(net), images(net, (150, 190))
    before = quick(x, mode="tensor")
    change(net)
    assert difference(quick(x, mode="tensor"), before) > 100 * TOLERANCE
    assert largest_difference(quick, build_like(net), x) < TOLERANCE


def test_what_torch_does_not_count_is_seen_once_told():
    net = build("voc2011/fcn8s_vgg16")
    quick, x = fast(net), images(net, (60, 90))
    quick(x, mode="tensor")
    scale(net.backbone.conv3_2.weight.data)
    scale(net.backbone.fc6.weight.data)
    quick.forget()
    assert largest_difference(quick, build_like(net), x) < TOLERANCE


def test_threads_see_a_change_at_once():
    net = build("voc2011/fcn8s_vgg16")
    quick, x = fast(net), images(net, (60, 90))
    for _ in range(3):
        scale(net.backbone.conv3_2.weight)
        scale(net.backbone.fc6.weight)
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda _: quick(x, mode="tensor"), range(8)))
        expected = build_like(net)(x, mode="tensor")
        assert max(difference(one, expected) for one in found) < TOLERANCE


def test_layers_that_are_not_the_trunks_own_are_refused():
    net = build("voc2011/fcn8s_vgg16")
    quick, x = fast(net), images(net, (60, 90))
    prune.custom_from_mask(net.backbone.conv4_1, "weight", torch.rand_like(net.backbone.conv4_1.weight) > 0.5)
    with pytest.raises(UserError, match="conv4_1 has one"):
        quick(x, mode="tensor")
    prune.remove(net.backbone.conv4_1, "weight")
    assert largest_difference(quick, build_like(net), x) < TOLERANCE
    for trunk in (quick.backbone, net.backbone):
        kept, trunk.conv4_2 = trunk.conv4_2, copy.deepcopy(trunk.conv4_2)
        with pytest.raises(UserError, match="call it again"):
            quick(x, mode="tensor")
        trunk.conv4_2 = kept
    hook = net.backbone.register_forward_hook(lambda *_: None)
    with pytest.raises(UserError, match="the trunk has one"):
        quick(x, mode="tensor")
    hook.remove()
    assert largest_difference(quick, build_like(net), x) < TOLERANCE
    with pytest.raises(UserError, match="not a Conv2d"):
        fast(net.backbone.conv4_1)


def test_no_images_have_no_scores():
    net = build("voc2011/fcn8s_vgg16")
    assert fast(net)(images(net, (60, 90))[:0], mode="tensor").shape == (0, 21, 60, 90)


def test_a_net_made_in_inference_mode():
    with torch.inference_mode():
        net = build("voc2011/fcn8s_vgg16")
        assert largest_difference(fast(net), build_like(net), images(net, (60, 90))) < TOLERANCE


def test_labels_and_weights_are_those_of_the_net():
    net = build("siftflow/fcn8s_vgg16")
    quick: Any = fast(net)
    x = images(net, (97, 111), count=2)
    assert quick.state_dict().keys() == net.state_dict().keys()
    for found, expected in zip(quick(x, mode="predict"), net(x, mode="predict"), strict=True):
        for field in ("pred_sem_seg", "pred_geo_seg"):
            agree = found.get(field).data == expected.get(field).data
            assert agree.float().mean() > 0.9999  # two scores may be equal up to rounding


def test_no_more_sizes_are_kept_than_the_cache_holds(monkeypatch):
    monkeypatch.setattr(window, "CACHED", 3)
    net = build("voc2011/fcn8s_vgg16", width=0.02)
    quick: Any = fast(net)
    plain = build_like(net)
    for height in (*range(100, 107), 100, 106, 101):
        assert largest_difference(quick, plain, images(net, (height, 120))) < TOLERANCE
        assert len(known_sizes(quick)) <= 3
    heights = [(height + 200) % 32 for height in (100, 106, 101)]
    assert [height for height, _ in known_sizes(quick)] == heights, "105 was used before 106"


def test_a_trunk_that_pads_little_runs_as_it_is():
    net = build("voc2011/fcn32s_googlenet")
    quick = fast(net)
    assert quick.backbone is net.backbone
    assert largest_difference(quick, build_like(net), images(net, (100, 130))) < TOLERANCE


def test_training_is_refused():
    net = build("voc2011/fcn8s_vgg16")
    with pytest.raises(UserError, match=r"call net.eval\(\) first"):
        fast(net.train())
    quick, x = fast(net.eval()), images(net, (60, 60))
    with pytest.raises(UserError, match="train the net that it was made from"):
        quick.train()
    assert not any(module.training for module in net.modules())
    net.train()
    with pytest.raises(UserError, match="are in training mode"):
        quick(x, mode="tensor")
    net.eval()
    assert not quick(x, mode="tensor").requires_grad


@pytest.mark.parametrize("first", [True, False])
def test_another_arithmetic_has_its_own_surroundings(first):
    net = build("voc2011/fcn8s_vgg16")
    quick, x = fast(net), images(net, (90, 110))
    for half in (first, not first):
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            found = quick(x, mode="tensor")
            expected = build_like(net)(x, mode="tensor")
        assert difference(found, expected) < (HALF if half else TOLERANCE)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_types_of_numbers(dtype):
    net = build("voc2011/fcn8s_vgg16").to(dtype)
    quick, x = fast(net), images(net, (90, 110)).to(dtype)
    assert largest_difference(quick, build_like(net), x) < (TOLERANCE if dtype == torch.float64 else HALF)


def test_any_layout_of_the_image():
    net = build("voc2011/fcn8s_vgg16")
    quick, x = fast(net), images(net, (110, 90))
    for image in (x.to(memory_format=torch.channels_last), x.mT, x[..., ::2], x.expand(2, -1, -1, -1)):
        assert largest_difference(quick, build_like(net), image) < TOLERANCE


def test_it_can_be_saved_and_copied(tmp_path):
    net = build("voc2011/fcn8s_vgg16")
    quick: Any = fast(net)
    x = images(net, (70, 90))
    expected = quick(x, mode="tensor")
    torch.save(quick, tmp_path / "fast.pth")
    for other in (torch.load(tmp_path / "fast.pth", weights_only=False), copy.deepcopy(quick)):
        scale(quick.backbone.conv3_2.weight)
        assert difference(other(x, mode="tensor"), expected) < TOLERANCE


def test_a_padding_that_lets_small_images_vanish_is_left_alone():
    net = build("voc2011/fcn8s_vgg16", padding=80)
    assert fast(net).backbone is net.backbone


def flop(net: FCN, size: tuple[int, int]) -> int:
    counter = FlopCounterMode(display=False)
    with counter:
        net(torch.empty(1, 3, *size, device="meta"), mode="tensor")
    return counter.get_total_flops()


def test_it_saves_what_the_padding_decides():
    """What holds on any machine: VGG16 8s takes 362 GFLOP on 500x500, of which the padding alone decides 97."""
    net = build("voc2011/fcn8s_vgg16", width=1).to("meta")
    quick = fast(net)
    for size, least, new in (((500, 500), 1.36, 1.04), ((375, 500), 1.42, 1.05), ((250, 250), 1.72, 1.12)):
        plain, first, again = flop(net, size), flop(quick, size), flop(quick, size)
        assert plain / again > least
        assert first < new * again  # a size that it has not seen costs little more


def test_a_matrix_product_serves_where_weights_outnumber_places():
    layer = packed.Packed(nn.Conv2d(20, 300, 7))
    few, many = torch.randn(2, 20, 13, 15), torch.randn(1, 20, 40, 40)
    assert layer.pays(few) and not layer.pays(many) and not layer.pays(few.double())
    assert difference(layer(few), layer.convolution(few)) < TOLERANCE
    assert not packed.Packed.serves(nn.Conv2d(20, 300, 7, padding=3))
