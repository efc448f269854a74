"""FCN-16s, VGG16, PASCAL-Context. Starts from pascal_context/fcn32s_vgg16. Table 6 prints 34.8 mean IU (59 classes)."""

from mmengine.config import read_base

with read_base():
    from .fcn32s_vgg16 import *

model.decode_head.update(fuse=("pool4",))
optim_wrapper.optimizer.update(lr=1e-12)
experiment = dict(recipe="release", starts_from="pascal_context/fcn32s_vgg16")
