"""Local response normalisation, as CaffeNet and GoogLeNet have it."""

import torch
from torch import Tensor, nn


class LocalResponseNorm(nn.LocalResponseNorm):
    """torch's, with its sum over channels taken by a 2d pooling.

    torch pools in 3d, whose gradient CUDA cannot compute deterministically, and this suite trains deterministically.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> the same, divided by (k + alpha * mean of the squares over `size` channels) ** beta."""
        squares = x.square().flatten(2).unsqueeze(1)  # (N, 1, C, HW)
        around = nn.functional.pad(squares, (0, 0, self.size // 2, (self.size - 1) // 2))
        mean = nn.functional.avg_pool2d(around, (self.size, 1), stride=1).reshape(x.shape)
        return x / torch.pow(self.k + self.alpha * mean, self.beta)
