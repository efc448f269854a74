"""Early and late fusion against two nets run side by side, in their scores and in a step of training."""

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

import repro.models  # noqa: F401
from repro.models.fusion import adapt, add_depth_channel, merge_streams

WIDTH = 1 / 16
FUSES = [(), ("pool4",), ("pool4", "pool3")]


def config(fuse: tuple[str, ...] = (), classes: int = 5, **backbone) -> dict:
    loss = dict(type="PixelSoftmaxLoss", reduction="sum")
    return dict(
        type="FCN",
        backbone=dict(type="VGG16", width=WIDTH, dropout=0) | backbone,
        decode_head=dict(type="SkipHead", num_classes=classes, fuse=fuse, loss=loss),
    )


def fused_config(fuse: tuple[str, ...] = ()) -> dict:
    stream = dict(type="VGG16", width=WIDTH, dropout=0)
    settings = config(fuse)
    return settings | {"backbone": dict(type="LateFusion", stream=stream)}


def build(settings: dict, seed: int):
    torch.manual_seed(seed)
    net = MODELS.build(settings)
    for name, module in net.decode_head.named_children():
        if name.startswith("score_"):
            nn.init.normal_(module.weight, std=0.1)
            nn.init.normal_(module.bias)
    return net.double().eval()


def pair_and_fused(fuse):
    color, hha = build(config(fuse), 1), build(config(fuse), 2)
    fused = build(fused_config(fuse), 3)
    merged = adapt([color.state_dict(), hha.state_dict()], fused.backbone)
    missing, foreign = fused.load_state_dict(merged, strict=False)
    assert not foreign and all("upscore" in name for name in missing)
    return color, hha, fused


@pytest.mark.parametrize("fuse", FUSES)
@pytest.mark.parametrize("size", [(1, 1), (33, 70), (64, 51)])
def test_late_fusion_is_the_mean_of_the_two_nets_scores(fuse, size):
    color, hha, fused = pair_and_fused(fuse)
    image = torch.randn(2, 6, *size, dtype=torch.float64) * 60
    expected = (color(image[:, :3], mode="tensor") + hha(image[:, 3:], mode="tensor")) / 2
    found = fused(image, mode="tensor")
    assert found.shape == (2, 5, *size)
    assert (found - expected).abs().max() <= 1e-12 * expected.abs().max()
    other = image.clone()
    other[:, 3:] += 5 * torch.randn_like(other[:, 3:])
    assert not torch.allclose(fused(other, mode="tensor"), found), "the second stream counts"


@pytest.mark.parametrize("fuse", FUSES)
def test_a_fused_step_of_training_is_the_two_nets_step(fuse):
    """Two nets of one loss, summed half and half, as the released net is drawn; biases at twice the rate."""
    color, hha, fused = pair_and_fused(fuse)
    for net in (color, hha, fused):
        net.train()
    image = torch.randn(1, 6, 40, 57, dtype=torch.float64) * 60
    labels = torch.randint(0, 5, (1, 40, 57))
    rate = 1e-6

    def step(scores, parameters, bias_rates):
        nn.functional.cross_entropy(scores, labels, reduction="sum").backward()
        with torch.no_grad():
            for name, parameter in parameters:
                if parameter.grad is not None:
                    parameter -= rate * bias_rates(name) * parameter.grad

    step(
        (color(image[:, :3], mode="tensor") + hha(image[:, 3:], mode="tensor")) / 2,
        [*color.named_parameters(), *hha.named_parameters()],
        lambda name: 2 if name.endswith("bias") else 1,
    )
    # what nyudv2/fcn32s_rgb_hha.py sets: the score layers' one bias trains at the plain rate
    step(
        fused(image, mode="tensor"),
        fused.named_parameters(),
        lambda name: 2 if name.endswith("bias") and "score_" not in name else 1,
    )
    expected = merge_streams([color.state_dict(), hha.state_dict()])
    own = fused.state_dict()
    for name, tensor in expected.items():
        torch.testing.assert_close(own[name], tensor, rtol=1e-9, atol=1e-12, msg=name)


def test_depth_enters_through_the_mean_of_the_colour_filters():
    color = build(config(), 1)
    both = build(config(in_channels=4), 2)
    both.load_state_dict(adapt([color.state_dict()], both.backbone))
    image = torch.randn(1, 3, 45, 31, dtype=torch.float64) * 60
    depth = torch.randn(1, 1, 45, 31, dtype=torch.float64)
    silent = torch.cat([image, torch.zeros_like(depth)], dim=1)
    torch.testing.assert_close(both(silent, mode="tensor"), color(image, mode="tensor"))
    # a depth of d acts as if each colour were brighter by d / 3
    spoken = torch.cat([image, depth], dim=1)
    torch.testing.assert_close(both(spoken, mode="tensor"), color(image + depth / 3, mode="tensor"))


def test_parents_of_the_right_shape_stay_as_they_are():
    color = build(config(), 1).state_dict()
    assert adapt([color], build(config(("pool4",)), 2).backbone) is color
    fused = build(fused_config(), 3)
    parent = fused.state_dict()
    assert adapt([parent], build(fused_config(("pool4",)), 4).backbone) is parent
    widened = add_depth_channel(color, "backbone.conv1_1.weight")
    assert adapt([widened], build(config(in_channels=4), 5).backbone) is widened


def test_a_fused_trunk_tells_its_maps_as_any_trunk():
    fused, single = build(fused_config(), 1).backbone, build(config(), 1).backbone
    assert fused.geometries() == single.geometries()
    assert fused.channels() == {name: 2 * channels for name, channels in single.channels().items()}
    maps = fused(torch.zeros(1, 6, 20, 20, dtype=torch.float64))
    assert {name: fused.channels()[name] for name in maps} == {name: value.shape[1] for name, value in maps.items()}
