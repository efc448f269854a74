"""FCN-32s-fixed, VGG16, SBD train, the CVPR recipe: the score layer alone is trained. Expect 45.4 mean IU (Table 2)."""

from mmengine.config import read_base

with read_base():
    from .fcn32s_vgg16_cvpr import *

model.update(freeze_backbone=True)
experiment = dict(recipe="cvpr2015", starts_from="ilsvrc/vgg16", claims=["cvpr2015/table2/FCN-32s-fixed"])
