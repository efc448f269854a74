"""The coordinate map: where the units of a layer lie in the image, and how much of it they see.

Sections 3 and 4.2 of the paper join maps of different strides. What has to be cropped where follows from the layers
alone, and this module derives it. No offset of any net is written down anywhere else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from torch import nn

POINTWISE = (nn.ReLU, nn.Dropout, nn.LocalResponseNorm, nn.Identity)


@dataclass(frozen=True)
class Geometry:
    """One spatial axis of a chain of layers, seen from its input. All lengths are in input pixels.

    Unit `i` of the output is centred on input coordinate `stride * i + offset` and sees `receptive_field` pixels
    around it. `convolutions` is the number of convolution layers on the longest path (the paper's "conv. layers").
    """

    stride: Fraction = Fraction(1)
    offset: Fraction = Fraction(0)
    receptive_field: Fraction = Fraction(1)
    convolutions: int = 0

    def then(self, following: Geometry) -> Geometry:
        """The geometry of this chain followed by another."""
        return Geometry(
            stride=self.stride * following.stride,
            offset=self.offset + self.stride * following.offset,
            receptive_field=self.receptive_field + self.stride * (following.receptive_field - 1),
            convolutions=self.convolutions + following.convolutions,
        )

    def crop_to(self, reference: Geometry) -> int:
        """First unit of this map that lies on unit 0 of `reference`; the rest of the crop is the reference's size.

        Raises:
            ValueError: the strides differ, or the maps are not aligned on whole units, or the reference begins first.
        """
        if self.stride != reference.stride:
            raise ValueError(f"maps of stride {self.stride} and {reference.stride} cannot be cropped to each other")
        start = (reference.offset - self.offset) / self.stride
        if start.denominator != 1 or start < 0:
            raise ValueError(f"the maps are {start} units apart: only a whole number from 0 up can be cropped")
        return int(start)


IMAGE = Geometry()


def convolution_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Output size n of a convolution over m = `size` units: n = floor((m + 2p - k) / s) + 1."""
    return (size + 2 * padding - kernel) // stride + 1


def deconvolution_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """Output size m of a deconvolution of n = `size` units: m = s(n - 1) + k - 2p (section 3.3)."""
    return stride * (size - 1) + kernel - 2 * padding


def upsampling_kernel(coarse: Geometry, fine: Geometry) -> int:
    """Kernel of the bilinear upsampling that lays `coarse` on the grid of `fine`.

    Upsampling f times takes 2f where the two grids then meet on whole units (VGG16), else 2f - 1, whose centre lies
    half a unit further left (AlexNet, GoogLeNet).

    Raises:
        ValueError: neither kernel aligns them, or `coarse` is not a whole number of times coarser.
    """
    ratio = coarse.stride / fine.stride
    if ratio.denominator != 1:
        raise ValueError(f"stride {coarse.stride} cannot be upsampled to {fine.stride}: maps are fused coarse to fine")
    factor = int(ratio)
    for kernel in (2 * factor, 2 * factor - 1):
        upsampled = coarse.then(deconvolution(kernel, factor))
        if ((upsampled.offset - fine.offset) / fine.stride).denominator == 1:
            return kernel
    raise ValueError(f"no bilinear kernel aligns {coarse}, upsampled {factor} times, with {fine}")


def convolution(kernel: int, stride: int = 1, padding: int = 0) -> Geometry:
    """Geometry of a convolution (pooling has the same, and counts no convolution: see `trace`)."""
    return Geometry(Fraction(stride), Fraction(kernel - 1, 2) - padding, Fraction(kernel), convolutions=1)


def deconvolution(kernel: int, stride: int, padding: int = 0) -> Geometry:
    """Geometry of a deconvolution: the map of the convolution that it reverses, turned round."""
    reversed_map = convolution(kernel, stride, padding)
    seen = Fraction(-(-kernel // stride))  # units of the input that reach one unit of the output, at most
    return Geometry(1 / reversed_map.stride, -reversed_map.offset / reversed_map.stride, seen)


def chain(layers: Iterable[Geometry]) -> Geometry:
    """The geometry of layers one after another."""
    whole = IMAGE
    for layer in layers:
        whole = whole.then(layer)
    return whole


def parallel(branches: Iterable[Geometry]) -> Geometry:
    """The geometry of branches that are concatenated: they share one grid, the widest decides what is seen.

    Raises:
        ValueError: the branches lie on different grids.
    """
    branches = list(branches)
    grids = {(branch.stride, branch.offset) for branch in branches}
    if len(grids) != 1:
        raise ValueError(f"branches on different grids cannot be concatenated: {sorted(grids)}")
    stride, offset = grids.pop()
    return Geometry(
        stride,
        offset,
        receptive_field=max(branch.receptive_field for branch in branches),
        convolutions=max(branch.convolutions for branch in branches),
    )


def smallest_input(layers: Sequence[nn.Module]) -> int:
    """Pixels a side that a chain of layers needs to give one unit.

    Containers count by what they need to keep one unit alive: their layers keep the size.
    """
    needed = 1
    for layer in reversed(layers):
        if isinstance(layer, (nn.Conv2d, nn.MaxPool2d)):
            kernel, stride, padding = (_square(layer, name) for name in ("kernel_size", "stride", "padding"))
            if getattr(layer, "ceil_mode", False):  # the last window may hang over the edge, by all but one pixel
                needed = stride * (needed - 2) + kernel + 1 - 2 * padding
            else:
                needed = stride * (needed - 1) + kernel - 2 * padding
            needed = max(1, needed)
    return needed


def trace(module: nn.Module) -> Geometry:
    """The geometry of a torch module: a layer, or a container that is a chain or has a `geometry` of its own.

    Raises:
        TypeError: a layer whose geometry is unknown: dilated, not square, or padded by name.
    """
    if isinstance(module, POINTWISE):
        return IMAGE
    if isinstance(module, (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, nn.ConvTranspose2d)):
        kernel, stride, padding = (_square(module, name) for name in ("kernel_size", "stride", "padding"))
        if not isinstance(module, nn.AvgPool2d) and _square(module, "dilation") != 1:
            raise TypeError(f"dilated layers have no geometry here: {module}")
        if isinstance(module, nn.ConvTranspose2d):
            return deconvolution(kernel, stride, padding)
        layer = convolution(kernel, stride, padding)
        return layer if isinstance(module, nn.Conv2d) else _without_convolution(layer)
    geometry = getattr(module, "geometry", None)
    if isinstance(geometry, Geometry):
        return geometry
    if isinstance(module, nn.Sequential):
        return chain(trace(layer) for layer in module)
    raise TypeError(f"the geometry of {type(module).__name__} is unknown")


def _without_convolution(layer: Geometry) -> Geometry:
    return Geometry(layer.stride, layer.offset, layer.receptive_field)


def _square(module: nn.Module, name: str) -> int:
    value = getattr(module, name)
    sides = set(value) if isinstance(value, tuple) else {value}
    side = sides.pop()
    if sides or not isinstance(side, int):
        raise TypeError(f"only a layer with one number as its {name} has a geometry here: {module}")
    return side
