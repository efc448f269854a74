"""FCN-32s for VOC's 21 classes, without its trunk; finer nets fuse pools into it."""

from repro.models.losses import PixelSoftmaxLoss
from repro.models.preprocessor import SubtractMean
from repro.models.segmentor import FCN
from repro.models.skip_head import SkipHead

model = dict(
    type=FCN,
    # BGR, 0..255
    data_preprocessor=dict(type=SubtractMean, mean=[104.00699, 116.66877, 122.67892]),
    decode_head=dict(type=SkipHead, num_classes=21, loss=dict(type=PixelSoftmaxLoss, reduction="sum")),
)
