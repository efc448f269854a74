"""FCN-16s on the sample. Starts from sample/fcn32s_vgg16."""

from mmengine.config import read_base

with read_base():
    from .fcn32s_vgg16 import *

model.decode_head.update(fuse=("pool4",))
optim_wrapper.optimizer.update(lr=1e-3)
train_cfg.update(max_iters=700)
experiment = dict(recipe="sample", starts_from="sample/fcn32s_vgg16")
