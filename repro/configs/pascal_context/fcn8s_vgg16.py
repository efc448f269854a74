"""FCN-8s, VGG16, PASCAL-Context. Starts from pascal_context/fcn16s_vgg16. Table 6 prints 35.1 mean IU (59 classes)."""

from mmengine.config import read_base

with read_base():
    from .fcn16s_vgg16 import *

model.decode_head.update(fuse=("pool4", "pool3"))
optim_wrapper.optimizer.update(lr=1e-14)
experiment = dict(recipe="release", starts_from="pascal_context/fcn16s_vgg16")
