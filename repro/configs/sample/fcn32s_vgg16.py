"""FCN-32s on the sample, VGG16 an eighth as wide. Starts from sample/classifier_vgg16.

So narrow a net needs all its units: there is no dropout.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.sample import *
    from .._base_.models.fcn_vgg16 import *
    from .._base_.runtime_sample import *
    from .._base_.schedules.sample import *

model.backbone.update(width=1 / 8, dropout=0)
model.decode_head.loss.update(reduction="mean")
experiment = dict(recipe="sample", starts_from="sample/classifier_vgg16")
