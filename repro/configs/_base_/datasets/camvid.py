"""CamVid, 11 classes, 480x360: trained on 367 images, scored on 233 (the 101 of val are left for choosing)."""

from mmengine.dataset import DefaultSampler
from mmengine.runner import TestLoop, ValLoop

from repro.confusion import ConfusionMatrix
from repro.data.camvid import CamVid
from repro.data.samplers import WithReplacement
from repro.data.transforms import LoadImage, LoadLabel, PackInputs

pipeline = [dict(type=LoadImage), dict(type=LoadLabel, num_classes=11), dict(type=PackInputs)]
train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type=WithReplacement),
    dataset=dict(
        type=CamVid,
        data_root="data/camvid",
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
        type=CamVid,
        data_root="data/camvid",
        ann_file="lists/test.txt",
        pipeline=pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type=ConfusionMatrix, num_classes=dict(semantic=11), absent="present")
test_evaluator = val_evaluator
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
