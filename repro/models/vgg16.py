"""VGG16 (Simonyan and Zisserman, 2014, configuration D), fully convolutional (section 4.1, Table 1)."""

from collections.abc import Iterator

from mmseg.registry import MODELS
from torch import nn

from repro.models.trunk import Trunk, scaled

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
OUTPUTS = {"pool1": "pool1", "pool2": "pool2", "pool3": "pool3", "pool4": "pool4", "fc7": "drop7"}


@MODELS.register_module()
class VGG16(Trunk):
    """13 convolutions in five stages, then fc6 and fc7 as convolutions.

    Args:
        in_channels: 3 for BGR or HHA, 4 for BGR with depth.
        width: factor on every number of channels; 1 is the paper's net.
        padding: of `conv1_1`. 100 gives even a single pixel a score; 1 is the classifier's own.
        dropout: probability after fc6 and fc7.
    """

    def __init__(self, in_channels: int = 3, width: float = 1, padding: int = 100, dropout: float = 0.5) -> None:
        super().__init__(_layers(in_channels, width, padding, dropout), OUTPUTS)


def _layers(in_channels: int, width: float, padding: int, dropout: float) -> Iterator[tuple[str, nn.Module]]:
    channels = in_channels
    for stage, widths in enumerate(STAGES, start=1):
        for index, out in enumerate(widths, start=1):
            first = (stage, index) == (1, 1)
            out_channels = scaled(out, width)
            yield f"conv{stage}_{index}", nn.Conv2d(channels, out_channels, 3, padding=padding if first else 1)
            yield f"relu{stage}_{index}", nn.ReLU(inplace=True)
            channels = out_channels
        yield f"pool{stage}", nn.MaxPool2d(2, 2, ceil_mode=True)
    for name, kernel in (("6", 7), ("7", 1)):
        yield f"fc{name}", nn.Conv2d(channels, scaled(4096, width), kernel)
        channels = scaled(4096, width)
        yield f"relu{name}", nn.ReLU(inplace=True)
        yield f"drop{name}", nn.Dropout(dropout)
