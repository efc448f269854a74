"""What a peer is: another implementation, or another method, that a user could take instead of ours."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from importlib import metadata
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class Peer(Protocol):
    """Another way to score every place of an image; all of it runs in its own code."""

    @property
    def name(self) -> str:
        """What records call it."""

    @property
    def what(self) -> str:
        """Whose code runs, in a few words."""

    @property
    def package(self) -> str:
        """The distribution that it comes from."""

    @property
    def licence(self) -> str:
        """That distribution's licence, by its SPDX name."""

    @property
    def experiment(self) -> str:
        """The experiment of ours that it is timed beside."""

    @property
    def stride(self) -> int:
        """Pixels from one score to the next: 1, or more where it scores a coarse grid only."""

    def build(self, device: torch.device | str = "cpu") -> nn.Module:
        """Its net with weights as it draws them, in eval mode.

        Called with preprocessed images (N, 3, H, W) it gives scores (N, classes, ~H/stride, ~W/stride).

        Raises:
            UserError: its package is not installed.
        """


@runtime_checkable
class SharesWeights(Peer, Protocol):
    """A peer with the layers of one of our nets, so that both run with the same weights."""

    def load(self, net: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Give the net that `build` made the weights of ours, a state dict of `experiment`'s net."""


def channels_last(net: nn.Module) -> nn.Module:
    """A copy of a net in its best setting: weights laid out as (N, H, W, C) in memory, which its maps follow."""
    return deepcopy(net).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def forward(net: nn.Module) -> Callable[[Tensor], Tensor]:
    """The function that is timed: preprocessed images -> scores, without gradients."""

    @torch.inference_mode()
    def scores(images: Tensor) -> Tensor:
        return net(images)

    return scores


def describe(peer: Peer) -> dict[str, str]:
    """What a record says of a peer: whose code, which version is installed, under which licence."""
    return {
        "what": peer.what,
        "package": peer.package,
        "version": metadata.version(peer.package),
        "licence": peer.licence,
    }
