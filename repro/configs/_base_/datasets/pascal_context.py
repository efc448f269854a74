"""PASCAL-Context, 59 classes and background: trained on 4998 images of VOC 2010, scored on 5105. Native size."""

from mmengine.config import read_base

from repro.data.pascal_context import PASCALContext
from repro.data.transforms import LoadImage, LoadLabel, PackInputs

with read_base():
    from .loaders import *

pipeline = [dict(type=LoadImage), dict(type=LoadLabel, num_classes=60), dict(type=PackInputs)]
for loader in (train_dataloader, val_dataloader):
    loader.dataset.update(type=PASCALContext, data_root="data/pascal_context", pipeline=pipeline)
train_dataloader.dataset.update(ann_file="lists/train.txt")
val_dataloader.dataset.update(ann_file="lists/val.txt")
test_dataloader = val_dataloader
val_evaluator.update(num_classes=dict(semantic=60))
test_evaluator = val_evaluator
