"""Figure 5 on the sample: FCN-32s on whole images at a constant rate. Starts from sample/classifier_vgg16.

What patch sampling compares with: were the rate to fall, it would fall by the images or by the updates, not both.
"""

from mmengine.config import read_base

with read_base():
    from ..sample.fcn32s_vgg16 import *

optim_wrapper.optimizer.update(lr=1e-3)
param_scheduler = None
experiment = dict(recipe="sample", starts_from="sample/classifier_vgg16")
