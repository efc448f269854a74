"""FCN-32s on the sample, VGG16 an eighth as wide. Starts from sample/classifier_vgg16.

So narrow a net needs all its units: there is no dropout. The rate falls to a tenth, so that what a finer net gains
later is not owed to the mere lowering of the rate.
"""

from mmengine.config import read_base
from mmengine.optim import LinearLR

with read_base():
    from .._base_.datasets.sample import *
    from .._base_.models.fcn_vgg16 import *
    from .._base_.runtime_sample import *
    from .._base_.schedules.sample import *

model.backbone.update(width=1 / 8, dropout=0)
model.decode_head.loss.update(reduction="mean")
optim_wrapper.optimizer.update(lr=3e-3)
train_cfg.update(max_iters=2400)
param_scheduler = dict(type=LinearLR, start_factor=1, end_factor=0.1, end=2400, by_epoch=False)
experiment = dict(recipe="sample", starts_from="sample/classifier_vgg16")
