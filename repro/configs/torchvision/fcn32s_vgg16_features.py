"""FCN-32s, VGG16 from torchvision's features alone, VOC 2011, the released recipe. Answers no claim of the paper's.

torchvision's second set of VGG16's weights, trained with the paper's input, has the convolutions only: fc6 and fc7
start at random, which re-implementations found to cost about half of the score.
"""

from mmengine.config import read_base

with read_base():
    from ..voc2011.fcn32s_vgg16 import *

model.data_preprocessor.update(mean=[103.9992, 116.9991, 122.99925])
experiment = dict(recipe="release", starts_from="ilsvrc/vgg16_features_torchvision", claims=[])
