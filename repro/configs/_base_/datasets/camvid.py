"""CamVid, 11 classes, 480x360: trained on 367 images, scored on 233 (the 101 of val are left for choosing)."""

from mmengine.config import read_base

from repro.data.camvid import CamVid
from repro.data.transforms import LoadImage, LoadLabel, PackInputs

with read_base():
    from .loaders import *

pipeline = [dict(type=LoadImage), dict(type=LoadLabel, num_classes=11), dict(type=PackInputs)]
for loader in (train_dataloader, val_dataloader):
    loader.dataset.update(type=CamVid, data_root="data/camvid", pipeline=pipeline)
train_dataloader.dataset.update(ann_file="lists/train.txt")
val_dataloader.dataset.update(ann_file="lists/test.txt")
test_dataloader = val_dataloader
val_evaluator.update(num_classes=dict(semantic=11))
test_evaluator = val_evaluator
