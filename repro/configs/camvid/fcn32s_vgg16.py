"""FCN-32s, VGG16, CamVid, 11 classes. Starts from the ILSVRC classifier.

No printed number by this recipe: the authors did not train on CamVid, and SegNet's paper trains FCN in its own way.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.camvid import *
    from .._base_.models.fcn_vgg16 import *
    from .._base_.runtime import *
    from .._base_.schedules.release import *

model.decode_head.update(num_classes=11)
experiment = dict(recipe="release", starts_from="ilsvrc/vgg16")
