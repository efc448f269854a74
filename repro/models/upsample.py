"""Upsampling is backwards convolution (section 3.3): bilinear deconvolution, fixed or learned."""

from typing import Any

import torch
from torch import Tensor, nn


def bilinear_kernel(size: int) -> Tensor:
    """The bilinear interpolation kernel, (size, size), for upsampling by (size + 1) // 2.

    Even kernels interpolate between pixel centres like `align_corners=False`, odd ones between the units themselves
    like `align_corners=True`.
    """
    factor = (size + 1) // 2
    distance = (torch.arange(size, dtype=torch.float64) - (size - 1) / 2).abs()
    weights = 1 - distance / factor
    return torch.outer(weights, weights)


class Upsample(nn.ConvTranspose2d):
    """Deconvolution that starts as bilinear interpolation, without a bias.

    Fixed, it treats every channel alone and is no parameter of the training (the released nets). Learned, it is dense
    and begins on the diagonal (the CVPR nets' 2x layers). Given a dense kernel, a fixed one becomes dense and stays
    fixed, so that weights whose upsampling mixes classes can be scored and gone on from.

    Args:
        channels: of input and output.
        kernel_size, stride: as of a deconvolution; no padding.
        learned: whether it trains.
    """

    def __init__(self, channels: int, kernel_size: int, stride: int, learned: bool = False) -> None:
        groups = 1 if learned else channels
        super().__init__(channels, channels, kernel_size, stride, groups=groups, bias=False)
        self.weight.requires_grad_(learned)
        with torch.no_grad():
            self.weight.zero_()
            own = torch.arange(channels)
            self.weight[own, own if learned else 0] = bilinear_kernel(kernel_size).to(self.weight)

    def takes(self, weight: Tensor) -> bool:
        """Whether a weight has the form that this layer has, or may come to have."""
        dense = (self.in_channels, self.out_channels, *self.kernel_size)
        return weight.shape in (self.weight.shape, dense)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        weight = state_dict.get(f"{prefix}weight")
        if weight is not None and weight.shape != self.weight.shape and self.takes(weight):
            self.groups = 1
            self.weight = nn.Parameter(self.weight.new_empty(weight.shape), requires_grad=False)
        super()._load_from_state_dict(state_dict, prefix, *args)
