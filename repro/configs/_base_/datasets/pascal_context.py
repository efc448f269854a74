"""PASCAL-Context, 59 classes and background: trained on 4998 images of VOC 2010, scored on 5105. Native size."""

from mmengine.dataset import DefaultSampler
from mmengine.runner import TestLoop, ValLoop

from repro.confusion import ConfusionMatrix
from repro.data.pascal_context import PASCALContext
from repro.data.samplers import WithReplacement
from repro.data.transforms import LoadImage, LoadLabel, PackInputs

pipeline = [dict(type=LoadImage), dict(type=LoadLabel, num_classes=60), dict(type=PackInputs)]
train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type=WithReplacement),
    dataset=dict(
        type=PASCALContext,
        data_root="data/pascal_context",
        ann_file="lists/train.txt",
        pipeline=pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(
        type=PASCALContext,
        data_root="data/pascal_context",
        ann_file="lists/val.txt",
        pipeline=pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type=ConfusionMatrix, num_classes=dict(semantic=60), absent="present")
test_evaluator = val_evaluator
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
