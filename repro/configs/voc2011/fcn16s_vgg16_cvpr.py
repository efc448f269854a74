"""FCN-16s, VGG16, SBD train, the CVPR recipe. Starts from voc2011/fcn32s_vgg16_cvpr. Expect 62.4 mean IU (Table 2).

The rate is divided by 100, and the 2x upsampling is learned (section 4.2). About a day on a K40.
"""

from mmengine.config import read_base

with read_base():
    from .fcn32s_vgg16_cvpr import *

model.decode_head.update(fuse=("pool4",), learned_upsampling=True)
optim_wrapper.optimizer.update(lr=1e-6)
experiment = dict(recipe="cvpr2015", starts_from="voc2011/fcn32s_vgg16_cvpr", claims=["cvpr2015/table2/FCN-16s"])
