"""FCN-16s, VGG16, VOC 2011, the released (heavy) recipe. Starts from voc2011/fcn32s_vgg16. Expect 65.0 mean IU.

100,000 iterations; about a day on a K40.
"""

from mmengine.config import read_base

with read_base():
    from .fcn32s_vgg16 import *

model.decode_head.update(fuse=("pool4",))
optim_wrapper.optimizer.update(lr=1e-12)
experiment = dict(recipe="release", starts_from="voc2011/fcn32s_vgg16", claims=["caffe_release/voc2011/FCN-16s"])
