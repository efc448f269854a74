"""FCN-32s, VGG16, the 1112 images of VOC 2011 train alone, the CVPR recipe. Expect 56.0 mean IU (Table 1).

Starts from the ILSVRC classifier; scored on VOC 2011 val, 1111 images. 175 epochs.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.voc2011_official import *
    from .._base_.models.fcn_vgg16 import *
    from .._base_.runtime import *
    from .._base_.schedules.cvpr2015 import *

model.decode_head.loss.update(reduction="mean")
train_cfg.update(max_iters=175 * 1112)
experiment = dict(recipe="cvpr2015", starts_from="ilsvrc/vgg16", claims=["cvpr2015/table1/FCN-VGG16"])
