"""Stage 0 on the sample for torchvision's GoogLeNet, an eighth as wide, in place of its classifier. No table row."""

from mmengine.config import read_base

from repro.models.torchvision_nets import TorchvisionGoogLeNet

with read_base():
    from .classifier_vgg16 import *

model.backbone = dict(type=TorchvisionGoogLeNet, width=1 / 8, padding=3, dropout=0)
experiment = dict(recipe="sample")
