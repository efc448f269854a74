"""The heavy recipe of the released nets: one image a step, summed loss, momentum 0.99, biases twice as fast."""

from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop
from torch.optim import SGD

optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=SGD, lr=1e-10, momentum=0.99, weight_decay=5e-4),
    paramwise_cfg=dict(bias_lr_mult=2, bias_decay_mult=0),
)
train_cfg = dict(type=IterBasedTrainLoop, max_iters=100_000, val_interval=4000)
