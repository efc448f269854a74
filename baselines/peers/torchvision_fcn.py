"""torchvision's FCN: a ResNet of stride 8 by dilation, a head of two layers, bilinear interpolation."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchvision.models import get_model


@dataclass(frozen=True)
class TorchvisionFCN:
    """One of its two nets, for VOC's 21 classes.

    Args:
        depth: layers of the ResNet, 50 or 101.
    """

    depth: int
    package = "torchvision"
    licence = "BSD-3-Clause"
    experiment = "voc2011/fcn8s_vgg16"
    stride = 1

    @property
    def name(self) -> str:
        return f"torchvision_resnet{self.depth}"

    @property
    def what(self) -> str:
        return f"torchvision's fcn_resnet{self.depth}"

    def build(self, device: torch.device | str = "cpu") -> nn.Module:
        net = get_model(f"fcn_resnet{self.depth}", weights=None, weights_backbone=None, num_classes=21)
        return _Scores(net).eval().to(device)


class _Scores(nn.Module):
    """The scores alone of a net that gives a dictionary."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)["out"]
