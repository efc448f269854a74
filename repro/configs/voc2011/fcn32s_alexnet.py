"""FCN-32s, CaffeNet, VOC 2011, the released recipe. Starts from the ILSVRC classifier. Expect 48.0 mean IU.

Unlike the VGG16 nets: mean loss, momentum 0.9, 20 images an update; biases train like weights, but for the score
layer's. 100,000 updates, which are 2,000,000 images.
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.voc2011 import *
    from .._base_.models.fcn_alexnet import *
    from .._base_.runtime import *
    from .._base_.schedules.release import *

model.decode_head.loss.update(reduction="mean")
optim_wrapper.optimizer.update(lr=1e-4, momentum=0.9)
optim_wrapper.update(accumulative_counts=20)
optim_wrapper.paramwise_cfg = dict(custom_keys={"score_fr.bias": dict(lr_mult=2, decay_mult=0)})
train_cfg.update(max_iters=20 * 100_000, val_interval=80_000)
experiment = dict(recipe="release", starts_from="ilsvrc/caffenet", claims=["caffe_release/voc2011/FCN-AlexNet"])
