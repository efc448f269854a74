"""AlexNet (Krizhevsky et al., 2012) in the form of Caffe's CaffeNet, fully convolutional (section 4.1, Table 1).

CaffeNet pools before it normalises, and splits conv2, conv4 and conv5 into two groups. torchvision's AlexNet has
neither groups nor normalisation: it is another net.
"""

from collections.abc import Iterator

from mmseg.registry import MODELS
from torch import nn

from repro.models.normalization import LocalResponseNorm
from repro.models.trunk import Trunk, scaled

OUTPUTS = {"pool1": "norm1", "pool2": "norm2", "fc7": "drop7"}


@MODELS.register_module()
class CaffeNet(Trunk):
    """Five convolutions, then fc6 and fc7 as convolutions.

    The maps `pool1` (stride 8) and `pool2` (stride 16) are handed out after their normalisation.

    Args:
        in_channels: 3 for BGR or HHA, 4 for BGR with depth.
        width: factor on every number of channels; 1 is the paper's net.
        padding: of `conv1`. 100 gives even a single pixel a score; 0 is the classifier's own.
        dropout: probability after fc6 and fc7.
    """

    def __init__(self, in_channels: int = 3, width: float = 1, padding: int = 100, dropout: float = 0.5) -> None:
        super().__init__(_layers(in_channels, width, padding, dropout), OUTPUTS)


def _layers(in_channels: int, width: float, padding: int, dropout: float) -> Iterator[tuple[str, nn.Module]]:
    w96, w256, w384, w4096 = (scaled(channels, width, multiple=2) for channels in (96, 256, 384, 4096))
    yield "conv1", nn.Conv2d(in_channels, w96, 11, stride=4, padding=padding)
    yield "relu1", nn.ReLU(inplace=True)
    yield "pool1", nn.MaxPool2d(3, 2, ceil_mode=True)
    yield "norm1", LocalResponseNorm(5)
    yield "conv2", nn.Conv2d(w96, w256, 5, padding=2, groups=2)
    yield "relu2", nn.ReLU(inplace=True)
    yield "pool2", nn.MaxPool2d(3, 2, ceil_mode=True)
    yield "norm2", LocalResponseNorm(5)
    yield "conv3", nn.Conv2d(w256, w384, 3, padding=1)
    yield "relu3", nn.ReLU(inplace=True)
    yield "conv4", nn.Conv2d(w384, w384, 3, padding=1, groups=2)
    yield "relu4", nn.ReLU(inplace=True)
    yield "conv5", nn.Conv2d(w384, w256, 3, padding=1, groups=2)
    yield "relu5", nn.ReLU(inplace=True)
    yield "pool5", nn.MaxPool2d(3, 2, ceil_mode=True)
    yield "fc6", nn.Conv2d(w256, w4096, 6)
    yield "relu6", nn.ReLU(inplace=True)
    yield "drop6", nn.Dropout(dropout)
    yield "fc7", nn.Conv2d(w4096, w4096, 1)
    yield "relu7", nn.ReLU(inplace=True)
    yield "drop7", nn.Dropout(dropout)
