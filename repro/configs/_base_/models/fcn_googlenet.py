"""FCN-32s on GoogLeNet, with the classifier's own padding."""

from mmengine.config import read_base

from repro.models.googlenet import GoogLeNet

with read_base():
    from .fcn import *

model.update(backbone=dict(type=GoogLeNet))
