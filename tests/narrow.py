"""Nets of the package `torchfcn` with fewer channels: full ones have 134 million parameters."""

import torch
from torch import nn

from baselines.peers import Torchfcn
from repro.models.trunk import scaled


def narrow_torchfcn(peer: Torchfcn, width: float) -> nn.Module:
    """The package's net with `width` times as many channels, as ours count them, in eval mode.

    Forward pass and deconvolutions are its own. It lies on the device `meta`: give it memory, then weights.
    """
    with torch.device("meta"):
        net = peer.build("meta")
        for key, layer in list(net.named_children()):
            if isinstance(layer, nn.Conv2d):
                inputs = layer.in_channels if key == "conv1_1" else scaled(layer.in_channels, width)
                outputs = layer.out_channels if "score" in key else scaled(layer.out_channels, width)
                net.add_module(key, nn.Conv2d(inputs, outputs, layer.kernel_size[0], padding=int(layer.padding[0])))
    return net.eval()
