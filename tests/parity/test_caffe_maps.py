"""A net written as Caffe describes it, run by OpenCV, and ours with the same file: the same scores."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from caffe_files import Layer
from caffe_nets import CaffeNet, classifier, fully_convolutional, released, run, skip_head, vgg16
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional

from repro import experiments
from repro.errors import UserError
from repro.models import FCN, VGG16, GoogLeNet, PixelSoftmaxLoss, SkipHead
from repro.models import CaffeNet as OurCaffeNet
from repro.models.upsample import Upsample, bilinear_kernel
from repro.weights import published
from repro.weights.caffe import CaffeLayer, read_caffemodel
from repro.weights.name_maps import (
    ILSVRC,
    PLAIN,
    RELEASED,
    NameMap,
    classifier_tensors,
    fcn_tensors,
)
from repro.weights.store import Weights, hand_on, load_into

WIDTH = 1 / 16
SIZES = [(21, 17), (33, 47), (64, 50)]
TOLERANCE = 1e-5


@pytest.fixture(autouse=True)
def scope():
    """What a runner sets from `default_scope`."""
    with DefaultScope.overwrite_default_scope("mmseg"):
        yield


def head(classes: int, **options) -> dict:
    return dict(type=SkipHead, num_classes=classes, loss=dict(type=PixelSoftmaxLoss, reduction="sum"), **options)


def build(backbone: dict, decode_head: dict) -> FCN:
    return FCN(backbone=backbone, decode_head=decode_head).eval()


def as_read(net: CaffeNet) -> dict[str, CaffeLayer]:
    """The layers that reading the net's file would give."""
    return {layer.name: CaffeLayer(layer.name, layer.type, tuple(layer.blobs)) for layer in net.layers}


def image(channels: int, size: tuple[int, int]) -> np.ndarray:
    return (60 * np.random.default_rng(size).standard_normal((1, channels, *size))).astype(np.float32)


def close(found: Tensor, expected: np.ndarray) -> None:
    """Equal to a share of the largest score."""
    assert tuple(found.shape) == expected.shape
    assert expected.std() > 0
    error = float(np.abs(found.numpy() - expected).max() / np.abs(expected).max())
    print(f"relative error {error:.1e}")
    assert error <= TOLERANCE


# Classifiers: what they are called, the trunk, its own padding, its input size
CLASSIFIERS = [("vgg16", VGG16, 1, 224), ("caffenet", OurCaffeNet, 0, 227), ("googlenet", GoogLeNet, 3, 224)]


@pytest.mark.parametrize("v1", [False, True], ids=["layer", "layers"])
@pytest.mark.parametrize(("name", "trunk", "padding", "side"), CLASSIFIERS, ids=[net[0] for net in CLASSIFIERS])
@torch.no_grad()
def test_a_classifier_of_the_zoo_gives_its_logits(name, trunk, padding, side, v1, tmp_path):
    theirs, logits = classifier(name, WIDTH)
    prototxt, caffemodel = theirs.write(tmp_path, v1=v1, legacy=v1)
    x = image(3, (side, side))
    (expected,) = run(prototxt, caffemodel, [logits], data=x)

    net = trunk(width=WIDTH, padding=padding).eval()
    tensors = classifier_tensors(read_caffemodel(caffemodel), ILSVRC[name], net, caffemodel)
    net.load_state_dict({name.removeprefix("backbone."): tensors[name] for name in tensors if "backbone" in name})
    pooled = net.classifier_pool[0](net(torch.from_numpy(x))[net.top])
    scores = functional.conv2d(pooled, tensors["classifier.weight"], tensors["classifier.bias"])
    close(scores, expected[:, :, None, None])

    fcn = build(dict(type=trunk, width=WIDTH), head(21))
    hand_on(Weights(tensors), fcn, caffemodel)  # as FCN-32s starts


def experiments_net(name: str) -> FCN:
    """Ours, of the same width."""
    config = Config.fromfile(experiments.get(name).path).model
    config.backbone.get("stream", config.backbone).width = WIDTH
    return MODELS.build(config).eval()


@torch.no_grad()
def same_scores(
    theirs: CaffeNet, tops: Sequence[str], net: FCN, names: NameMap, folder: Path, sizes=SIZES, v1: bool = False
) -> None:
    """OpenCV's scores and ours, on images of several sizes."""
    prototxt, caffemodel = theirs.write(folder, v1=v1, legacy=v1)
    load_into(Weights(fcn_tensors(read_caffemodel(caffemodel), names, net, caffemodel)), net, caffemodel)
    inputs = [name for name in ("data", "color", "hha") if name in theirs.channels]
    for size in sizes:
        x = {name: image(theirs.channels[name], size) for name in inputs}
        expected = run(prototxt, caffemodel, tops, **x)
        of_another_image = run(prototxt, caffemodel, tops, **{name: -values for name, values in x.items()})
        found = net(torch.from_numpy(np.concatenate(list(x.values()), axis=1)), mode="tensor")
        scores = found if isinstance(found, tuple) else (found,)
        for ours, score, other in zip(scores, expected, of_another_image, strict=True):
            assert ours.shape[-2:] == size
            assert np.abs(score - other).max() > 0.01 * np.abs(score).max()  # they depend on the image
            close(ours, score)


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_net_gives_the_scores_of_our_experiment(name, tmp_path):
    theirs, tops = released(name, WIDTH)
    same_scores(theirs, tops, experiments_net(name), RELEASED[name], tmp_path)


@pytest.mark.parametrize("name", ["voc2011/fcn8s_vgg16", "voc2011/fcn32s_alexnet", "siftflow/fcn16s_vgg16"])
def test_an_older_file_gives_the_same_scores(name, tmp_path):
    theirs, tops = released(name, WIDTH)
    same_scores(theirs, tops, experiments_net(name), RELEASED[name], tmp_path, SIZES[:1], v1=True)


def test_factors_that_differ_from_the_experiments_go_into_the_score_layer(tmp_path):
    theirs = CaffeNet(data=3)
    x = fully_convolutional(theirs, vgg16(theirs, WIDTH, pad=100), WIDTH, 7)
    skip_head(theirs, x, 21, 8, scales=True, spread=0.5)
    net = experiments_net("voc2011/fcn8s_atonce_vgg16")
    same_scores(theirs, ["score"], net, PLAIN, tmp_path, SIZES[1:2])
    factors = net.decode_head.scales
    assert factors == {"pool4": 0.01, "pool3": 0.0001}


def test_the_released_factors_leave_the_score_layer_as_it_is(tmp_path):
    theirs, _ = released("voc2011/fcn8s_atonce_vgg16", WIDTH)
    _, caffemodel = theirs.write(tmp_path)
    layers = read_caffemodel(caffemodel)
    tensors = fcn_tensors(layers, PLAIN, experiments_net("voc2011/fcn8s_atonce_vgg16"), caffemodel)
    for pool in ("pool4", "pool3"):
        assert np.array_equal(tensors[f"decode_head.score_{pool}.weight"], layers[f"score_{pool}"].blobs[0])


@pytest.mark.parametrize("name", ["voc2011/fcn32s_vgg16", "voc2011/fcn8s_vgg16"])
def test_deconvolutions_that_mix_classes_stay_dense(name, tmp_path):
    theirs = CaffeNet(data=3)
    x = fully_convolutional(theirs, vgg16(theirs, WIDTH, pad=100), WIDTH, 7)
    skip_head(theirs, x, 21, 8 if "8s" in name else 32, dense=True)
    net, layers = experiments_net(name), as_read(theirs)
    same_scores(theirs, ["score"], net, PLAIN, tmp_path, SIZES[1:])
    for name, layer in net.decode_head.named_children():
        if isinstance(layer, Upsample):
            assert np.array_equal(layer.weight, layers[name].blobs[0]) and not layer.weight.requires_grad
            assert layer.weight.shape == (21, 21, *layer.kernel_size)


def test_one_deconvolution_that_mixes_classes_leaves_the_others_as_they_are(tmp_path):
    theirs, tops = released("voc2011/fcn8s_vgg16", WIDTH)
    mixing = next(layer for layer in theirs.layers if layer.name == "upscore_pool4")
    mixing.blobs[0][3, 17, 0, 2] = 0.5  # one number off the diagonal
    net = experiments_net("voc2011/fcn8s_vgg16")
    same_scores(theirs, tops, net, PLAIN, tmp_path, SIZES[:1])
    groups = {name: layer.groups for name, layer in net.decode_head.named_children() if isinstance(layer, Upsample)}
    assert groups == {"upscore2": 21, "upscore_pool4": 1, "upscore8": 21}


@pytest.mark.parametrize("learned", [False, True])
def test_released_deconvolutions_fold_into_ours(learned):
    """Diagonal and bilinear: what our fixed upsampling holds already. A learned one takes them as they are."""
    net = build(dict(type=VGG16, width=WIDTH), head(21, fuse=("pool4",), learned_upsampling=learned))
    theirs, _ = released("voc2011/fcn16s_vgg16", WIDTH)
    layers = as_read(theirs)
    for name, kernel in (("upscore2", 4), ("upscore16", 32)):
        layers[name].blobs[0][...] = np.eye(21)[:, :, None, None] * bilinear_kernel(kernel).numpy()
    tensors = fcn_tensors(layers, PLAIN, net, "a file")
    for name, layer in net.decode_head.named_children():
        if isinstance(layer, Upsample):
            assert torch.equal(tensors[f"decode_head.{name}.weight"], layer.weight)
    grouped = layers["upscore16"].blobs[0][:, :1] + 1
    layers["upscore16"] = replace(layers["upscore16"], blobs=(grouped,))
    found = fcn_tensors(layers, PLAIN, net, "a file")
    assert np.array_equal(found["decode_head.upscore16.weight"], grouped)


def test_every_fault_is_listed():
    theirs, _ = released("voc2011/fcn16s_vgg16", WIDTH)
    layers = as_read(theirs)

    def change(name: str, *blobs: np.ndarray) -> None:
        layers[name] = CaffeLayer(name, "", blobs)

    del layers["conv1_2"]
    change("fc7", layers["fc7"].blobs[0])
    change("conv2_1", layers["conv2_1"].blobs[0].transpose(1, 0, 2, 3))
    change("upscore2", theirs.draw(21, 20, 4, 4), theirs.draw(21), theirs.draw(1))
    change("score_fr", layers["score_fr"].blobs[0], theirs.draw(20))
    change("fc8", theirs.draw(9, 9))
    with pytest.raises(UserError) as caught:
        fcn_tensors(layers, PLAIN, experiments_net("voc2011/fcn16s_vgg16"), "some.caffemodel")
    assert str(caught.value) == (
        "some.caffemodel holds the weights of another net (missing: conv1_2 weight, conv1_2 bias, conv2_1 bias, "
        "fc7 bias; unused: upscore2 bias, upscore2 blob 2, fc8 weight; misshapen: conv2_1 weight of (4, 8, 3, 3), not "
        "(8, 4, 3, 3), score_fr bias of (20,), not (21,), upscore2 weight of (21, 20, 4, 4), not (21, 1, 4, 4)): "
        "name the net that it is of"
    )


OTHERS = [
    (
        "voc2011/fcn32s_vgg16",
        "voc2011/fcn16s_vgg16",
        "missing: upscore2 weight, score_pool4 .*unused: upscore weight",
    ),
    ("voc2011/fcn16s_vgg16", "voc2011/fcn8s_vgg16", "missing: .*upscore_pool4 weight.*unused: upscore16 weight"),
    ("voc2011/fcn8s_vgg16", "voc2011/fcn16s_vgg16", "unused: .*score_pool3 weight, score_pool3 bias"),
    ("voc2011/fcn8s_vgg16", "voc2011/fcn8s_atonce_vgg16", "missing: scale_pool4 weight, scale_pool3 weight[)]"),
    ("voc2011/fcn8s_atonce_vgg16", "voc2011/fcn8s_vgg16", "unused: scale_pool4 weight, scale_pool3 weight[)]"),
    ("voc2011/fcn32s_vgg16", "voc2011/fcn32s_alexnet", "missing: conv1 weight.*unused: conv1_1 weight"),
]


@pytest.mark.parametrize(("file", "experiment", "match"), OTHERS)
def test_the_file_of_another_net_is_refused(file, experiment, match, tmp_path):
    _, caffemodel = released(file, WIDTH)[0].write(tmp_path)
    with pytest.raises(UserError, match=match) as caught:
        fcn_tensors(read_caffemodel(caffemodel), RELEASED[experiment], experiments_net(experiment), caffemodel)
    assert str(caught.value).startswith(str(caffemodel)) and "\n" not in str(caught.value)


def test_a_classifier_over_other_labels_or_of_another_net_is_refused(tmp_path):
    _, caffemodel = classifier("caffenet", WIDTH, classes=20)[0].write(tmp_path)
    layers = read_caffemodel(caffemodel)
    with pytest.raises(UserError, match=r"misshapen: fc8 weight of \(20, 256\), not \(1000, 256, 1, 1\)"):
        classifier_tensors(layers, ILSVRC["caffenet"], OurCaffeNet(width=WIDTH), caffemodel)
    with pytest.raises(UserError, match=r"missing: conv1_1 weight.*unused: conv1 weight.*fc6 weight of \(256, 576\)"):
        classifier_tensors(layers, ILSVRC["vgg16"], VGG16(width=WIDTH), caffemodel)


def test_the_auxiliary_losses_of_googlenet_are_dropped_and_nothing_else():
    theirs, _ = classifier("googlenet", WIDTH)
    trunk = GoogLeNet(width=WIDTH)
    tensors = classifier_tensors(as_read(theirs), ILSVRC["googlenet"], trunk, "a file")
    own = {f"backbone.{name}" for name in trunk.state_dict()}
    assert set(tensors) == own | {"classifier.weight", "classifier.bias"}
    theirs.layers.append(Layer("loss4/conv", "Convolution", [theirs.draw(2, 2, 1, 1)]))
    with pytest.raises(UserError, match=r"\(unused: loss4/conv weight\)"):
        classifier_tensors(as_read(theirs), ILSVRC["googlenet"], trunk, "a file")


def test_every_released_net_is_an_experiment_of_ours():
    assert len(RELEASED) == 15 and set(RELEASED) == set(published.RELEASED) <= set(experiments.find())
