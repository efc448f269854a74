"""Stage 0 on the sample: VGG16, an eighth as wide, learns to classify crops of the objects.

It stands for the ILSVRC classifier that the paper starts from. No table row.
"""

from mmengine.config import read_base
from mmengine.model import ImgDataPreprocessor

from repro.data.crops import ObjectCrops
from repro.models.classifier import Classifier
from repro.models.vgg16 import VGG16

with read_base():
    from .._base_.datasets.sample import train_dataloader
    from .._base_.runtime_sample import *
    from .._base_.schedules.sample import *

model = dict(
    type=Classifier,
    data_preprocessor=dict(type=ImgDataPreprocessor, mean=[104.00699, 116.66877, 122.67892], std=[1, 1, 1]),
    backbone=dict(type=VGG16, width=1 / 8, padding=1, dropout=0),
    num_classes=20,
)
train_dataloader.update(batch_size=16)
train_dataloader.dataset.update(type=ObjectCrops, pipeline=[])
experiment = dict(recipe="sample")
