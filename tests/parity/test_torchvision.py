"""torchvision's classifiers, run by torchvision on its own input, and ours from the same file: the same scores."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import Tensor, nn

from repro import experiments
from repro.errors import UserError
from repro.models import FCN, VGG16, TorchvisionAlexNet, TorchvisionGoogLeNet
from repro.models.trunk import Trunk
from repro.weights.convert import convert
from repro.weights.store import hand_on
from repro.weights.torchvision import PRETRAINED

WIDTH = 1 / 16
TOLERANCE = 1e-5
# our name for the weights, torchvision's net for them, the trunk, its own padding, the experiment
NETS: list[tuple[str, Callable[..., nn.Module], Callable[..., Trunk], int, str]] = [
    ("vgg16_torchvision", torchvision.models.vgg16, VGG16, 1, "fcn32s_vgg16"),
    ("vgg16_features_torchvision", torchvision.models.vgg16, VGG16, 1, "fcn32s_vgg16_features"),
    ("alexnet_torchvision", torchvision.models.alexnet, TorchvisionAlexNet, 2, "fcn32s_alexnet"),
    ("googlenet_torchvision", torchvision.models.googlenet, TorchvisionGoogLeNet, 3, "fcn32s_googlenet"),
]
WHOLE = [net for net in NETS if "features" not in net[0]]


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trunks of a sixteenth of the width unless told otherwise, as the files of these tests hold them."""
    for trunk in (VGG16, TorchvisionAlexNet, TorchvisionGoogLeNet):
        channels, _, padding, dropout = trunk.__init__.__defaults__ or ()
        monkeypatch.setattr(trunk.__init__, "__defaults__", (channels, WIDTH, padding, dropout))


def ids(nets: list[tuple]) -> list[str]:
    return [net[0] for net in nets]


def scaled(channels: int) -> int:
    return channels if channels == 3 else int(channels * WIDTH)


def theirs(make: Callable[..., nn.Module], name: str) -> nn.Module:
    """torchvision's net with a sixteenth of the channels, all of its numbers random, as its builder makes it."""
    torch.manual_seed(0)
    # as torchvision builds it for these weights
    options = {"aux_logits": True, "transform_input": True, "init_weights": False} if "google" in name else {}
    with torch.device("meta"):
        net = make(weights=None, **options)
    for parent in list(net.modules()):
        for child, layer in list(parent.named_children()):
            if (thin := narrowed(layer)) is not None:
                setattr(parent, child, thin)
    for key, tensor in net.state_dict().items():
        if tensor.ndim > 1:
            nn.init.kaiming_normal_(tensor)
        elif key.endswith(("bn.weight", "running_var")):
            nn.init.uniform_(tensor, 0.5, 2)
        elif tensor.is_floating_point():
            nn.init.normal_(tensor, std=0.3)
    return net.eval()


def narrowed(layer: Any) -> nn.Module | None:
    """A layer like one of torchvision's that has parameters, but for its channels; None for any other."""
    if isinstance(layer, nn.Conv2d):
        channels = scaled(layer.in_channels), scaled(layer.out_channels)
        bias = layer.bias is not None
        return nn.Conv2d(*channels, layer.kernel_size, layer.stride, layer.padding, bias=bias)  # type: ignore[arg-type]
    if isinstance(layer, nn.BatchNorm2d):
        return nn.BatchNorm2d(scaled(layer.num_features), eps=layer.eps)
    if isinstance(layer, nn.Linear):
        labels = layer.out_features == 1000
        return nn.Linear(scaled(layer.in_features), 1000 if labels else scaled(layer.out_features))
    return None


def image(side: int = 224) -> Tensor:
    """Random pixels in smooth patches, RGB, (1, 3, side, side), uint8."""
    coarse = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(side))
    smooth = nn.functional.interpolate(coarse, (side, side), mode="bilinear")
    return (255 * smooth).round().to(torch.uint8)


def their_input(pixels: Tensor, name: str) -> Tensor:
    """As torchvision's own transforms for these weights hand it to the net."""
    preset: Any = PRETRAINED[name].weights.transforms()
    mean, std = (torch.tensor(values)[:, None, None] for values in (preset.mean, preset.std))
    return (pixels / 255 - mean) / std


def our_model(experiment: str) -> Any:
    """The experiment's model config."""
    return Config.fromfile(experiments.get(f"torchvision/{experiment}").path).model


def our_input(pixels: Tensor, experiment: str) -> Tensor:
    """As the experiment's own preprocessor hands it to the net, from BGR as images are read."""
    preprocessor = MODELS.build(our_model(experiment).data_preprocessor)
    return preprocessor({"inputs": [pixels[0].flip(0)]})["inputs"]


def backbone(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix("backbone."): value for key, value in tensors.items() if key.startswith("backbone.")}


def error(found: Tensor, expected: Tensor) -> float:
    assert found.shape == expected.shape and expected.std() > 0
    share = float((found - expected).abs().max() / expected.abs().max())
    print(f"relative error {share:.1e}")
    return share


@pytest.mark.parametrize(("name", "make", "trunk", "padding", "experiment"), WHOLE, ids=ids(WHOLE))
@torch.no_grad()
def test_the_classifier_gives_torchvisions_scores(name, make, trunk, padding, experiment, tmp_path):
    net = theirs(make, name)
    torch.save(net.state_dict(), tmp_path / "theirs.pth")
    tensors = convert(tmp_path / "theirs.pth", name).tensors
    ours = trunk(padding=padding).eval()
    ours.load_state_dict(backbone(tensors))

    pixels = image()
    expected = net(their_input(pixels, name))
    pooled = ours.classifier_pool[0](ours(our_input(pixels, experiment))[ours.top])
    scores = nn.functional.conv2d(pooled, tensors["classifier.weight"], tensors["classifier.bias"])
    assert error(scores[..., 0, 0], expected) <= TOLERANCE
    other = net(their_input(pixels.flip(1), name))
    assert error(other, expected) > 100 * TOLERANCE, "the order of the channels decides something"


@torch.no_grad()
def test_of_features_alone_the_rest_is_drawn_always_alike(tmp_path):
    name, make, trunk, padding, experiment = NETS[1]
    net: Any = theirs(make, name)
    for layer in net.classifier:  # as in torchvision's file
        for parameter in layer.parameters():
            parameter.fill_(torch.nan)
    torch.save(net.state_dict(), tmp_path / "theirs.pth")
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    tensors = convert(tmp_path / "theirs.pth", name).tensors
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not [key for key in tensors if key.startswith("classifier")]

    ours = trunk(padding=padding).eval()
    ours.load_state_dict(backbone(tensors))
    convolutions, pixels = nn.Sequential(*list(ours)[:-6]), image()
    assert error(convolutions(our_input(pixels, experiment)), net.features(their_input(pixels, name))) <= TOLERANCE
    for layer, inputs in (("fc6", 32 * 49), ("fc7", 256)):
        weight = tensors[f"backbone.{layer}.weight"]
        assert weight.std().item() == pytest.approx((2 / inputs) ** 0.5, rel=0.05) and abs(weight.mean()) < 0.01
    again = convert(tmp_path / "theirs.pth", name)
    assert all(torch.equal(again.tensors[key], tensors[key]) for key in tensors)


@pytest.mark.parametrize(("name", "make", "trunk", "padding", "experiment"), NETS, ids=ids(NETS))
@torch.no_grad()
def test_the_experiments_start_from_it_and_score_every_pixel(name, make, trunk, padding, experiment, tmp_path):
    torch.save(theirs(make, name).state_dict(), tmp_path / "theirs.pth")
    weights = convert(tmp_path / "theirs.pth", name)
    assert (weights.experiment,) == experiments.get(f"torchvision/{experiment}").starts_from
    net: FCN = MODELS.build(our_model(experiment)).eval()
    assert type(net.backbone) is trunk
    hand_on(weights, net, "a file")
    nn.init.normal_(net.decode_head.score_fr.weight)
    for height, width in ((1, 1), (15, 33), (97, 64)):
        scores = net(our_input(image(100), experiment)[..., :height, :width], mode="tensor")
        assert scores.shape == (1, 21, height, width) and scores.std() > 0


def test_every_size_is_covered():
    """Pools that rounded down would leave the last pixels of some sizes without a score."""
    for _, _, trunk, _, experiment in NETS[2:]:
        config = our_model(experiment)
        config.backbone.width = 1 / 64
        net = MODELS.build(config).to("meta")
        for side in range(1, 140):
            assert net(torch.empty(1, 3, side, side, device="meta"), mode="tensor").shape[-1] == side, trunk


def test_crops_follow_from_the_layers():
    """AlexNet lies where CaffeNet does; GoogLeNet, whose last pool is smaller, elsewhere than the paper's."""
    crops = {}
    for _, _, _, _, experiment in NETS:
        head = MODELS.build(our_model(experiment)).decode_head
        crops[experiment] = (head.upscore.kernel_size[0], head.image_crop)
    assert crops == {
        "fcn32s_vgg16": (64, 19),
        "fcn32s_vgg16_features": (64, 19),
        "fcn32s_alexnet": (63, 18),
        "fcn32s_googlenet": (63, 9),
    }


def faults(path: Path, name: str) -> str:
    with pytest.raises(UserError) as caught:
        convert(path, name)
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message
    return message


def test_what_is_missing_unused_or_misshapen_is_listed(tmp_path):
    name, make, *_ = NETS[3]
    state = dict(theirs(make, name).state_dict())
    del state["inception4c.branch3.1.bn.running_mean"], state["fc.bias"], state["conv3.conv.weight"]
    state["inception3a.branch1.conv.weight"] = state["inception3a.branch1.conv.weight"][:, :-1]
    state["conv1.conv.weight"] = state["conv1.conv.weight"][:, :2]
    state |= {"more.weight": torch.zeros(2), "stray.bias": torch.zeros(2)}
    torch.save(state, tmp_path / "theirs.pth")
    message = faults(tmp_path / "theirs.pth", name)
    (told,) = re.findall(r"\((.*)\): name the net", message)
    missing, unused, misshapen = told.split("; ")
    assert missing == (
        "missing: conv3 weight, conv3 bias, inception4c.branch3.1 weight, inception4c.branch3.1 bias, fc bias"
    )
    norms = [f"conv3.bn.{part} weight" for part in ("bias", "running_mean", "running_var", "weight")]
    others = [f"inception4c.branch3.1.bn.{part} weight" for part in ("bias", "running_var", "weight")]
    own = ["inception4c.branch3.1.conv weight", "more weight"]
    assert unused == f"unused: {', '.join([*own, *norms, *others, 'stray.bias weight'])}"
    assert misshapen.startswith("misshapen: conv1 weight of (4, 2, 7, 7), not (4, 3, 7, 7), inception3a.branch1 weight")


def others() -> Iterator[tuple[str, str]]:
    names = [net[0] for net in WHOLE]
    yield from ((file, name) for file in names for name in names if file != name)


@pytest.mark.parametrize(("file", "name"), list(others()))
def test_the_file_of_another_net_is_refused(file, name, tmp_path):
    make = next(make for other, make, *_ in NETS if other == file)
    torch.save(theirs(make, file).state_dict(), tmp_path / "theirs.pth")
    message = faults(tmp_path / "theirs.pth", name)
    assert "holds the weights of another net (missing: " in message and "unused: " in message


def test_numbers_keep_their_precision(tmp_path):
    """The fold is done in float64 and rounded once."""
    name, make, *_ = NETS[2]
    net: Any = theirs(make, name)
    torch.save(net.state_dict(), tmp_path / "theirs.pth")
    found = convert(tmp_path / "theirs.pth", name).tensors["backbone.conv1.weight"].numpy()
    given = net.features[0].weight.detach().numpy().astype(np.float64)
    expected = given[:, ::-1] / (255 * np.array([0.225, 0.224, 0.229]))[:, None, None]
    assert np.array_equal(found, expected.astype(np.float32))
