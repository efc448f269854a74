"""The way that FCN replaced: a classifier that slides over the image and sees one crop at a time (section 3.1)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from repro import experiments
from repro.models.classifier import Classifier
from repro.settings import load_config

SIDE = 224  # of the crops that VGG16 classifies
STRIDE = 32
BATCH = 20  # crops at once


class Patchwise:
    """FCN-32s as the classifier it was made from, with that classifier's own padding.

    It gives the coarse scores (N, 21, ~H/32, ~W/32) and no more: what an FCN has before it upsamples. Their grid is
    that of the fully convolutional net with the same padding. Their values are too where layers pad nothing; VGG16's
    pad each crop's border with zeros where the fully convolutional net sees the neighbours.
    """

    name = "patchwise"
    what = f"VGG16 on {SIDE}x{SIDE} crops, {STRIDE} pixels apart"
    package = "fcn-repro"
    licence = "Apache-2.0"
    experiment = "voc2011/fcn32s_vgg16"
    stride = STRIDE

    def build(self, device: torch.device | str = "cpu") -> nn.Module:
        config = load_config(experiments.get(self.experiment)).model
        backbone = {**config.backbone, "padding": 1}
        return SlidingWindow(Classifier(backbone, config.decode_head.num_classes), SIDE).eval().to(device)

    def load(self, net: nn.Module, weights: Mapping[str, Tensor]) -> None:
        layers = net.get_submodule("classifier.layers")
        names = {key: f"backbone.{key}" for key in layers.state_dict()} | {
            f"classifier.{kind}": f"decode_head.score_fr.{kind}" for kind in ("weight", "bias")
        }
        layers.load_state_dict(
            {key: weights[names[key]].reshape(own.shape) for key, own in layers.state_dict().items()}
        )


class SlidingWindow(nn.Module):
    """A classifier run on every crop.

    Args:
        classifier: gives logits (N, classes) of crops (N, C, side, side).
        side: of a crop, in pixels.
    """

    def __init__(self, classifier: nn.Module, side: int) -> None:
        super().__init__()
        self.classifier = classifier
        self.side = side

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, classes, rows, columns) of images (N, C, H, W), which zeros extend to a whole number of steps."""
        missing = [max(self.side - size, (self.side - size) % STRIDE) for size in images.shape[-2:]]
        images = nn.functional.pad(images, (0, missing[1], 0, missing[0]))
        crops = images.unfold(2, self.side, STRIDE).unfold(3, self.side, STRIDE)  # (N, C, rows, columns, side, side)
        count, _, rows, columns = crops.shape[:4]
        crops = crops.movedim(1, 3).flatten(0, 2)  # (N * rows * columns, C, side, side)
        logits = torch.cat([self.classifier(batch) for batch in crops.split(BATCH)])
        return logits.unflatten(0, (count, rows, columns)).movedim(3, 1)
