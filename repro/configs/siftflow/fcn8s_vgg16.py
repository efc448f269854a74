"""FCN-8s, VGG16, SIFT Flow, two heads. Starts from siftflow/fcn16s_vgg16. No printed number; the net was released."""

from mmengine.config import read_base

with read_base():
    from .fcn16s_vgg16 import *

for head in (model.decode_head, model.geometric_head):
    head.update(fuse=("pool4", "pool3"))
experiment = dict(recipe="release", starts_from="siftflow/fcn16s_vgg16")
