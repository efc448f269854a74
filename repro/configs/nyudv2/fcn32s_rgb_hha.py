"""FCN-32s, VGG16, NYUDv2, late fusion of colour and HHA. Starts from nyudv2/fcn32s_rgb and fcn32s_hha. Table 4: 32.8.

The two nets' scores are averaged before the one upsampling, and both train on. The released net started from its
parents' snapshots at 28,000 (colour) and 60,000 (HHA) iterations; here from their last.
"""

from mmengine.config import read_base

from repro.data.modalities import StackHHA
from repro.models.fusion import LateFusion
from repro.models.vgg16 import VGG16

with read_base():
    from .fcn32s_rgb import *

model.backbone = dict(type=LateFusion, stream=dict(type=VGG16))
model.data_preprocessor.update(mean=[116.190, 97.203, 92.318, 132.431, 94.076, 118.477])
for loader in (train_dataloader, val_dataloader):
    loader.dataset.update(data_prefix=dict(hha_path="hha"))
    loader.dataset.pipeline.insert(1, dict(type=StackHHA))
test_dataloader = val_dataloader
optim_wrapper.optimizer.update(lr=1e-12)
# one bias stands for two halved ones, each of which would train at twice the rate
optim_wrapper.paramwise_cfg.update(custom_keys={"score_fr.bias": dict(lr_mult=1, decay_mult=0)})
experiment = dict(recipe="release", starts_from=("nyudv2/fcn32s_rgb", "nyudv2/fcn32s_hha"))
