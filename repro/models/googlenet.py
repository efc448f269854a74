"""GoogLeNet (Szegedy et al., 2014) in the layout of Caffe's model zoo, fully convolutional (section 4.1, Table 1).

Only the last of its three losses is kept, and its final average pooling is discarded. torchvision's GoogLeNet has
batch normalisation where this one has local response normalisation: it is another net.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from repro.models import geometry
from repro.models.normalization import LocalResponseNorm
from repro.models.trunk import Trunk, scaled

OUTPUTS = {"pool1": "pool1/norm1", "pool2": "pool2/3x3_s2", "pool3": "pool3/3x3_s2", "inception_5b": "drop"}


class Widths(NamedTuple):
    """Channels of an inception module: 1x1 | 3x3 reduce, 3x3 | 5x5 reduce, 5x5 | projection of the pool."""

    one: int
    three_reduce: int
    three: int
    five_reduce: int
    five: int
    pool_proj: int


INCEPTIONS = {
    "3a": Widths(64, 96, 128, 16, 32, 32),
    "3b": Widths(128, 128, 192, 32, 96, 64),
    "4a": Widths(192, 96, 208, 16, 48, 64),
    "4b": Widths(160, 112, 224, 24, 64, 64),
    "4c": Widths(128, 128, 256, 24, 64, 64),
    "4d": Widths(112, 144, 288, 32, 64, 64),
    "4e": Widths(256, 160, 320, 32, 128, 128),
    "5a": Widths(256, 160, 320, 32, 128, 128),
    "5b": Widths(384, 192, 384, 48, 128, 128),
}


class Inception(nn.Module):
    """Four branches on one grid, their maps joined on the channel axis."""

    def __init__(self, in_channels: int, widths: Widths) -> None:
        super().__init__()
        one, three_reduce, three, five_reduce, five, pool_proj = widths
        self.add_module("1x1", nn.Conv2d(in_channels, one, 1))
        self.add_module("3x3_reduce", nn.Conv2d(in_channels, three_reduce, 1))
        self.add_module("3x3", nn.Conv2d(three_reduce, three, 3, padding=1))
        self.add_module("5x5_reduce", nn.Conv2d(in_channels, five_reduce, 1))
        self.add_module("5x5", nn.Conv2d(five_reduce, five, 5, padding=2))
        self.add_module("pool", nn.MaxPool2d(3, 1, padding=1, ceil_mode=True))
        self.add_module("pool_proj", nn.Conv2d(in_channels, pool_proj, 1))
        self.branches = (("1x1",), ("3x3_reduce", "3x3"), ("5x5_reduce", "5x5"), ("pool", "pool_proj"))
        self.out_channels = one + three + five + pool_proj

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, H, W)."""
        return torch.cat([self._branch(names, x) for names in self.branches], dim=1)

    def _branch(self, names: tuple[str, ...], x: Tensor) -> Tensor:
        for name in names:
            x = self.get_submodule(name)(x)
            if name != "pool":
                x = nn.functional.relu_(x)
        return x

    @property
    def geometry(self) -> geometry.Geometry:
        """The grid that the branches share, and the widest branch's receptive field."""
        chains = ([geometry.trace(self.get_submodule(name)) for name in names] for names in self.branches)
        return geometry.parallel(map(geometry.chain, chains))


@MODELS.register_module()
class GoogLeNet(Trunk):
    """Three convolutions and nine inception modules.

    The maps `pool1` (stride 4), `pool2` (stride 8) and `pool3` (stride 16) stand for VGG16's pools of these strides.
    With its own padding the net needs 31 pixels a side; smaller images are padded with zeros.

    Args:
        in_channels: 3 for BGR or HHA, 4 for BGR with depth.
        width: factor on every number of channels; 1 is the paper's net.
        padding: of the first convolution; 3 is the classifier's own.
        dropout: probability before the score layer.
    """

    def __init__(self, in_channels: int = 3, width: float = 1, padding: int = 3, dropout: float = 0.4) -> None:
        super().__init__(
            _layers(in_channels, width, padding, dropout),
            OUTPUTS,
            classifier_pool=nn.AvgPool2d(7, 1),
        )


def _layers(in_channels: int, width: float, padding: int, dropout: float) -> Iterator[tuple[str, nn.Module]]:
    w64, w192 = scaled(64, width), scaled(192, width)
    yield "conv1/7x7_s2", nn.Conv2d(in_channels, w64, 7, stride=2, padding=padding)
    yield "conv1/relu_7x7", nn.ReLU(inplace=True)
    yield "pool1/3x3_s2", nn.MaxPool2d(3, 2, ceil_mode=True)
    yield "pool1/norm1", LocalResponseNorm(5)
    yield "conv2/3x3_reduce", nn.Conv2d(w64, w64, 1)
    yield "conv2/relu_3x3_reduce", nn.ReLU(inplace=True)
    yield "conv2/3x3", nn.Conv2d(w64, w192, 3, padding=1)
    yield "conv2/relu_3x3", nn.ReLU(inplace=True)
    yield "conv2/norm2", LocalResponseNorm(5)
    yield "pool2/3x3_s2", nn.MaxPool2d(3, 2, ceil_mode=True)
    channels = w192
    names = list(INCEPTIONS)
    for name, following in pairwise([*names, ""]):
        inception = Inception(channels, Widths(*(scaled(count, width) for count in INCEPTIONS[name])))
        yield f"inception_{name}", inception
        channels = inception.out_channels
        if following and following[0] != name[0]:
            yield f"pool{name[0]}/3x3_s2", nn.MaxPool2d(3, 2, ceil_mode=True)
    yield "drop", nn.Dropout(dropout)
