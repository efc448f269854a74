"""How far an image reaches into the maps of a trunk, layer by layer, in whole units along one axis.

Where `repro.models.geometry` says where units lie, this says which of them read what.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor, nn

from repro.models.geometry import trace
from repro.models.packed import Packed
from repro.models.trunk import Trunk

Span = tuple[int, int]  # units along one axis: the first, and the one after the last


@dataclass(frozen=True)
class Layer:
    """A layer whose unit i reads `kernel` units of its input, from unit `stride * i - padding` on."""

    module: nn.Module
    kernel: int
    stride: int
    padding: int
    packed: Packed | None = None

    @classmethod
    def of(cls, module: nn.Module) -> "Layer":
        """Of a convolution or a pool, or of another module that keeps the size of what it is given."""
        if isinstance(module, (nn.Conv2d, nn.MaxPool2d)):
            sizes = (module.kernel_size, module.stride, module.padding)
            kernel, stride, padding = (int(size[0] if isinstance(size, tuple) else size) for size in sizes)
            packed = Packed(module) if isinstance(module, nn.Conv2d) and Packed.serves(module) else None
            return cls(module, kernel, stride, padding, packed)
        field = int(trace(module).receptive_field)
        return cls(module, kernel=field, stride=1, padding=field // 2)

    def size(self, units: int) -> int:
        """How many units come of so many."""
        steps, rest = divmod(units + 2 * self.padding - self.kernel, self.stride)
        overhangs = getattr(self.module, "ceil_mode", False) and rest > 0
        # a pool that hangs over the border counts if it begins inside
        return steps + 1 + (overhangs and (steps + 1) * self.stride < units + self.padding)

    def reached(self, span: Span, units: int) -> Span:
        """The units that read any of these of the input, which has so many in all."""
        first = -((self.kernel - 1 - self.padding - span[0]) // self.stride)
        return max(0, first), min(self.size(units), (span[1] - 1 + self.padding) // self.stride + 1)

    def reads(self, span: Span) -> Span:
        """The units of the input that these read; some may lie beyond its border."""
        return span[0] * self.stride - self.padding, (span[1] - 1) * self.stride - self.padding + self.kernel

    def confined(self, span: Span) -> Span:
        """The units that read none but these of the input."""
        first = -((-span[0] - self.padding) // self.stride)
        return first, (span[1] - self.kernel + self.padding) // self.stride + 1

    def __call__(self, x: Tensor, whole: bool) -> Tensor:
        """What comes of a whole map; or of a window of one, without what would read beyond the window."""
        module, padding = self.module, self.padding if whole else 0
        if self.packed and self.packed.pays(x):
            return self.packed(x)
        if isinstance(module, nn.Conv2d):
            return nn.functional.conv2d(x, module.weight, module.bias, self.stride, padding, groups=module.groups)
        if isinstance(module, nn.MaxPool2d):
            return nn.functional.max_pool2d(x, self.kernel, self.stride, padding, ceil_mode=whole and module.ceil_mode)
        x, rim = module(x), self.padding - padding
        return x[..., rim : x.shape[-2] - rim, rim : x.shape[-1] - rim]


@dataclass(frozen=True)
class Segment:
    """The layers from one map that a trunk hands out to the next, and the next one's name."""

    layers: tuple[Layer, ...]
    name: str

    def sizes(self, units: int) -> list[int]:
        """Units along an axis before each layer and after the last, for so many that enter."""
        sizes = [units]
        for layer in self.layers:
            sizes.append(layer.size(sizes[-1]))
        return sizes

    def plan(self, span: Span, units: int) -> tuple[Span, Span] | None:
        """The span of the input to read, and the one that comes of it, where an image reaches `span` of so many units.

        None where a layer would read beyond the border: then the image reaches nearly all, and all is computed.
        """
        sizes = self.sizes(units)
        for layer, size in zip(self.layers, sizes, strict=False):
            span = layer.reached(span, size)
        read = span
        for layer, size in zip(reversed(self.layers), reversed(sizes[:-1]), strict=True):
            read = layer.reads(read)
            if read[0] < 0 or read[1] > size:
                return None
        return read, span

    def confined(self, span: Span) -> Span:
        """The units that leave the last layer and depend on none but these of the input."""
        for layer in self.layers:
            span = layer.confined(span)
        return span

    def __call__(self, x: Tensor, whole: bool) -> Tensor:
        for layer in self.layers:
            x = layer(x, whole)
        return x


def padding_of(trunk: Trunk) -> int:
    """Pixels a side that a trunk pads the image by."""
    return Layer.of(next(trunk.children())).padding


def segments_of(trunk: Trunk) -> list[Segment]:
    """A trunk's layers, cut where it hands out a map; the first takes an image that is padded already."""
    names = {layer: name for name, layer in trunk.outputs.items()}
    segments: list[Segment] = []
    layers: list[Layer] = []
    for name, module in trunk.named_children():
        layer = Layer.of(module)
        layers.append(layer if segments or layers else replace(layer, padding=0))
        if name in names:
            segments.append(Segment(tuple(layers), names[name]))
            layers = []
    return segments


def smallest_side(segments: Sequence[Segment], side: int, stride: int) -> int:
    """The smallest side of a padded image, of the remainder of `side` and none larger, whose maps all have a middle.

    A middle is where no border has a say.
    """
    for smaller in range(side % stride, side, stride):
        span, units = (0, smaller), smaller
        for segment in segments:
            span, units = segment.confined(span), segment.sizes(units)[-1]
            if not 0 <= span[0] < span[1] <= units:
                break
        else:
            return smaller
    return side
