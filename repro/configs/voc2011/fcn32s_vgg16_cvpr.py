"""FCN-32s, VGG16, SBD train, the CVPR recipe. Starts from the ILSVRC classifier. Expect 59.4 mean IU (Table 2).

175 epochs; three days on a K40.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.voc2011 import *
    from .._base_.models.fcn_vgg16 import *
    from .._base_.runtime import *
    from .._base_.schedules.cvpr2015 import *

model.decode_head.loss.update(reduction="mean")
experiment = dict(
    recipe="cvpr2015",
    starts_from="ilsvrc/vgg16",
    claims=["cvpr2015/table2/FCN-32s", "cvpr2015/table1/FCN-VGG16 with SBD"],
)
