"""Stage 0 on the sample for torchvision's AlexNet, an eighth as wide, in place of its classifier. No table row."""

from mmengine.config import read_base

from repro.models.torchvision_nets import TorchvisionAlexNet

with read_base():
    from .classifier_vgg16 import *

model.backbone = dict(type=TorchvisionAlexNet, width=1 / 8, padding=2, dropout=0)
experiment = dict(recipe="sample")
