"""FCN-32s, VGG16, SIFT Flow, the 3 geometric classes alone, beside which the two-headed net stands (section 5)."""

from mmengine.config import read_base

with read_base():
    from .fcn32s_vgg16 import *

model.decode_head = None
val_evaluator.num_classes = dict(geometric=3)
test_evaluator = val_evaluator
experiment = dict(recipe="release", starts_from="ilsvrc/vgg16")
