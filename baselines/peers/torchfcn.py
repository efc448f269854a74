"""The package `torchfcn` (pytorch-fcn): FCN-32s, 16s and 8s on VGG16, layer by layer the nets of the paper."""

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from repro.errors import UserError

PIN = "torchfcn==1.9.7"


@dataclass(frozen=True)
class Torchfcn:
    """One of the package's nets.

    Args:
        experiment: ours of the same layers.
        net: name of the package's class.
    """

    experiment: str
    net: str
    name = "torchfcn"
    package = "torchfcn"
    licence = "MIT"
    stride = 1

    @property
    def what(self) -> str:
        return f"{self.net} of pytorch-fcn"

    def build(self, device: torch.device | str = "cpu") -> nn.Module:
        return getattr(models(), self.net)().eval().to(device)

    def load(self, net: nn.Module, weights: Mapping[str, Tensor]) -> None:
        net.load_state_dict({peer_name(key): _dense(key, tensor) for key, tensor in weights.items()})


@cache
def models() -> ModuleType:
    """The package's nets alone, for the rest of it needs packages that no longer install.

    Raises:
        UserError: it is not installed.
    """
    spec = importlib.util.find_spec("torchfcn")
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"torchfcn is not installed: pip install --no-deps {PIN}")
    folder = Path(spec.submodule_search_locations[0]) / "models"
    inner = importlib.util.spec_from_file_location(
        "torchfcn_models", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert inner is not None and inner.loader is not None
    package = sys.modules[inner.name] = importlib.util.module_from_spec(inner)
    absent = "fcn" not in sys.modules
    sys.modules.setdefault("fcn", ModuleType("fcn"))  # the nets import it for downloads only
    try:
        inner.loader.exec_module(package)
    finally:
        if absent:
            del sys.modules["fcn"]
    return package


def peer_name(name: str) -> str:
    """The package's name of one of our parameters."""
    return name.removeprefix("backbone.").removeprefix("decode_head.")


def _dense(name: str, tensor: Tensor) -> Tensor:
    """A parameter as the package shapes it: its deconvolutions have a kernel for every pair of classes."""
    if "upscore" not in name or tensor.shape[1] > 1:
        return tensor
    classes = tensor.shape[0]
    own = torch.arange(classes)
    dense = tensor.new_zeros(classes, *tensor.shape)[:, :, 0]  # (classes, classes, k, k)
    dense[own, own] = tensor[:, 0]
    return dense
