"""Stage 0 on the sample for CaffeNet, an eighth as wide. It stands for the ILSVRC classifier. No table row."""

from mmengine.config import read_base

from repro.models.alexnet import CaffeNet

with read_base():
    from .classifier_vgg16 import *

model.backbone = dict(type=CaffeNet, width=1 / 8, padding=0, dropout=0)
experiment = dict(recipe="sample")
