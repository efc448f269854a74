"""FCN-32s-fixed, VGG16, VOC 2011, the released (heavy) recipe: the score layer alone is trained. No printed number.

The paper prints this row for the CVPR recipe (fcn32s_fixed_vgg16_cvpr). 100,000 iterations.
"""

from mmengine.config import read_base

with read_base():
    from .fcn32s_vgg16 import *

model.update(freeze_backbone=True)
experiment = dict(recipe="release", starts_from="ilsvrc/vgg16", claims=[])
