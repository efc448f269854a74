"""SIFT Flow, 33 semantic and 3 geometric classes: trained on 2486 images, scored on 200, all 256x256."""

from mmengine.config import read_base

from repro.data.siftflow import SIFTFlow
from repro.data.transforms import LoadImage, LoadLabel, PackInputs

with read_base():
    from .loaders import *

pipeline = [
    dict(type=LoadImage),
    dict(type=LoadLabel, num_classes=33),
    dict(type=LoadLabel, num_classes=3, path="geo_map_path", field="gt_geo_map"),
    dict(type=PackInputs),
]
for loader in (train_dataloader, val_dataloader):
    loader.dataset.update(type=SIFTFlow, data_root="data/siftflow", pipeline=pipeline)
train_dataloader.dataset.update(ann_file="lists/trainval.txt")
val_dataloader.dataset.update(ann_file="lists/test.txt")
test_dataloader = val_dataloader
val_evaluator.update(num_classes=dict(semantic=33, geometric=3))
test_evaluator = val_evaluator
