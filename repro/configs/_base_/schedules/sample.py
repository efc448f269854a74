"""The sample's own schedule: mean loss over one image a step; minutes on two CPU cores."""

from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop
from torch.optim import SGD

optim_wrapper = dict(
    type=OptimWrapper,
    optimizer=dict(type=SGD, lr=1e-3, momentum=0.9, weight_decay=5e-4),
    paramwise_cfg=dict(bias_lr_mult=2, bias_decay_mult=0),
)
train_cfg = dict(type=IterBasedTrainLoop, max_iters=300, val_interval=1_000_000)
