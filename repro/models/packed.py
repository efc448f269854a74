"""Convolutions with more weights than they see of the image, as one matrix product, for inference on a CPU.

torch lays the weights of a convolution out anew for every call. For fc6 of VGG16, 411 MB, that takes longer than the
convolution itself. A matrix product in torch's mkldnn layout has it done once.
"""

import torch
from torch import Tensor, nn
from torch.utils import mkldnn

from repro.models.derived import Derived


class Packed:
    """A convolution without padding, of stride 1 and one group, whose weights are laid out when they change.

    Its scores are the convolution's up to the rounding of sums. It holds a second copy of the weights.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        self.convolution = convolution
        self.matrix: Derived[nn.Module] = Derived()  # cannot be pickled, and is not

    @staticmethod
    def serves(layer: nn.Module) -> bool:
        """Whether a layer has the form that this one can take the place of."""
        return isinstance(layer, nn.Conv2d) and (layer.padding, layer.stride, layer.groups) == ((0, 0), (1, 1), 1)

    def pays(self, x: Tensor) -> bool:
        """Whether the weights outnumber what they are multiplied with, and the layout serves the numbers' kind."""
        (kernel, _), (height, width) = self.convolution.kernel_size, x.shape[-2:]
        places = len(x) * (height - kernel + 1) * (width - kernel + 1)
        plain = x.device.type == "cpu" and x.dtype == torch.float32 and torch.backends.mkldnn.is_available()
        return plain and 0 < places < self.convolution.out_channels

    def __call__(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, out_channels, H - kernel + 1, W - kernel + 1), channels last."""
        weight, bias = self.convolution.weight, self.convolution.bias
        matrix = self.matrix.of([weight] if bias is None else [weight, bias], lambda: _lay_out(weight, bias))
        kernel, _ = self.convolution.kernel_size
        seen = x.permute(0, 2, 3, 1).unfold(1, kernel, 1).unfold(2, kernel, 1)  # (N, h, w, C, kernel, kernel)
        rows = seen.flatten(3).flatten(0, 2).contiguous()  # (N * h * w, C * kernel * kernel)
        y = matrix(rows.to_mkldnn()).to_dense()  # (N * h * w, out_channels)
        return y.view(*seen.shape[:3], -1).permute(0, 3, 1, 2)


def _lay_out(weight: Tensor, bias: Tensor | None) -> nn.Module:
    linear = nn.Linear(weight[0].numel(), len(weight), bias is not None, device="meta").eval()
    linear.weight = nn.Parameter(weight.detach().flatten(1).contiguous(), requires_grad=False)
    if bias is not None:
        linear.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return mkldnn.to_mkldnn(linear)
