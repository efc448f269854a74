"""RGB-D nets (section 5): early fusion by a fourth input channel, late fusion of an RGB and an HHA stream.

Late fusion sums the two streams' scores, half of each, before the one upsampling. One score layer over both streams'
maps, laid side by side and halved, gives that sum: (w, v) · (a, b) / 2 = (w · a + v · b) / 2. So the fused net is one
trunk with twice the channels, under the same head as any other, at 32s and at 16s.
"""

from collections.abc import Mapping, Sequence

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from repro.models.geometry import Geometry
from repro.models.trunk import Trunk

STREAMS = ("color", "hha")
IN_CHANNELS = 3  # of each stream


@MODELS.register_module()
class LateFusion(nn.Module):
    """Two trunks of one kind, on colour and on HHA, whose maps are laid side by side, each halved.

    Args:
        stream: config of the trunk that each of the two is.
    """

    def __init__(self, stream: dict) -> None:
        super().__init__()
        self.color: Trunk = MODELS.build(stream)
        self.hha: Trunk = MODELS.build(stream)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Maps by name, (N, 2 * channels, ~H/stride, ~W/stride), of BGR and HHA stacked, (N, 6, H, W), BGR first."""
        color, hha = self.color(image[:, :IN_CHANNELS]), self.hha(image[:, IN_CHANNELS:])
        return {name: torch.cat([color[name], hha[name]], dim=1) / len(STREAMS) for name in color}

    def geometries(self) -> dict[str, Geometry]:
        """The geometry of every map that `forward` hands out."""
        return self.color.geometries()

    def channels(self) -> dict[str, int]:
        """The number of channels of every map that `forward` hands out."""
        return {name: len(STREAMS) * channels for name, channels in self.color.channels().items()}


def adapt(parents: Sequence[Mapping[str, Tensor]], backbone: nn.Module) -> Mapping[str, Tensor]:
    """The parents' weights in the form that a net with this trunk starts from.

    Args:
        parents: one net, or the colour and the HHA net of a late fusion.
    """
    if len(parents) > 1:
        return merge_streams(parents)
    (weights,) = parents
    first = next(iter(backbone.state_dict()))
    inherited, own = weights.get(f"backbone.{first}"), backbone.state_dict()[first]
    if inherited is not None and own.shape[1] == inherited.shape[1] + 1:
        return add_depth_channel(weights, f"backbone.{first}")
    return weights


def merge_streams(nets: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The weights of a late fusion net from those of its two single-modality nets, colour first.

    The fused net's scores are the mean of the two nets' scores.
    """
    merged: dict[str, Tensor] = {}
    for stream, net in zip(STREAMS, nets, strict=True):
        for name, tensor in net.items():
            if name.startswith("backbone."):
                merged[name.replace("backbone.", f"backbone.{stream}.", 1)] = tensor
    color, hha = nets
    for name in color:
        *_, layer, kind = name.split(".")
        if layer.startswith("score_") and name in hha:
            merged[name] = (
                torch.cat([color[name], hha[name]], dim=1) if kind == "weight" else (color[name] + hha[name]) / 2
            )
    return merged


def add_depth_channel(weights: Mapping[str, Tensor], layer: str) -> dict[str, Tensor]:
    """The weights of a colour net whose first layer takes a fourth channel, by the mean of its three colour filters."""
    filters = weights[layer]
    return {**weights, layer: torch.cat([filters, filters.mean(dim=1, keepdim=True)], dim=1)}
