"""FCN-32s for VOC's 21 classes, without its trunk; finer nets fuse pools into it."""

from mmseg.models.data_preprocessor import SegDataPreProcessor

from repro.models.losses import PixelSoftmaxLoss
from repro.models.segmentor import FCN
from repro.models.skip_head import SkipHead

model = dict(
    type=FCN,
    # BGR, 0..255, minus the mean; labels that padding would add are void
    data_preprocessor=dict(
        type=SegDataPreProcessor,
        mean=[104.00699, 116.66877, 122.67892],
        std=[1, 1, 1],
        size_divisor=1,
        seg_pad_val=255,
    ),
    decode_head=dict(type=SkipHead, num_classes=21, loss=dict(type=PixelSoftmaxLoss, reduction="sum")),
)
