"""What the three trunks share: a chain of named layers that hands out the maps a head asks for."""

from collections import OrderedDict
from collections.abc import Iterable
from itertools import accumulate

import torch
from torch import Tensor, nn

from repro.models.geometry import Geometry, smallest_input, trace

PIXEL_SPREAD = 64  # about the standard deviation of natural images' pixels in 0..255


class Trunk(nn.Sequential):
    """A fully convolutional classifier without its last, classifying layer (section 4.1).

    Layers carry Caffe's names, so the parameters are `conv1_1.weight`, `fc6.weight` and so on.

    Args:
        layers: pairs of name and module, from the image up.
        outputs: the maps that `forward` hands out, the coarsest last: name of the map, name of the layer it leaves.
        classifier_pool: what the classifier has between the trunk and its last layer; a net that scores every
            place leaves it out.
    """

    def __init__(
        self,
        layers: Iterable[tuple[str, nn.Module]],
        outputs: dict[str, str],
        classifier_pool: nn.Module | None = None,
    ) -> None:
        super().__init__(OrderedDict(layers))
        self.outputs = outputs
        self.smallest_input = smallest_input(list(self))
        # In a tuple, and so no submodule: the fully convolutional net does not have it.
        self.classifier_pool = (classifier_pool or nn.Identity(),)
        self.initialize()

    def initialize(self) -> None:
        """Draw weights after He et al. (2015), for nets that start from no other net.

        The first layer's are smaller by the spread of pixel values, because images come as 0..255 minus the mean.
        """
        convolutions = [module for module in self.modules() if isinstance(module, nn.Conv2d)]
        for convolution in convolutions:
            initialize_relu(convolution)
        with torch.no_grad():
            convolutions[0].weight /= PIXEL_SPREAD

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Maps by name. An image too small for the layers is first padded with zeros, right and bottom.

        Args:
            image: (N, C, H, W), preprocessed.

        Returns:
            for every name in `outputs` its map, (N, channels[name], ~H/stride, ~W/stride).
        """
        missing = [max(0, self.smallest_input - side) for side in image.shape[-2:]]
        x = nn.functional.pad(image, (0, missing[1], 0, missing[0])) if any(missing) else image
        left = {}
        for name, layer in self.named_children():
            x = layer(x)
            if name in self.outputs.values():
                left[name] = x
        return {output: left[name] for output, name in self.outputs.items()}

    @property
    def top(self) -> str:
        """Name of the coarsest map, the one that is scored first."""
        return list(self.outputs)[-1]

    def geometries(self) -> dict[str, Geometry]:
        """The geometry of every map that `forward` hands out."""
        names = [name for name, _ in self.named_children()]
        reached = dict(zip(names, accumulate(map(trace, self), Geometry.then), strict=True))
        return {output: reached[name] for output, name in self.outputs.items()}

    def channels(self) -> dict[str, int]:
        """The number of channels of every map that `forward` hands out."""
        reached, current = {}, 0
        for name, layer in self.named_children():
            reached[name] = current = getattr(layer, "out_channels", current)
        return {output: reached[name] for output, name in self.outputs.items()}


def initialize_relu(layer: nn.Conv2d | nn.Linear) -> None:
    """He et al.'s weights for a layer that a ReLU follows, and no bias."""
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def initialize_zero(layer: nn.Conv2d | nn.Linear) -> None:
    """All zeros, for a layer that scores: every class begins equally probable."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def scaled(channels: int, width: float, multiple: int = 1) -> int:
    """`channels` times `width`, at least one, rounded down to a multiple (a group's worth, say)."""
    return max(multiple, int(channels * width) // multiple * multiple)
