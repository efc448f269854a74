"""FCN-16s, VGG16, NYUDv2, late fusion of colour and HHA. Starts from nyudv2/fcn32s_rgb_hha. Table 4 prints 34.0.

It was never released: both streams' pool4 is scored and averaged like their fc7, at the rate of the coarser net.
"""

from mmengine.config import read_base

with read_base():
    from .fcn32s_rgb_hha import *

model.decode_head.update(fuse=("pool4",))
optim_wrapper.paramwise_cfg.custom_keys.update({"score_pool4.bias": dict(lr_mult=1, decay_mult=0)})
experiment = dict(recipe="release", starts_from="nyudv2/fcn32s_rgb_hha")
