"""FCN-8s on the sample. Starts from sample/fcn16s_vgg16."""

from mmengine.config import read_base

with read_base():
    from .fcn16s_vgg16 import *

model.decode_head.update(fuse=("pool4", "pool3"))
experiment = dict(recipe="sample", starts_from="sample/fcn16s_vgg16")
