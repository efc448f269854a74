"""FCN-32s, GoogLeNet, the 1112 images of VOC 2011 train alone, the CVPR recipe. Expect 42.5 mean IU (Table 1).

Starts from the ILSVRC classifier; scored on VOC 2011 val, 1111 images. 175 epochs.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.voc2011_official import *
    from .._base_.models.fcn_googlenet import *
    from .._base_.runtime import *
    from .._base_.schedules.cvpr2015 import *

model.decode_head.loss.update(reduction="mean")
optim_wrapper.optimizer.update(lr=5e-5)
train_cfg.update(max_iters=175 * 1112)
experiment = dict(recipe="cvpr2015", starts_from="ilsvrc/googlenet", claims=["cvpr2015/table1/FCN-GoogLeNet"])
