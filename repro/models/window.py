"""An exact, faster forward pass: what the padding alone decides is not computed again for every image.

A trunk pads the image by 100 pixels a side. Far from the image its maps depend on the weights and on the place alone,
and far from the border too they are constant. So its layers run on the window that the image can reach, surrounded by
as much of the map of an empty image as they read, until that window fills the map. The map of an empty image is taken
from a small one, stretched where it is constant: small enough that even a new image size costs little.
"""

import copy
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor, nn

from repro.errors import UserError
from repro.models.derived import Derived
from repro.models.fusion import STREAMS, LateFusion
from repro.models.reach import Span, padding_of, segments_of, smallest_side
from repro.models.segmentor import FCN
from repro.models.trunk import Trunk

CACHED = 128  # remainders of image sizes whose surroundings are kept; 2 MB each for VGG16. seg11valid's sizes have 80
Box = tuple[Span, Span]  # rows and columns
Size = tuple[int, int]  # height and width


class Fast(FCN):
    """An FCN for inference alone, as `fast` makes it of another, whose layers it shares."""

    @torch.no_grad()
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """As an FCN's, without gradients.

        Raises:
            UserError: a layer is in training mode.
        """
        if any(module.training for module in self.modules()):
            raise UserError("fast() is for inference, but its layers are in training mode: call eval() first")
        return super().forward(*args, **kwargs)

    def train(self, mode: bool = True) -> "Fast":
        """Refuse training; `eval()` also reaches the layers, which the net that this was made from shares."""
        if mode:
            raise UserError("fast() is for inference: train the net that it was made from")
        super().train(False)
        return self

    def forget(self) -> None:
        """Take the weights as they are now, after a change that torch does not count, such as through `.data`."""
        for trunk in self.backbone.modules():
            if isinstance(trunk, Windowed):
                trunk.forget()


def fast(net: FCN) -> Fast:
    """The same net with the same call and the same scores, and a faster forward pass for inference.

    Scores agree up to the rounding of sums that are taken in another order. The layers are shared, and a change of
    their weights is seen, but for one through a parameter's `.data`, which torch does not count: call `forget()` after
    it. On a CPU the weights are laid out channels last, for both nets, and those of fc6 and fc7 a second time: to
    compare times, copy the net first. A trunk that pads little, such as GoogLeNet by 3, runs as before.

    Args:
        net: a loaded net in eval mode.

    Raises:
        UserError: not a net of this suite, or one in training mode.
    """
    if not isinstance(net, FCN):
        raise UserError(f"fast() takes a net of this suite, such as repro.load gives, not a {type(net).__name__}")
    if net.training:
        raise UserError("fast() is for inference, and this net is in training mode: call net.eval() first")
    quick = cast(Fast, copy.copy(net))
    quick.__class__ = Fast
    quick._modules = net._modules.copy()
    read = {name for head in net.heads.values() for name in (head.top, *(step[0] for step in head.steps))}
    quick.add_module("backbone", _windowed(net.backbone, read))
    if _on_cpu(net):
        quick.to(memory_format=torch.channels_last)
    return quick


def _windowed(trunk: nn.Module, read: set[str]) -> nn.Module:
    if isinstance(trunk, LateFusion):
        fused = copy.copy(trunk)
        fused._modules = {stream: _windowed(trunk.get_submodule(stream), read) for stream in STREAMS}
        return fused
    return Windowed(trunk, read) if isinstance(trunk, Trunk) and Windowed.pays(trunk) else trunk


def _on_cpu(module: nn.Module) -> bool:
    return next(module.parameters()).device.type == "cpu"


@dataclass(frozen=True)
class Surroundings:
    """A map of a small empty image, constant along an axis from unit `constant` on until its far border has a say."""

    map: Tensor  # (1, C, h, w)
    constant: Size

    def cut(self, box: Box, size: Size) -> Tensor:
        """What `box` holds of the map of an empty image that is larger, but leaves the same remainder; `size`: (H, W).

        Returns:
            (1, C, rows of the box, columns of the box)
        """
        x = self.map
        for axis, (span, units, constant) in enumerate(zip(box, size, self.constant, strict=True), start=2):
            x = x.index_select(axis, _places(span, units, self.map.shape[axis], constant, x.device))
        return x

    def around(self, window: Tensor, at: Box, box: Box, size: Size) -> Tensor:
        """What `box` holds of the map of an image: a window (N, C, ., .) that lies `at`, and the empty map around."""
        if at == box:
            return window
        (top, bottom), (left, right) = box
        (up, down), (near, far) = at
        columns_last = window.is_contiguous(memory_format=torch.channels_last)
        layout = torch.channels_last if columns_last else torch.contiguous_format
        x = torch.empty(
            (*window.shape[:2], bottom - top, right - left),
            dtype=window.dtype,
            device=window.device,
            memory_format=layout,
        )
        strips = (((top, up), box[1]), ((down, bottom), box[1]), ((up, down), (left, near)), ((up, down), (far, right)))
        for rows, columns in strips:
            part = x[..., rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left]
            part.copy_(self.cut((rows, columns), size))
        x[..., up - top : down - top, near - left : far - left] = window
        return x


@lru_cache(maxsize=1024)  # of one size of image there are some 60; made anew, they would be most of a GPU's kernels
def _places(span: Span, units: int, known: int, constant: int, device: torch.device) -> Tensor:
    """Where on an axis of `known` units these lie of one of `units`, which repeats unit `constant`."""
    index = torch.arange(*span, device=device)
    return torch.maximum(index.clamp(max=constant), index - (units - known))


class Windowed(nn.Module):
    """A trunk that computes what an image can change, and knows the rest.

    Its layers are the trunk's own, under their names.

    Args:
        trunk: one that `pays`.
        read: names of the maps that the heads read; no others are handed out.
    """

    def __init__(self, trunk: Trunk, read: set[str]) -> None:
        super().__init__()
        for name, layer in trunk.named_children():
            self.add_module(name, layer)
        self.train(trunk.training)
        self.source = (trunk,)  # in a tuple, and so no module of this one
        self.segments = segments_of(trunk)
        self.read = read
        self.padding = padding_of(trunk)
        self.stride = int(trunk.geometries()[trunk.top].stride)
        # by a size's remainder; the last used last
        self.known: Derived[OrderedDict[tuple, list[Surroundings]]] = Derived()

    def forget(self) -> None:
        """Take the weights as they are now."""
        self.known.forget()
        for segment in self.segments:
            for layer in segment.layers:
                if layer.packed:
                    layer.packed.matrix.forget()

    def _apply(self, *args: Any, **kwargs: Any) -> "Windowed":
        """To another device or type: what was kept would keep its memory, too."""
        self.forget()
        return super()._apply(*args, **kwargs)

    @staticmethod
    def pays(trunk: Trunk) -> bool:
        """Whether the first map has a border that no image reaches: whether the trunk pads widely."""
        padding = padding_of(trunk)
        plan = segments_of(trunk)[0].plan((padding, padding + 1), 2 * padding + 1)
        return plan is not None and plan[1][0] > 0 and trunk.smallest_input == 1

    @torch.no_grad()
    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """The maps that the heads read, by name, as the trunk hands them out, of images (N, C, H, W); no gradients.

        Raises:
            UserError: a layer was replaced, or has hooks, as pruned ones do.
        """
        self._check_layers()
        x = image.contiguous(memory_format=torch.channels_last) if _on_cpu(self) else image
        size: Size = (image.shape[-2] + 2 * self.padding, image.shape[-1] + 2 * self.padding)
        plans = self._plans(size)
        empty = self._surroundings(x, size, len(plans))
        at: Box = ((self.padding, size[0] - self.padding), (self.padding, size[1] - self.padding))
        maps = {}
        for number, segment in enumerate(self.segments):
            whole = number >= len(plans)
            box, made = (_all(size), None) if whole else plans[number]
            if number <= len(plans):
                x = empty[number].around(x, at, box, size)
            x = segment(x, whole)
            size = segment.sizes(size[0])[-1], segment.sizes(size[1])[-1]
            at = made or _all(size)
            if segment.name in self.read:
                maps[segment.name] = x if whole else empty[number + 1].around(x, at, _all(size), size)
        return maps

    def _check_layers(self) -> None:
        layers, (trunk,) = dict(self.named_children()), self.source
        run = [layer.module for segment in self.segments for layer in segment.layers]
        if not run == list(layers.values()) == list(trunk.children()):
            raise UserError("a layer of the trunk was replaced after fast() was called: call it again")
        for name, layer in (*layers.items(), ("the trunk", trunk)):
            if layer._forward_hooks or layer._forward_pre_hooks:
                raise UserError(
                    f"fast() runs no hooks, and {name} has one: remove it, or the pruning that put it there"
                )

    def _plans(self, size: Size) -> list[tuple[Box, Box]]:
        """The box to read and the box that comes of it, for each of the segments that leave out the border."""
        plans: list[tuple[Box, Box]] = []
        rows, columns = ((self.padding, side - self.padding) for side in size)
        height, width = size
        for segment in self.segments:
            vertical, horizontal = segment.plan(rows, height), segment.plan(columns, width)
            if vertical is None or horizontal is None:
                break
            rows, columns = vertical[1], horizontal[1]
            plans.append(((vertical[0], horizontal[0]), (rows, columns)))
            height, width = segment.sizes(height)[-1], segment.sizes(width)[-1]
        return plans

    def _surroundings(self, image: Tensor, size: Size, segments: int) -> list[Surroundings]:
        """The empty image, and the map of it behind each of the first segments."""
        known = self.known.of(chain(self.parameters(), self.buffers()), OrderedDict)
        remainders = (side % self.stride for side in size)
        key = (*remainders, segments, image.shape[1], image.dtype, image.device, *_arithmetic(image.device.type))
        found = known.pop(key, None)  # another thread that misses it meanwhile computes it too
        if found is None:
            found = self._compute_surroundings(image, size, segments)
        known[key] = found
        while len(known) > CACHED:
            known.popitem(last=False)
        return found

    def _compute_surroundings(self, image: Tensor, size: Size, segments: int) -> list[Surroundings]:
        first = self.segments[:segments]
        small = [smallest_side(first, side, self.stride) for side in size]
        x = image.new_zeros(1, image.shape[1], *small)
        if _on_cpu(self):
            x = x.contiguous(memory_format=torch.channels_last)
        rows, columns = ((0, side) for side in small)
        found = [Surroundings(x, (0, 0))]
        for segment in first:
            x = segment(x, whole=True)
            rows, columns = segment.confined(rows), segment.confined(columns)
            found.append(Surroundings(x, (rows[0], columns[0])))
        return found


def _arithmetic(device: str) -> tuple[Any, ...]:
    """What decides how a convolution multiplies, beside the type of its input."""
    casts = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    cudnn: Any = torch.backends.cudnn
    try:
        return casts and torch.get_autocast_dtype(device), cudnn.allow_tf32
    except RuntimeError:  # torch refuses to read the older switch once the newer one was set
        return casts and torch.get_autocast_dtype(device), cudnn.conv.fp32_precision


def _all(size: Size) -> Box:
    return (0, size[0]), (0, size[1])
