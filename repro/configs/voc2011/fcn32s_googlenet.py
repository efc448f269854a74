"""FCN-32s, GoogLeNet, VOC 2011. Starts from the ILSVRC classifier. No printed number: the authors never released it.

Trained on SBD train by the CVPR recipe, the only one there is for this net.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.voc2011 import *
    from .._base_.models.fcn_googlenet import *
    from .._base_.runtime import *
    from .._base_.schedules.cvpr2015 import *

model.decode_head.loss.update(reduction="mean")
optim_wrapper.optimizer.update(lr=5e-5)
experiment = dict(recipe="cvpr2015", starts_from="ilsvrc/googlenet", claims=[])
