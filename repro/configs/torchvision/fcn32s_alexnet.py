"""FCN-32s, torchvision's AlexNet, VOC 2011, by the recipe of the released FCN-AlexNet. Answers no claim of the paper's.

Another net than CaffeNet, which the paper calls AlexNet: one tower, and neither groups nor normalisation.
"""

from mmengine.config import read_base

from repro.models.torchvision_nets import TorchvisionAlexNet

with read_base():
    from ..voc2011.fcn32s_alexnet import *

model.backbone = dict(type=TorchvisionAlexNet)
model.data_preprocessor.update(mean=[103.53, 116.28, 123.675])
experiment = dict(recipe="release", starts_from="ilsvrc/alexnet_torchvision", claims=[])
