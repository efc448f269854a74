"""Control on the sample: FCN-32s trained on at the rate of 16s, without the skip (section 4.2).

Starts from sample/fcn32s_vgg16, as FCN-16s does.
"""

from mmengine.config import read_base

with read_base():
    from ..sample.fcn16s_vgg16 import *

model.decode_head.update(fuse=())
experiment = dict(recipe="sample", starts_from="sample/fcn32s_vgg16")
