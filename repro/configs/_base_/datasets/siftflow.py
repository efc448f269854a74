"""SIFT Flow, 33 semantic and 3 geometric classes: trained on 2486 images, scored on 200, all 256x256."""

from mmengine.dataset import DefaultSampler
from mmengine.runner import TestLoop, ValLoop

from repro.confusion import ConfusionMatrix
from repro.data.samplers import WithReplacement
from repro.data.siftflow import SIFTFlow
from repro.data.transforms import LoadImage, LoadLabel, PackInputs

pipeline = [
    dict(type=LoadImage),
    dict(type=LoadLabel, num_classes=33),
    dict(type=LoadLabel, num_classes=3, path="geo_map_path", field="gt_geo_map"),
    dict(type=PackInputs),
]
train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type=WithReplacement),
    dataset=dict(
        type=SIFTFlow,
        data_root="data/siftflow",
        ann_file="lists/trainval.txt",
        pipeline=pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(
        type=SIFTFlow,
        data_root="data/siftflow",
        ann_file="lists/test.txt",
        pipeline=pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type=ConfusionMatrix, num_classes=dict(semantic=33, geometric=3), absent="present")
test_evaluator = val_evaluator
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
