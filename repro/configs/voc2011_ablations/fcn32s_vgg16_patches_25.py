"""FCN-32s, VGG16, SBD train, the CVPR recipe, each cell of the coarsest map kept with probability 25% (Figure 5).

Starts from the ILSVRC classifier. Four times the images an update, so a quarter of the updates; three days on a K40.
"""

from mmengine.config import read_base

with read_base():
    from .fcn32s_vgg16_patches_50 import *

model.decode_head.loss.update(sampled=0.25)
optim_wrapper.update(accumulative_counts=80)
experiment = dict(recipe="cvpr2015", starts_from="ilsvrc/vgg16")
