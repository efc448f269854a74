"""The drawn look-alike of VOC 2011 and SBD, read by VOC's own loader."""

from mmengine.config import read_base

with read_base():
    from .voc2011 import *

for loader in (train_dataloader, val_dataloader):
    loader.update(num_workers=0, persistent_workers=False)
    loader.dataset.update(data_root="data/sample")
test_dataloader = val_dataloader
