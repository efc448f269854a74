"""The layers that Caffe has in a form of its own, one by one, against OpenCV's engine on small maps of every size."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from caffe_nets import CaffeNet, run
from torch import Tensor, nn

from repro.models import VGG16, GoogLeNet
from repro.models import CaffeNet as OurCaffeNet
from repro.models.normalization import LocalResponseNorm
from repro.weights.caffe import read_caffemodel

LARGEST = 70  # pixels a side
SPREAD = 100  # of the maps' values, about what the nets' first layers give
TOLERANCE = 1e-5
WIDTH = 1 / 8


@cache
def layers(kind: type[nn.Module]) -> list[Any]:
    """Every layer of a kind in the three trunks."""
    trunks = [VGG16(width=WIDTH), OurCaffeNet(width=WIDTH), GoogLeNet(width=WIDTH)]
    return [layer for trunk in trunks for layer in trunk.modules() if isinstance(layer, kind)]


def maps(channels: int, smallest: int) -> Iterator[Tensor]:
    """A random map (1, C, H, W) of every height, and of every width, from `smallest` to 70, square and not."""
    generator = np.random.default_rng(0)
    for side in range(smallest, LARGEST + 1):
        other = int(generator.integers(smallest, LARGEST + 1))
        for height, width in {(side, side), (side, other), (other, side)}:
            values = SPREAD * generator.standard_normal((1, channels, height, width))
            yield torch.from_numpy(values.astype(np.float32))


@torch.no_grad()
def largest_error(net: CaffeNet, ours: Callable[[Tensor], Tensor], smallest: int, folder: Path) -> float:
    """How far a net of one layer and ours differ, on maps of all sizes; relative to the largest value."""
    prototxt, caffemodel = net.write(folder)
    top = list(net.channels)[-1]
    errors = []
    for x in maps(net.channels["data"], smallest):
        (expected,) = run(prototxt, caffemodel, [top], data=x.numpy())
        found = ours(x).numpy()
        assert found.shape == expected.shape, f"on a map of {tuple(x.shape)}"
        assert expected.any()
        errors.append(np.abs(found - expected).max() / np.abs(expected).max())
    error = float(np.max(errors))  # NaN where one is
    print(f"relative error {error:.1e}")
    return error


POOLS = [(2, 2, 0), (3, 1, 1), (3, 2, 0)]  # kernel, stride, padding


def pools() -> dict[tuple[int, int, int], list[Any]]:
    """The trunks' pools by kernel, stride and padding."""
    found: dict[tuple[int, int, int], list[Any]] = {}
    for pool in layers(nn.MaxPool2d):
        found.setdefault((pool.kernel_size, pool.stride, pool.padding), []).append(pool)
    return found


def test_the_trunks_have_no_other_pools():
    assert sorted(pools()) == POOLS


@pytest.mark.parametrize("settings", POOLS, ids=str)
def test_pooling_rounds_its_size_up(settings, tmp_path):
    """Exactly: a maximum is one of the values."""
    pool, *others = pools()[settings]
    assert all(repr(other) == repr(pool) for other in others)
    net = CaffeNet(data=3)
    net.pooling("pool", "data", *settings)
    assert largest_error(net, pool, pool.kernel_size, tmp_path) == 0


@pytest.mark.parametrize("channels", [3, 12])
def test_normalisation_over_neighbouring_channels(channels, tmp_path):
    """Also where there are fewer channels than it sums over."""
    net = CaffeNet(data=channels)
    net.lrn("norm", "data")
    norm, *others = layers(LocalResponseNorm)
    assert len(others) == 3  # CaffeNet and GoogLeNet have two each
    assert all(repr(other) == repr(norm) for other in others)
    assert largest_error(net, norm, 1, tmp_path) <= TOLERANCE


@pytest.mark.parametrize("name", ["conv2", "conv4", "conv5"])
def test_convolution_in_two_groups(name, tmp_path):
    """Their weights as our reader takes them from the file."""
    conv: Any = OurCaffeNet(width=WIDTH).get_submodule(name)
    (kernel, _), (pad, _) = conv.kernel_size, conv.padding
    net = CaffeNet(data=conv.in_channels)
    net.convolution(name, "data", conv.out_channels, kernel, relu=False, gain=64, pad=pad, group=2)
    _, caffemodel = net.write(tmp_path)
    weight, bias = read_caffemodel(caffemodel)[name].blobs
    conv.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    assert largest_error(net, conv, kernel, tmp_path) <= TOLERANCE
