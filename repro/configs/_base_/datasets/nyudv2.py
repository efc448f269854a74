"""NYUDv2, 40 classes, colour alone: trained on 795 images, scored on 654. Native size."""

from mmengine.config import read_base

from repro.data.nyudv2 import NYUDv2
from repro.data.transforms import LoadImage, LoadLabel, PackInputs

with read_base():
    from .loaders import *

pipeline = [dict(type=LoadImage), dict(type=LoadLabel, num_classes=40), dict(type=PackInputs)]
for loader in (train_dataloader, val_dataloader):
    loader.dataset.update(type=NYUDv2, data_root="data/nyudv2", pipeline=pipeline)
train_dataloader.dataset.update(ann_file="splits/trainval.txt")
val_dataloader.dataset.update(ann_file="splits/test.txt")
test_dataloader = val_dataloader
val_evaluator.update(num_classes=dict(semantic=40))
test_evaluator = val_evaluator
