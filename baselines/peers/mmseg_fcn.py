"""mmsegmentation's FCN head on a ResNet-50 of stride 8 by dilation (R50-D8), built from its own components."""

from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from repro.stack import BaseSegmentor  # imports mmseg's models, which registers them

BATCH_NORM = {"type": "BN"}
NET: dict[str, Any] = {
    "type": "EncoderDecoder",
    "backbone": {
        "type": "ResNetV1c",
        "depth": 50,
        "strides": (1, 2, 1, 1),
        "dilations": (1, 1, 2, 4),
        "contract_dilation": True,
        "norm_cfg": BATCH_NORM,
    },
    "decode_head": {
        "type": "FCNHead",
        "in_channels": 2048,
        "channels": 512,
        "num_convs": 2,
        "num_classes": 21,
        "norm_cfg": BATCH_NORM,
        "loss_decode": {"type": "CrossEntropyLoss", "avg_non_ignore": True},
    },
}


class MmsegFCN:
    """The net as mmsegmentation runs it on whole images; its auxiliary head serves training alone and is left out."""

    name = "mmseg_r50"
    what = "mmsegmentation's FCNHead on R50-D8"
    package = "onedl-mmsegmentation"
    licence = "Apache-2.0"
    experiment = "voc2011/fcn8s_vgg16"
    stride = 1

    def build(self, device: torch.device | str = "cpu") -> nn.Module:
        return _Scores(MODELS.build(NET)).eval().to(device)


class _Scores(nn.Module):
    """The scores of every pixel: the mode `tensor` of an EncoderDecoder stops at stride 8."""

    def __init__(self, net: BaseSegmentor) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        return self.net.encode_decode(images, [{"img_shape": images.shape[-2:]}] * len(images))
