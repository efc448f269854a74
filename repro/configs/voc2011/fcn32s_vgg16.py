"""FCN-32s, VGG16, VOC 2011, the released (heavy) recipe. Starts from the ILSVRC classifier. Expect 63.6 mean IU.

100,000 iterations; the paper's three days on a K40.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.voc2011 import *
    from .._base_.models.fcn_vgg16 import *
    from .._base_.runtime import *
    from .._base_.schedules.release import *

experiment = dict(recipe="release", starts_from="ilsvrc/vgg16", claims=["caffe_release/voc2011/FCN-32s"])
