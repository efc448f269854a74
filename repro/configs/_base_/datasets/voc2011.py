"""PASCAL VOC 2011: trained on SBD train (8498 images), scored on seg11valid (736). No augmentation, native size."""

from mmengine.dataset import DefaultSampler
from mmengine.runner import TestLoop, ValLoop

from repro.confusion import ConfusionMatrix
from repro.data.samplers import WithReplacement
from repro.data.transforms import LoadImage, LoadLabel, PackInputs
from repro.data.voc2011 import VOC2011

pipeline = [dict(type=LoadImage), dict(type=LoadLabel, num_classes=21), dict(type=PackInputs)]
train_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type=WithReplacement),
    dataset=dict(
        type=VOC2011,
        data_root="data/voc2011",
        ann_file="ImageSets/Segmentation/sbd_train.txt",
        data_prefix=dict(img_path="JPEGImages", seg_map_path="SegmentationClassSBD"),
        pipeline=pipeline,
    ),
)
val_dataloader = dict(
    batch_size=1,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type=DefaultSampler, shuffle=False),
    dataset=dict(
        type=VOC2011,
        data_root="data/voc2011",
        ann_file="ImageSets/Segmentation/seg11valid.txt",
        data_prefix=dict(img_path="JPEGImages", seg_map_path="SegmentationClass"),
        pipeline=pipeline,
    ),
)
test_dataloader = val_dataloader
val_evaluator = dict(type=ConfusionMatrix, num_classes=dict(semantic=21), absent="present")
test_evaluator = val_evaluator
val_cfg = dict(type=ValLoop)
test_cfg = dict(type=TestLoop)
