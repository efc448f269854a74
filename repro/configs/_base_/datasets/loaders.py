"""How every dataset is read: one image at a time, at its own size, unaugmented; with replacement in training."""

from mmengine.dataset import DefaultSampler
from mmengine.runner import TestLoop, ValLoop

from repro.confusion import ConfusionMatrix
from repro.data.samplers import WithReplacement

# several images a batch need batch_sampler=dict(type="SameSizeBatches"), unless all are of one size
train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type=WithReplacement),
    batch_sampler=None,
    dataset=dict(),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type=DefaultSampler, shuffle=False),
    batch_sampler=None,
    dataset=dict(),
)
val_evaluator = dict(type=ConfusionMatrix, num_classes=dict(), absent="present")
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
