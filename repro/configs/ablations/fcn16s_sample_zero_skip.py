"""Control on the sample: FCN-16s whose pool4 score stays at zero. Starts from sample/fcn32s_vgg16.

All that is left of the skip is a second training of the 32s net: what it gains is not the skip's merit.
"""

from mmengine.config import read_base

with read_base():
    from ..sample.fcn16s_vgg16 import *

optim_wrapper.paramwise_cfg.update(custom_keys=dict(score_pool4=dict(lr_mult=0)))
experiment = dict(recipe="sample", starts_from="sample/fcn32s_vgg16")
