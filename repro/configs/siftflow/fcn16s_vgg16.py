"""FCN-16s, VGG16, SIFT Flow, two heads. Starts from siftflow/fcn32s_vgg16. Table 5 prints 39.5 mean IU, 94.3 geometric.

Each head fuses pool4 through a score layer of its own.
"""

from mmengine.config import read_base

with read_base():
    from .fcn32s_vgg16 import *

for head in (model.decode_head, model.geometric_head):
    head.update(fuse=("pool4",))
optim_wrapper.optimizer.update(lr=1e-12)
experiment = dict(recipe="release", starts_from="siftflow/fcn32s_vgg16")
