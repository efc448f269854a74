"""What the timings beside peers share."""

import pytest
import torch
from narrow import narrow_torchfcn
from torch import nn

from baselines.peers import Peer, Torchfcn
from repro.errors import UserError
from repro.timing.case import SEED


def build_peer(peer: Peer, device: str, width: float = 1) -> nn.Module:
    """Its net; without its package, the test skips and says why.

    Args:
        width: factor on the channels of `torchfcn`, whose weights then have to be loaded; others keep theirs.
    """
    torch.manual_seed(SEED)
    try:
        if width < 1 and isinstance(peer, Torchfcn):
            return narrow_torchfcn(peer, width).to_empty(device=device)
        return peer.build(device)
    except UserError as error:
        pytest.skip(str(error))


def precision_of_peer(precision: str) -> str:
    """What the peer's arithmetic is: ours, or where ours is `bf16`, what torch does with a net in fp32."""
    return "tf32" if precision == "bf16" else precision
