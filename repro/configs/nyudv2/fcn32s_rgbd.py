"""FCN-32s, VGG16, NYUDv2, early fusion of colour and depth. Starts from the ILSVRC classifier. Table 4 prints 30.5.

conv1_1 takes a fourth channel, the logarithm of the depth in millimetres, through the mean of its three colour filters.
"""

from mmengine.config import read_base

from repro.data.modalities import StackDepth

with read_base():
    from .fcn32s_rgb import *

model.backbone.update(in_channels=4)
model.data_preprocessor.update(mean=[116.190, 97.203, 92.318, 7.844])
for loader in (train_dataloader, val_dataloader):
    loader.dataset.update(data_prefix=dict(depth_path="depth"))
    loader.dataset.pipeline.insert(1, dict(type=StackDepth))
test_dataloader = val_dataloader
experiment = dict(recipe="release", starts_from="ilsvrc/vgg16")
