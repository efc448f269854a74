"""Figure 5 on the sample: FCN-32s, each cell of the coarsest map kept with probability 25%, four images an update.

Starts from sample/classifier_vgg16. As many images in all as ablations/fcn32s_sample_patches_100.
"""

from mmengine.config import read_base

with read_base():
    from .fcn32s_sample_patches_50 import *

model.decode_head.loss.update(sampled=0.25)
optim_wrapper.update(accumulative_counts=4)
experiment = dict(recipe="sample", starts_from="sample/classifier_vgg16")
