"""FCN-32s on CaffeNet, the AlexNet of Caffe."""

from mmengine.config import read_base

from repro.models.alexnet import CaffeNet

with read_base():
    from .fcn import *

model.update(backbone=dict(type=CaffeNet))
