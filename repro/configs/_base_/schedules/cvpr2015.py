"""The CVPR recipe (section 4.3): 20 images an update, the mean of their mean losses, momentum 0.9.

An iteration here is one image, so 20 of them make an update. 175 epochs of 8498 images.
"""

from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop
from torch.optim import SGD

optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=SGD, lr=1e-4, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(bias_lr_mult=2, bias_decay_mult=0),
    accumulative_counts=20,
)
train_cfg = dict(type=IterBasedTrainLoop, max_iters=175 * 8498, val_interval=80_000)
