"""FCN-16s, VGG16, SIFT Flow, the 3 geometric classes alone. Starts from siftflow/fcn32s_geometric_vgg16.

The paper: one net with two heads does as well on both tasks as two independent nets (section 5).
"""

from mmengine.config import read_base

with read_base():
    from .fcn16s_vgg16 import *

model.decode_head = None
val_evaluator.num_classes = dict(geometric=3)
test_evaluator = val_evaluator
experiment = dict(recipe="release", starts_from="siftflow/fcn32s_geometric_vgg16")
