"""FCN-32s on VGG16."""

from mmengine.config import read_base

from repro.models.vgg16 import VGG16

with read_base():
    from .fcn import *

model.update(backbone=dict(type=VGG16))
