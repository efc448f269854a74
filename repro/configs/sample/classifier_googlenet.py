"""Stage 0 on the sample for GoogLeNet, an eighth as wide. It stands for the ILSVRC classifier. No table row."""

from mmengine.config import read_base

from repro.models.googlenet import GoogLeNet

with read_base():
    from .classifier_vgg16 import *

model.backbone = dict(type=GoogLeNet, width=1 / 8, dropout=0)
experiment = dict(recipe="sample")
