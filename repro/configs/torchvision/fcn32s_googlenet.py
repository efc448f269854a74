"""FCN-32s, torchvision's GoogLeNet, VOC 2011, by the CVPR recipe. Answers no claim of the paper's.

Another net than the paper's: batch normalisation, here folded into the convolutions and so frozen, in place of local
response normalisation, and smaller kernels. The CVPR recipe is the only one there is for GoogLeNet.
"""

from mmengine.config import read_base

from repro.models.torchvision_nets import TorchvisionGoogLeNet

with read_base():
    from ..voc2011.fcn32s_googlenet import *

model.backbone = dict(type=TorchvisionGoogLeNet)
model.data_preprocessor.update(mean=[127.5, 127.5, 127.5])
experiment = dict(recipe="cvpr2015", starts_from="ilsvrc/googlenet_torchvision", claims=[])
