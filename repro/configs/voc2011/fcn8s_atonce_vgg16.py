"""FCN-8s at once, VGG16, VOC 2011, the released (heavy) recipe. Starts from the ILSVRC classifier. Expect 65.4 mean IU.

All three scores train from the beginning, so the pools are scaled down to the size of fc7's activations first.
300,000 iterations.
"""

from mmengine.config import read_base

with read_base():
    from .fcn32s_vgg16 import *

model.decode_head.update(fuse=("pool4", "pool3"), scales=dict(pool4=0.01, pool3=0.0001))
train_cfg.update(max_iters=300_000)
experiment = dict(recipe="release", starts_from="ilsvrc/vgg16", claims=["caffe_release/voc2011/FCN-8s at once"])
