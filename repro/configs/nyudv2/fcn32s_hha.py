"""FCN-32s, VGG16, NYUDv2, HHA alone: disparity, height above ground, angle with gravity. Table 4 prints 24.2 mean IU.

Starts from the ILSVRC classifier, whose colour filters learn to read the three channels.
"""

from mmengine.config import read_base

from repro.data.modalities import LoadHHA

with read_base():
    from .fcn32s_rgb import *

model.data_preprocessor.update(mean=[132.431, 94.076, 118.477])
for loader in (train_dataloader, val_dataloader):
    loader.dataset.update(data_prefix=dict(hha_path="hha"))
    loader.dataset.pipeline[0] = dict(type=LoadHHA)
test_dataloader = val_dataloader
experiment = dict(recipe="release", starts_from="ilsvrc/vgg16")
