"""PASCAL VOC 2011: trained on SBD train (8498 images), scored on seg11valid (736). No augmentation, native size."""

from mmengine.config import read_base

from repro.data.transforms import LoadImage, LoadLabel, PackInputs
from repro.data.voc2011 import VOC2011

with read_base():
    from .loaders import *

pipeline = [dict(type=LoadImage), dict(type=LoadLabel, num_classes=21), dict(type=PackInputs)]
for loader in (train_dataloader, val_dataloader):
    loader.dataset.update(type=VOC2011, data_root="data/voc2011", pipeline=pipeline)
train_dataloader.dataset.update(
    ann_file="ImageSets/Segmentation/sbd_train.txt",
    data_prefix=dict(img_path="JPEGImages", seg_map_path="SegmentationClassSBD"),
)
val_dataloader.dataset.update(
    ann_file="ImageSets/Segmentation/seg11valid.txt",
    data_prefix=dict(img_path="JPEGImages", seg_map_path="SegmentationClass"),
)
test_dataloader = val_dataloader
val_evaluator.update(num_classes=dict(semantic=21))
test_evaluator = val_evaluator
