"""FCN-16s on the sample. Starts from sample/fcn32s_vgg16.

The trunk goes on at the rate that FCN-32s ended with; the new score layer learns ten times as fast.
"""

from mmengine.config import read_base

with read_base():
    from .fcn32s_vgg16 import *

model.decode_head.update(fuse=("pool4",))
optim_wrapper.optimizer.update(lr=3e-4)
optim_wrapper.paramwise_cfg.update(custom_keys=dict(score_pool=dict(lr_mult=10)))
train_cfg.update(max_iters=800)
param_scheduler = None
experiment = dict(recipe="sample", starts_from="sample/fcn32s_vgg16")
