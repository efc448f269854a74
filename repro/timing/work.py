"""What a pass costs at least, counted: operations and bytes moved; and what a device reaches at most."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.backends import mkldnn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

from repro.models.window import fast
from repro.timing.case import SEED
from repro.timing.nets import build_net, build_step, channels_of, dtype_of, forward

aten = torch.ops.aten
LAYERS = {
    aten.convolution,
    aten.convolution_backward,
    aten.mm,
    aten.addmm,
    aten.max_pool2d_with_indices,
    aten.max_pool2d_with_indices_backward,
    aten.avg_pool2d,
    aten.avg_pool2d_backward,
    aten.mkldnn_linear,
}


@dataclass(frozen=True)
class Work:
    """What a pass costs, counted on the shapes of its tensors.

    Attributes:
        flop: of convolutions, deconvolutions and matrix products, a multiplication and an addition being two.
        bytes: the least that a net which is run layer by layer moves. Every convolution, deconvolution, pooling and
            matrix product, and the backward pass of each, reads what it is given (maps and weights) once and writes
            its result once. What is pointwise (ReLU, dropout, sums, crops, concatenation) is done on the way and moves
            nothing. Only floating point counts: not the places of maxima.
        largest_layer: bytes that one layer reads and writes, at most.
    """

    flop: int
    bytes: int
    largest_layer: int


class _Traffic(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.layers: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket in LAYERS:
            tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
            self.layers.append(sum(t.numel() * t.element_size() for t in tensors if t.is_floating_point()))
        return result


def _convolution_backward(grad: Any, x: Any, weight: Any, *rest: Any, **kwargs: Any) -> int:
    """As much as forward for each gradient that is asked for; torch's own formula does not know groups."""
    *_, transposed, _, _, (maps, weights, _) = rest[:8]
    return (maps + weights) * conv_flop_count(x, weight, grad, transposed=transposed)


def _mkldnn_linear(rows: Any, weight: Any, *rest: Any, **kwargs: Any) -> int:
    """A product that torch's counter does not know: (N, in) by (out, in)."""
    return 2 * rows[0] * rows[1] * weight[0]


FORMULAS = {aten.convolution_backward: _convolution_backward, aten.mkldnn_linear: _mkldnn_linear}


def count(run: Callable[[], Any]) -> Work:
    """The work of a pass, by running it once."""
    traffic = _Traffic()
    # the counter takes composite operations apart before their traffic is seen
    with traffic, FlopCounterMode(display=False, custom_mapping=FORMULAS) as flops:
        run()
    return Work(flops.get_total_flops(), sum(traffic.layers), max(traffic.layers, default=0))


def count_forward(
    experiment: str,
    batch: int,
    size: tuple[int, int],
    dtype: torch.dtype = torch.float32,
    width: float = 1,
    quick: bool = False,
) -> Work:
    """The work of a net's forward pass on `batch` images of a size (H, W). Nothing is computed: only shapes are.

    Args:
        width: factor on the trunk's channels.
        quick: of `repro.fast`, once it knows the size.
    """
    net = build_net(experiment, device="meta", width=width).to(dtype)
    images = torch.empty(batch, channels_of(net), *size, dtype=dtype, device="meta")
    run = forward(fast(net) if quick else net)
    if quick:
        run(images)
    return count(lambda: run(images))


def count_step(experiment: str, batch: int, size: tuple[int, int], width: float = 1) -> Work:
    """The work of a step of training in fp32: forward, backward, and what SGD with momentum reads and writes.

    SGD reads a weight, its gradient and its momentum, and writes the weight and the momentum. Other arguments are as
    for `count_forward`.
    """
    net = build_net(experiment, device="meta", width=width)
    images = torch.empty(batch, channels_of(net), *size, device="meta")
    work = count(lambda: build_step(net, experiment, "fp32", images)(images))
    trained = sum(weight.numel() * weight.element_size() for weight in net.parameters() if weight.requires_grad)
    return replace(work, bytes=work.bytes + 5 * trained)


def memory_needed(work: Work) -> int:
    """Bytes of memory that a forward pass may take beside its weights and images, on a CPU.

    Without gradients only the maps of one layer are alive at a time, or nearly; oneDNN copies them into a layout of its
    own. So it is twice what the largest layer reads and writes.
    """
    return 2 * work.largest_layer


def matrix_products(device: str, precision: str, side: int) -> tuple[dict[str, Callable[[Any], Tensor]], int]:
    """The product of two square matrices by each library that torch has for it, and its FLOP; the fastest is the peak.

    On a CPU these are the BLAS of matrix products and the oneDNN of convolutions: on some processors one takes twice as
    long as the other. A convolution may beat both: algorithms like Winograd's multiply less than is counted.
    """
    generator = torch.Generator().manual_seed(SEED)
    dtype = dtype_of(precision)
    left, right = (torch.randn(side, side, generator=generator).to(device, dtype) for _ in range(2))
    products: dict[str, Callable[[Any], Tensor]] = {"product": lambda _: left @ right}
    if device == "cpu" and dtype == torch.float32 and mkldnn.is_available():
        opaque, turned = left.to_mkldnn(), right.t().contiguous().to_mkldnn()
        products["product, oneDNN"] = lambda _: torch.nn.functional.linear(opaque, turned)
    return products, 2 * side**3


def copy(device: str, size: int) -> tuple[Callable[[Any], Tensor], int]:
    """The copy of `size` bytes and the bytes that it moves: its speed is the peak of the device's memory."""
    source = torch.zeros(size // 4, device=device)
    target = torch.ones_like(source)
    return lambda _: target.copy_(source), 2 * size
