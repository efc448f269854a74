"""PASCAL VOC 2011 as published: trained on its 1112 training images, scored on its 1111 validation images (Table 1)."""

from mmengine.config import read_base

with read_base():
    from .voc2011 import *

train_dataloader.dataset.update(
    ann_file="ImageSets/Segmentation/train.txt",
    data_prefix=dict(img_path="JPEGImages", seg_map_path="SegmentationClass"),
)
val_dataloader.dataset.update(ann_file="ImageSets/Segmentation/val.txt")
test_dataloader = val_dataloader
