"""FCN-32s, VGG16, SBD train, the CVPR recipe, each cell of the coarsest map kept with probability 50% (Figure 5).

Starts from the ILSVRC classifier. Twice the images an update, as many images in all as voc2011/fcn32s_vgg16_cvpr, so
half the updates; three days on a K40. The loss is an estimate of the whole images', and compares with theirs.
"""

from mmengine.config import read_base

with read_base():
    from ..voc2011.fcn32s_vgg16_cvpr import *

model.decode_head.loss.update(sampled=0.5)
optim_wrapper.update(accumulative_counts=40)
experiment = dict(recipe="cvpr2015", starts_from="ilsvrc/vgg16")
