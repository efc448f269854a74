"""torchvision's AlexNet and GoogLeNet, fully convolutional: other nets than Caffe's of the same names.

Its VGG16 is ours. Where torchvision's pools round down these round up: at the classifiers' own size, 224x224, that is
the same, and with the padding of 100 it is what lets the scores cover every image.
"""

from collections.abc import Iterator
from itertools import pairwise

from mmseg.registry import MODELS
from torch import nn

from repro.models.googlenet import INCEPTIONS, Inception, Widths
from repro.models.trunk import Trunk, scaled


@MODELS.register_module()
class TorchvisionAlexNet(Trunk):
    """One tower of five convolutions (Krizhevsky, 2014), then fc6 and fc7; neither groups nor normalisation.

    Args:
        in_channels: 3 for BGR or HHA, 4 for BGR with depth.
        width: factor on every number of channels; 1 is torchvision's net.
        padding: of `conv1`. 100 gives even a single pixel a score, as in CaffeNet; 2 is the classifier's own.
        dropout: probability before fc6 and fc7, which is where torchvision has it.
    """

    def __init__(self, in_channels: int = 3, width: float = 1, padding: int = 100, dropout: float = 0.5) -> None:
        outputs = {"pool1": "pool1", "pool2": "pool2", "fc7": "relu7"}
        super().__init__(_alexnet(in_channels, width, padding, dropout), outputs)


@MODELS.register_module()
class TorchvisionGoogLeNet(Trunk):
    """GoogLeNet with the batch normalisation of its training folded into the convolutions, whose biases it becomes.

    In the branch called 5x5 the kernels are 3x3, and the last pool is 2x2.

    Args:
        in_channels: 3 for BGR or HHA, 4 for BGR with depth.
        width: factor on every number of channels; 1 is torchvision's net.
        padding: of the first convolution; 3 is the classifier's own.
        dropout: probability before the score layer.
    """

    def __init__(self, in_channels: int = 3, width: float = 1, padding: int = 3, dropout: float = 0.2) -> None:
        super().__init__(
            _googlenet(in_channels, width, padding, dropout),
            {"pool1": "pool1", "pool2": "pool2", "pool3": "pool3", "inception_5b": "drop"},
            classifier_pool=nn.AvgPool2d(7, 1),
        )


class _Inception(Inception):
    """An inception module whose 5x5 branch has 3x3 kernels."""

    def __init__(self, in_channels: int, widths: Widths) -> None:
        super().__init__(in_channels, widths)
        self.add_module("5x5", nn.Conv2d(widths.five_reduce, widths.five, 3, padding=1))


def _alexnet(in_channels: int, width: float, padding: int, dropout: float) -> Iterator[tuple[str, nn.Module]]:
    w64, w192, w384, w256, w4096 = (scaled(channels, width) for channels in (64, 192, 384, 256, 4096))
    yield "conv1", nn.Conv2d(in_channels, w64, 11, stride=4, padding=padding)
    yield "relu1", nn.ReLU(inplace=True)
    yield "pool1", nn.MaxPool2d(3, 2, ceil_mode=True)
    yield "conv2", nn.Conv2d(w64, w192, 5, padding=2)
    yield "relu2", nn.ReLU(inplace=True)
    yield "pool2", nn.MaxPool2d(3, 2, ceil_mode=True)
    yield "conv3", nn.Conv2d(w192, w384, 3, padding=1)
    yield "relu3", nn.ReLU(inplace=True)
    yield "conv4", nn.Conv2d(w384, w256, 3, padding=1)
    yield "relu4", nn.ReLU(inplace=True)
    yield "conv5", nn.Conv2d(w256, w256, 3, padding=1)
    yield "relu5", nn.ReLU(inplace=True)
    yield "pool5", nn.MaxPool2d(3, 2, ceil_mode=True)
    yield "drop5", nn.Dropout(dropout)
    yield "fc6", nn.Conv2d(w256, w4096, 6)
    yield "relu6", nn.ReLU(inplace=True)
    yield "drop6", nn.Dropout(dropout)
    yield "fc7", nn.Conv2d(w4096, w4096, 1)
    yield "relu7", nn.ReLU(inplace=True)


def _googlenet(in_channels: int, width: float, padding: int, dropout: float) -> Iterator[tuple[str, nn.Module]]:
    w64, w192 = scaled(64, width), scaled(192, width)
    yield "conv1", nn.Conv2d(in_channels, w64, 7, stride=2, padding=padding)
    yield "relu1", nn.ReLU(inplace=True)
    yield "pool1", nn.MaxPool2d(3, 2, ceil_mode=True)
    yield "conv2_reduce", nn.Conv2d(w64, w64, 1)
    yield "relu2_reduce", nn.ReLU(inplace=True)
    yield "conv2", nn.Conv2d(w64, w192, 3, padding=1)
    yield "relu2", nn.ReLU(inplace=True)
    yield "pool2", nn.MaxPool2d(3, 2, ceil_mode=True)
    channels = w192
    for name, following in pairwise([*INCEPTIONS, ""]):
        inception = _Inception(channels, Widths(*(scaled(count, width) for count in INCEPTIONS[name])))
        yield f"inception_{name}", inception
        channels = inception.out_channels
        if following and following[0] != name[0]:
            yield f"pool{name[0]}", nn.MaxPool2d(3 if name[0] == "3" else 2, 2, ceil_mode=True)
    yield "drop", nn.Dropout(dropout)
