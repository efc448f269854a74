"""FCN-32s, VGG16, NYUDv2, colour alone. Starts from the ILSVRC classifier. Table 4 prints 29.2 mean IU.

The released (heavy) recipe, 100,000 iterations. The mean is the released one: it reads like that of an RGB image, but
is subtracted from BGR.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.nyudv2 import *
    from .._base_.models.fcn_vgg16 import *
    from .._base_.runtime import *
    from .._base_.schedules.release import *

model.data_preprocessor.update(mean=[116.190, 97.203, 92.318])
model.decode_head.update(num_classes=40)
experiment = dict(recipe="release", starts_from="ilsvrc/vgg16")
