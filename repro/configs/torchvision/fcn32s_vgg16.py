"""FCN-32s, VGG16 from torchvision's weights, VOC 2011, the released recipe. Answers no claim of the paper's.

As voc2011/fcn32s_vgg16, which starts from Caffe's weights, but for the mean. Re-implementations that start from
torchvision's report 59 to 62 mean IU where those from Caffe's report 63 to 65.
"""

from mmengine.config import read_base

with read_base():
    from ..voc2011.fcn32s_vgg16 import *

model.data_preprocessor.update(mean=[103.53, 116.28, 123.675])
experiment = dict(recipe="release", starts_from="ilsvrc/vgg16_torchvision", claims=[])
