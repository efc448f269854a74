"""Convolutions with more weights than they see of the image, as one matrix product, for inference on a CPU.

torch lays the weights of a convolution out anew for every call. For fc6 of VGG16, 411 MB, that takes longer than the
convolution itself. A matrix product in torch's mkldnn layout has it done once.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import mkldnn


class Watch:
    """Notices when weights change: in place, as torch counts it, or by other tensors in their place.

    torch does not count a change through `.data`.
    """

    def __init__(self) -> None:
        self.seen: list[tuple[Tensor, int]] = []

    def changed(self, weights: Iterable[Tensor]) -> bool:
        """Whether the weights are others than at the last call; at the first they are."""
        now = [(weight.detach(), weight._version) for weight in weights]
        before, self.seen = self.seen, now  # held, so that no other tensor gets their place in memory
        return [(old.data_ptr(), count) for old, count in before] != [(new.data_ptr(), count) for new, count in now]

    def __getstate__(self) -> dict[str, Any]:
        return {"seen": []}  # a copy has seen nothing


class Packed:
    """A convolution without padding, of stride 1 and one group, whose weights are laid out when they change.

    Its scores are the convolution's up to the rounding of sums. It holds a second copy of the weights.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        self.convolution = convolution
        self.watch = Watch()
        self.matrix: nn.Module | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"convolution": self.convolution, "watch": self.watch, "matrix": None}  # the matrix cannot be pickled

    @staticmethod
    def serves(layer: nn.Module) -> bool:
        """Whether a layer has the form that this one can take the place of."""
        return isinstance(layer, nn.Conv2d) and (layer.padding, layer.stride, layer.groups) == ((0, 0), (1, 1), 1)

    def pays(self, x: Tensor) -> bool:
        """Whether the weights outnumber what they are multiplied with, and the layout serves the numbers' kind."""
        (kernel, _), (height, width) = self.convolution.kernel_size, x.shape[-2:]
        places = len(x) * (height - kernel + 1) * (width - kernel + 1)
        plain = x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available()
        return plain and places < self.convolution.out_channels

    def __call__(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, H - kernel + 1, W - kernel + 1), channels last."""
        weight, bias = self.convolution.weight, self.convolution.bias
        if self.watch.changed(p for p in (weight, bias) if p is not None) or self.matrix is None:
            linear = nn.Linear(weight[0].numel(), len(weight), bias is not None, device="meta").eval()
            linear.weight = nn.Parameter(weight.detach().flatten(1).contiguous(), requires_grad=False)
            if bias is not None:
                linear.bias = nn.Parameter(bias.detach(), requires_grad=False)
            self.matrix = mkldnn.to_mkldnn(linear)
        kernel, _ = self.convolution.kernel_size
        seen = x.permute(0, 2, 3, 1).unfold(1, kernel, 1).unfold(2, kernel, 1)  # (N, h, w, C, kernel, kernel)
        rows = seen.flatten(3).flatten(0, 2).contiguous()  # (N * h * w, C * kernel * kernel)
        y = self.matrix(rows.to_mkldnn()).to_dense()  # (N * h * w, out_channels)
        return y.view(*seen.shape[:3], -1).permute(0, 3, 1, 2)
