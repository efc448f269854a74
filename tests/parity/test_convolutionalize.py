"""A classifier and the net that its fully connected layers become: the same logits (section 3.1, Figure 2)."""

import pytest
import torch
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional

from repro.models import FCN, VGG16, CaffeNet, Classifier, GoogLeNet, PixelSoftmaxLoss, SkipHead
from repro.models.trunk import Trunk
from repro.weights.convolutionalize import as_scores, convolutionalize
from repro.weights.store import Weights, hand_on, load_into

CLASSES = 7
# trunk, the classifier's own padding, its input size
NETS = [(VGG16, 1, 224), (CaffeNet, 0, 227), (GoogLeNet, 3, 224)]
each_net = pytest.mark.parametrize(("trunk", "padding", "side"), NETS, ids=[net[0].__name__ for net in NETS])


class Unpadded(Trunk):
    """A small net without any padding: stride 4, classifying images of 26x26."""

    def __init__(self) -> None:
        layers = [
            ("conv1", nn.Conv2d(3, 6, 3)),
            ("relu1", nn.ReLU(inplace=True)),
            ("pool1", nn.MaxPool2d(2, 2)),
            ("conv2", nn.Conv2d(6, 8, 3)),
            ("relu2", nn.ReLU(inplace=True)),
            ("pool2", nn.MaxPool2d(2, 2)),
            ("fc6", nn.Conv2d(8, 16, 5)),
            ("relu6", nn.ReLU(inplace=True)),
            ("fc7", nn.Conv2d(16, 16, 1)),
            ("relu7", nn.ReLU(inplace=True)),
        ]
        super().__init__(layers, {"fc7": "relu7"})


@pytest.fixture(autouse=True)
def scope():
    """What a runner sets from `default_scope`."""
    with DefaultScope.overwrite_default_scope("mmseg"):
        yield


def classifier(trunk: type[Trunk], **options) -> Classifier:
    """A narrow classifier with random weights in every layer, biases included."""
    torch.manual_seed(0)
    net = Classifier(backbone=narrow(trunk, **options), num_classes=CLASSES)
    for name, parameter in net.named_parameters():
        if name.endswith("bias") or "classifier" in name:
            nn.init.normal_(parameter, std=0.1)
    return net.eval()


def narrow(trunk: type[Trunk], **options) -> dict:
    return dict(type=trunk, **(options if trunk is Unpadded else dict(width=1 / 16, **options)))


def fcn(trunk: type[Trunk], num_classes: int = CLASSES) -> FCN:
    """A net as it is trained, with its own border of padding."""
    head = dict(type=SkipHead, num_classes=num_classes, loss=dict(type=PixelSoftmaxLoss, reduction="sum"))
    return FCN(backbone=narrow(trunk), decode_head=head).eval()


def dense(source: Classifier, trunk: type[Trunk], x: Tensor, **options) -> Tensor:
    """Coarse scores of the convolutionalised classifier, (N, CLASSES, ~H/stride, ~W/stride)."""
    net = MODELS.build(narrow(trunk, **options)).eval()
    weights = convolutionalize(source, net)
    weight, bias = weights.pop("classifier.weight"), weights.pop("classifier.bias")
    net.load_state_dict({name.removeprefix("backbone."): tensor for name, tensor in weights.items()})
    # the average pooling that GoogLeNet's classifier has, and an FCN leaves out
    return net.classifier_pool[0](functional.conv2d(net(x)[net.top], weight, bias))


def images(height: int, width: int, count: int = 2) -> Tensor:
    return 60 * torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def close(found: Tensor, expected: Tensor, tolerance: float = 1e-5) -> None:
    """Equal to a share of the largest logit."""
    assert found.shape == expected.shape
    error = float((found - expected).abs().max() / expected.abs().max())
    print(f"relative error {error:.1e}")
    assert error <= tolerance


@each_net
@torch.no_grad()
def test_on_the_classifiers_own_size_the_scores_are_its_logits(trunk, padding, side):
    source = classifier(trunk, padding=padding)
    x = images(side, side)
    expected = source(x)
    assert expected.std(dim=0).min() > 0  # they depend on the image
    close(dense(source, trunk, x, padding=padding), expected[:, :, None, None])


@each_net
@torch.no_grad()
def test_on_a_larger_image_the_scores_are_the_classifiers_layers_slid_over_its_last_map(trunk, padding, side):
    source = classifier(trunk, padding=padding)
    x = images(side + 67, side + 130, count=1)

    layers = list(source.layers.named_children())
    first = [name for name, _ in layers].index("classifier_pool" if trunk is GoogLeNet else "flatten_fc6")
    below, above = (nn.Sequential(*(layer for _, layer in part)) for part in (layers[:first], layers[first:]))
    last = below(x)
    window = below(images(side, side, count=1)).shape[-1]
    assert window == {VGG16: 7, CaffeNet: 6, GoogLeNet: 7}[trunk]
    rows, columns = last.shape[-2] - window + 1, last.shape[-1] - window + 1
    assert rows > 1 and columns > rows

    slid = torch.empty(1, CLASSES, rows, columns)
    for row in range(rows):
        for column in range(columns):
            slid[:, :, row, column] = above(last[..., row : row + window, column : column + window])
    close(dense(source, trunk, x, padding=padding), slid)


@torch.no_grad()
def test_without_padding_the_scores_are_those_of_crops_run_one_by_one():
    source = classifier(Unpadded)
    x, side, stride = images(26 + 4 * 5, 26 + 4 * 8, count=1), 26, 4
    expected = torch.empty(1, CLASSES, 6, 9)
    for row in range(6):
        for column in range(9):
            top, left = stride * row, stride * column
            expected[:, :, row, column] = source(x[..., top : top + side, left : left + side])
    close(dense(source, Unpadded, x), expected)


@each_net
def test_the_weights_are_the_trunks_and_the_classifying_layers(trunk, padding, side):
    source, net = classifier(trunk, padding=padding), fcn(trunk)
    weights = convolutionalize(source, net.backbone)
    own = {f"backbone.{name}": tensor.shape for name, tensor in net.backbone.state_dict().items()}
    top = net.backbone.channels()[net.backbone.top]
    last = {"classifier.weight": (CLASSES, top, 1, 1), "classifier.bias": (CLASSES,)}
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()} == {
        k: tuple(v) for k, v in (own | last).items()
    }
    assert sum(tensor.numel() for tensor in weights.values()) == sum(p.numel() for p in source.parameters())


@each_net
def test_an_fcn_over_other_classes_starts_from_them_with_a_score_layer_at_zero(trunk, padding, side):
    source, net = classifier(trunk, padding=padding), fcn(trunk, num_classes=21)
    weights = convolutionalize(source, net.backbone)
    hand_on(Weights(weights), net, "the classifier")
    for name, tensor in net.backbone.state_dict().items():
        assert torch.equal(tensor, weights[f"backbone.{name}"])
    assert not net.decode_head.score_fr.weight.any()


@each_net
@torch.no_grad()
def test_as_scores_makes_them_an_fcn_over_the_classifiers_labels(trunk, padding, side):
    source, net = classifier(trunk, padding=padding), fcn(trunk)
    weights = convolutionalize(source, net.backbone)
    upsampling = {name: tensor for name, tensor in net.state_dict().items() if "upscore" in name}
    load_into(Weights(as_scores(weights) | upsampling), net, "the classifier")
    x = images(40, 50)
    expected = functional.conv2d(
        net.backbone(x)[net.backbone.top], weights["classifier.weight"], weights["classifier.bias"]
    )
    assert torch.equal(net.coarse_scores(x), expected)
    assert net(x).any()


def test_as_scores_renames_the_classifying_layer_alone():
    weight, bias, other = torch.zeros(2, 3, 1, 1), torch.zeros(2), torch.zeros(4)
    weights = {"classifier.weight": weight, "classifier.bias": bias, "backbone.fc7.bias": other}
    found = as_scores(weights)
    assert found.keys() == {"decode_head.score_fr.weight", "decode_head.score_fr.bias", "backbone.fc7.bias"}
    assert found["decode_head.score_fr.weight"] is weight and found["backbone.fc7.bias"] is other


def test_a_classifier_of_another_net_is_refused():
    source = classifier(VGG16, padding=1)
    with pytest.raises(ValueError, match=r"no layer that fits the trunk's conv1.weight \(6, 3, 11, 11\)"):
        convolutionalize(source, CaffeNet(width=1 / 16))
    with pytest.raises(ValueError, match=r"no layer that fits the trunk's conv1_1.weight \(8, 3, 3, 3\)"):
        convolutionalize(source, VGG16(width=1 / 8))


def test_a_trunk_with_fewer_layers_is_refused():
    class Shorter(Trunk):
        def __init__(self) -> None:
            super().__init__(list(Unpadded().named_children())[:-2], {"fc6": "relu6"})

    with pytest.raises(ValueError, match=r"no place for the classifier's fc7.weight, fc7.bias"):
        convolutionalize(classifier(Unpadded), Shorter())


def test_a_classifier_trains_on_labels():
    source = classifier(VGG16, padding=1).train()
    losses = source(images(224, 224), [1, 5], mode="loss")
    losses["loss"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in source.parameters())
    with pytest.raises(ValueError, match="not 'predict'"):
        source(images(224, 224), mode="predict")
