"""FCN-8s, VGG16, SBD train, the CVPR recipe. Starts from voc2011/fcn16s_vgg16_cvpr. Expect 62.7 mean IU (Table 2).

The text names no rate for this stage; it is divided by 100 once more, as the released nets do.
"""

from mmengine.config import read_base

with read_base():
    from .fcn16s_vgg16_cvpr import *

model.decode_head.update(fuse=("pool4", "pool3"))
optim_wrapper.optimizer.update(lr=1e-8)
experiment = dict(recipe="cvpr2015", starts_from="voc2011/fcn16s_vgg16_cvpr", claims=["cvpr2015/table2/FCN-8s"])
