"""NYUDv2, 40 classes, colour alone: trained on 795 images, scored on 654. Native size."""

from mmengine.dataset import DefaultSampler
from mmengine.runner import TestLoop, ValLoop

from repro.confusion import ConfusionMatrix
from repro.data.nyudv2 import NYUDv2
from repro.data.samplers import WithReplacement
from repro.data.transforms import LoadImage, LoadLabel, PackInputs

pipeline = [dict(type=LoadImage), dict(type=LoadLabel, num_classes=40), dict(type=PackInputs)]
train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type=WithReplacement),
    dataset=dict(
        type=NYUDv2,
        data_root="data/nyudv2",
        ann_file="splits/trainval.txt",
        pipeline=pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(
        type=NYUDv2,
        data_root="data/nyudv2",
        ann_file="splits/test.txt",
        pipeline=pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type=ConfusionMatrix, num_classes=dict(semantic=40), absent="present")
test_evaluator = val_evaluator
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
