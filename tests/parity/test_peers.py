"""The nets that ours are timed beside: each has the form of a peer, and the sliding window gives the dense scores."""

import sys

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from baselines.peers import PEERS, Patchwise, Peer, SharesWeights, SlidingWindow, channels_last, describe, torchfcn
from repro import experiments
from repro.errors import UserError
from repro.models import VGG16, Classifier
from repro.settings import load_config
from repro.weights.convolutionalize import convolutionalize

NARROW = {"type": "VGG16", "width": 1 / 16}


def build(peer: Peer, device: str = "cpu") -> nn.Module:
    try:
        return peer.build(device)
    except UserError as error:
        pytest.skip(str(error))


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: f"{peer.name}-{peer.experiment}")
def test_a_peer_scores_every_place(peer):
    with torch.device("meta"):  # shapes alone
        net = build(peer, "meta")
        height, width = (-(-size // peer.stride) - 6 if peer.stride > 1 else size for size in (289, 227))
        scores = net(torch.empty(2, 3, 289, 227))
    assert isinstance(peer, Peer)
    assert scores.shape == (2, 21, height, width)
    assert not any(module.training for module in net.modules())
    assert describe(peer)["version"][0].isdigit() and all(describe(peer).values())
    assert experiments.get(peer.experiment).name == peer.experiment


def test_the_peers_of_our_architecture_take_our_weights():
    assert {peer.name for peer in PEERS if isinstance(peer, SharesWeights)} == {"torchfcn", "patchwise"}
    assert len({(peer.name, peer.experiment) for peer in PEERS}) == len(PEERS)


@pytest.mark.parametrize("peer", [peer for peer in PEERS if "50" in peer.name], ids=lambda peer: peer.name)
def test_the_best_setting_gives_the_same_scores(peer):
    """The nets on a ResNet, that interpolate instead of deconvolving: one score a pixel and all of them finite."""
    net = peer.build()
    images = torch.randn(1, 3, 65, 97)
    with torch.inference_mode():
        expected = net(images)
        found = channels_last(net)(images)
    assert expected.isfinite().all() and expected.std() > 0
    assert relative(found, expected) < 1e-5
    layers = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)]
    assert layers and all(layer.weight.is_contiguous() for layer in layers), "the net itself stays as it came"


def test_without_the_package_one_line_names_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^torchfcn is not installed: pip install --no-deps torchfcn==") as error:
        torchfcn.models.__wrapped__()
    assert "\n" not in str(error.value)


def test_the_stand_in_does_not_stay():
    build(PEERS[0], "meta")
    assert "fcn" not in sys.modules


def classifier(**options: float) -> Classifier:
    """A narrow VGG16 that classifies, with random weights."""
    net = Classifier(NARROW | {"padding": 1} | options, num_classes=21).eval()
    for name, parameter in net.named_parameters():
        if name.endswith("bias") or "classifier" in name:
            nn.init.normal_(parameter, std=0.1)
    return net


def dense(net: Classifier, trunk: VGG16, images: torch.Tensor) -> torch.Tensor:
    """The scores of the same net, fully convolutional."""
    weights = convolutionalize(net, trunk)
    trunk.load_state_dict({name: weights[f"backbone.{name}"] for name in trunk.state_dict()})
    maps = trunk.eval()(images)[trunk.top]
    return nn.functional.conv2d(maps, weights["classifier.weight"], weights["classifier.bias"])


def test_patchwise_gives_the_dense_scores_where_nothing_is_padded():
    net, trunk = classifier(padding=0), MODELS.build(NARROW | {"padding": 0})
    for layer in [*net.modules(), *trunk.modules()]:
        if isinstance(layer, nn.Conv2d):
            layer.padding = (0, 0)
    seen = int(trunk.geometries()[trunk.top].receptive_field)
    images = 50 * torch.randn(3, 3, seen + 96, seen + 32)
    with torch.inference_mode():
        found, expected = SlidingWindow(net, seen)(images), dense(net, trunk, images)
    assert found.shape == expected.shape == (3, 21, 4, 2)  # 24 crops: more than one batch
    assert relative(expected.roll(1, 2), expected) > 1e-2, "places differ"
    assert relative(found, expected) < 1e-5


@pytest.mark.parametrize("size", [(500, 500), (375, 500), (224, 225), (257, 480), (193, 192), (65, 97)])
def test_patchwise_has_the_grid_of_the_padded_net(size):
    with torch.device("meta"):
        images = torch.empty(1, 3, *size)
        found = build(Patchwise(), "meta")(images)
        expected = VGG16(padding=1)(images)["fc7"]
    assert found.shape[2:] == expected.shape[2:]


def test_patchwise_takes_the_weights_of_our_net():
    config = load_config(experiments.get(Patchwise.experiment), {"model.backbone.width": 1 / 16}).model
    ours = MODELS.build(config)
    for parameter in ours.decode_head.score_fr.parameters():
        nn.init.normal_(parameter)
    window, trunk = SlidingWindow(classifier(), 224).eval(), MODELS.build(NARROW | {"padding": 1}).eval()
    Patchwise().load(window, ours.state_dict())
    trunk.load_state_dict(ours.backbone.state_dict())
    crop = 50 * torch.randn(1, 3, 224, 224)
    with torch.inference_mode():
        expected = ours.decode_head.score(trunk(crop))
        assert relative(window(crop), expected) < 1e-5
