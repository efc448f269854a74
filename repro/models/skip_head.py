"""The skip architecture (section 4.2): combining what and where. One forward serves FCN-32s, 16s, 8s, 4s and 2s."""

from collections.abc import Mapping, Sequence

from mmseg.registry import MODELS
from torch import Tensor, nn

from repro.models.geometry import IMAGE, Geometry, trace, upsampling_kernel
from repro.models.losses import PixelSoftmaxLoss
from repro.models.trunk import initialize_zero
from repro.models.upsample import Upsample


@MODELS.register_module()
class SkipHead(nn.Module):
    """Score the coarsest map; then, for every finer one: upsample, add its score. At last upsample to the image.

    Score layers are 1x1 convolutions that start at zero, so a finer net begins with the coarser net's predictions.
    Upsampling kernels and crop offsets follow from the trunk's geometry.

    Args:
        num_classes: of the label set, background included.
        loss: config of the loss.
        channels, geometries: the trunk's maps, coarsest last; `FCN` fills them in.
        fuse: maps to add, from coarse to fine: () is FCN-32s, ("pool4",) FCN-16s, ("pool4", "pool3") FCN-8s.
        scales: frozen factors on maps before they are scored (the released FCN-8s at once).
        learned_upsampling: whether the upsampling between fusions is learned (CVPR) or fixed (release). The last one,
            to the image, is always fixed.
    """

    def __init__(
        self,
        num_classes: int,
        loss: dict,
        channels: Mapping[str, int],
        geometries: Mapping[str, Geometry],
        fuse: Sequence[str] = (),
        scales: Mapping[str, float] | None = None,
        learned_upsampling: bool = False,
    ) -> None:
        super().__init__()
        unknown = [name for name in fuse if name not in geometries]
        if unknown:
            raise ValueError(f"the trunk has no map {', '.join(unknown)}; it has {', '.join(geometries)}")
        if idle := set(scales or ()).difference(fuse):
            raise ValueError(f"scales only work on maps that are fused, not on {', '.join(sorted(idle))}")
        self.num_classes = num_classes
        self.top = list(geometries)[-1]
        grid = {"cells": geometries[self.top]} if "sampled" in loss else None
        self.loss: PixelSoftmaxLoss = MODELS.build(loss, default_args=grid)
        self.scales = dict(scales or {})
        self.steps: list[tuple[str, str, str, int]] = []  # map, its score layer, the upsampling before it, its crop

        self.score_fr = _score_layer(channels[self.top], num_classes)
        reached = geometries[self.top]
        upscore = "upscore2"  # Caffe's names: upscore2, then upscore_ and the map fused last
        for name in fuse:
            reached = self._add_upsampling(upscore, reached, geometries[name], learned_upsampling)
            self.add_module(f"score_{name}", _score_layer(channels[name], num_classes))
            self.steps.append((name, f"score_{name}", upscore, geometries[name].crop_to(reached)))
            upscore = f"upscore_{name}"
        self.last_upscore = f"upscore{reached.stride}" if fuse else "upscore"
        if self.last_upscore in dict(self.named_children()):  # FCN-2s, whose first upsampling is called upscore2
            self.last_upscore = upscore
        reached = self._add_upsampling(self.last_upscore, reached, IMAGE, learned=False)
        self.image_crop = reached.crop_to(IMAGE)

    def _add_upsampling(self, name: str, coarse: Geometry, fine: Geometry, learned: bool) -> Geometry:
        factor = int(coarse.stride / fine.stride)
        layer = Upsample(self.num_classes, upsampling_kernel(coarse, fine), factor, learned)
        self.add_module(name, layer)
        return coarse.then(trace(layer))

    def score(self, maps: Mapping[str, Tensor]) -> Tensor:
        """The coarse scores that upsampling starts from, (N, classes, ~H/32, ~W/32)."""
        return self.score_fr(maps[self.top])

    def forward(self, maps: Mapping[str, Tensor], size: tuple[int, int]) -> Tensor:
        """Scores of every pixel, (N, classes, H, W), from the trunk's maps and the image's size (H, W)."""
        x = self.score(maps)
        for name, score, upscore, offset in self.steps:
            x = self.get_submodule(upscore)(x)
            fine = maps[name] * self.scales[name] if name in self.scales else maps[name]
            x = add(x, self.get_submodule(score)(fine), offset)
        return crop(self.get_submodule(self.last_upscore)(x), self.image_crop, size)


def add(coarse: Tensor, fine: Tensor, offset: int) -> Tensor:
    """The sum of two maps (N, C, ., .) of one stride, where both exist; unit 0 of `coarse` is unit `offset` of `fine`.

    In VGG16 and AlexNet, which pad the image widely, that is all of `coarse`; in GoogLeNet an upsampled map may end a
    unit later than the finer one.
    """
    height, width = (min(of, at - offset) for of, at in zip(coarse.shape[-2:], fine.shape[-2:], strict=True))
    return coarse[..., :height, :width] + crop(fine, offset, (height, width))


def crop(x: Tensor, offset: int, size: Sequence[int]) -> Tensor:
    """The window of `size` (H, W) of a map (N, C, H', W') that begins at `offset` on both axes.

    Raises:
        ValueError: the window leaves the map.
    """
    height, width = size
    if offset + height > x.shape[-2] or offset + width > x.shape[-1]:
        raise ValueError(f"a window of {height}x{width} at {offset} leaves a map of {x.shape[-2]}x{x.shape[-1]}")
    return x[..., offset : offset + height, offset : offset + width]


def _score_layer(channels: int, num_classes: int) -> nn.Conv2d:
    layer = nn.Conv2d(channels, num_classes, 1)
    initialize_zero(layer)
    return layer
