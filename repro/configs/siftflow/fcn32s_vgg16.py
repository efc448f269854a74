"""FCN-32s, VGG16, SIFT Flow, two heads: semantic and geometric labels. Starts from the ILSVRC classifier.

One trunk learns both tasks at once; their losses weigh the same. The released (heavy) recipe, 100,000 iterations.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.siftflow import *
    from .._base_.models.fcn_vgg16 import *
    from .._base_.runtime import *
    from .._base_.schedules.release import *

model.data_preprocessor.update(mean=[114.578, 115.294, 108.353])
model.decode_head.update(num_classes=33)
model.geometric_head = dict(model.decode_head, num_classes=3)
experiment = dict(recipe="release", starts_from="ilsvrc/vgg16")
