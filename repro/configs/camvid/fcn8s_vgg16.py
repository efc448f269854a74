"""FCN-8s, VGG16, CamVid. Starts from camvid/fcn16s_vgg16. No printed number by this recipe."""

from mmengine.config import read_base

with read_base():
    from .fcn16s_vgg16 import *

model.decode_head.update(fuse=("pool4", "pool3"))
optim_wrapper.optimizer.update(lr=1e-14)
experiment = dict(recipe="release", starts_from="camvid/fcn16s_vgg16")
