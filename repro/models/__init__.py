"""What the paper draws. Importing this package registers every part with mmseg."""

from repro.models.alexnet import CaffeNet
from repro.models.classifier import Classifier
from repro.models.fusion import LateFusion
from repro.models.googlenet import GoogLeNet
from repro.models.losses import PixelSoftmaxLoss
from repro.models.preprocessor import SubtractMean
from repro.models.segmentor import FCN
from repro.models.skip_head import SkipHead
from repro.models.torchvision_nets import TorchvisionAlexNet, TorchvisionGoogLeNet
from repro.models.vgg16 import VGG16

__all__ = [
    "FCN",
    "VGG16",
    "CaffeNet",
    "Classifier",
    "GoogLeNet",
    "LateFusion",
    "PixelSoftmaxLoss",
    "SkipHead",
    "SubtractMean",
    "TorchvisionAlexNet",
    "TorchvisionGoogLeNet",
]
