"""FCN-32s, VGG16, PASCAL-Context, 59 classes and background. Starts from the ILSVRC classifier. Table 6 prints 31.8.

The released (heavy) recipe, 400,000 iterations.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.pascal_context import *
    from .._base_.models.fcn_vgg16 import *
    from .._base_.runtime import *
    from .._base_.schedules.release import *

model.decode_head.update(num_classes=60)
train_cfg.update(max_iters=400_000, val_interval=40_000)  # a validation is 5105 images
experiment = dict(recipe="release", starts_from="ilsvrc/vgg16")
