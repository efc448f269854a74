"""Weights files: tensors and plain facts about them, nothing that could run.

A file is written whole or not at all, carries a digest of its tensors, and names where they come from.
"""

import hashlib
import pickle
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from repro.errors import UserError
from repro.files import atomic

FORMAT = "fcn-repro weights 1"


@dataclass(frozen=True)
class Weights:
    """Tensors by parameter name, and where they come from.

    Attributes:
        tensors: by name, on the CPU.
        experiment: name of the experiment that made them.
        config_sha256: hash of its settings.
        parent_sha256: digest of the weights that it started from.
        source, licence: for weights that come from elsewhere.
        faithful: whether they were trained as the experiment's card says, from faithful parents. Only such weights
            answer claims.
        training: how they were trained, as plain values: iterations, seed, dataset and its hash, provenance.
    """

    tensors: dict[str, Tensor]
    experiment: str = ""
    config_sha256: str = ""
    parent_sha256: str | None = None
    source: str = ""
    licence: str = ""
    faithful: bool = False
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Digest of the tensors: names, types, shapes and values, in the order of the names."""
        digest = hashlib.sha256()
        for name in sorted(self.tensors):
            tensor = self.tensors[name].contiguous()
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()


def save(weights: Weights, path: Path | str) -> None:
    """Write a weights file.

    Raises:
        UserError: the place cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.tensors.items()}
    facts = {name: value for name, value in vars(weights).items() if name != "tensors"}
    content = {"format": FORMAT, "sha256": Weights(tensors).sha256, "tensors": tensors, **facts}
    with atomic(path) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:  # so torch reports a full disk
            raise OSError("not all of it could be written") from error


def load(path: Path | str) -> Weights:
    """Read a weights file, or a plain state dict as `torch.save` writes it.

    Raises:
        UserError: no such file, no weights in it, a truncated or changed file, or one that would have to run code.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no weights file at {path}; train it first, or name another with --weights")
    try:
        with warnings.catch_warnings():  # torch advises on a foreign file, beside refusing it
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(f"{path} holds more than tensors, or is no weights file: refused") from error
    except Exception as error:  # broken bytes make torch's reader raise nearly anything
        raise UserError(f"{path} is truncated or no weights file: fetch or train it again") from error
    if not isinstance(content, dict) or "format" not in content:
        return Weights(_only_tensors(path, content), source=path.name)
    if content.pop("format") != FORMAT:
        raise UserError(f"{path} is of another format than '{FORMAT}': update fcn-repro or convert the file again")
    digest, tensors = content.pop("sha256", None), _only_tensors(path, content.pop("tensors", None))
    try:
        weights = Weights(tensors, **content)
        if not (isinstance(weights.training, dict) and isinstance(weights.faithful, bool)):
            raise TypeError
    except TypeError as error:
        raise UserError(f"{path} does not have the facts of a '{FORMAT}' file: fetch or train it again") from error
    if weights.sha256 != digest:
        raise UserError(f"{path} was changed since it was written (its digest differs): fetch or train it again")
    return weights


def hand_on(weights: Weights, model: nn.Module, origin: Path | str) -> None:
    """Start a net from the net before it in the chain: 32s from the classifier, 16s from 32s, 8s from 16s.

    What the model has of its own (new score layers, other upsampling) stays as it is, and what only the parent has
    (its last upsampling, its classifying layer) is dropped. Anything else that does not fit is an error.

    Raises:
        UserError: the weights are of another net; lists every name.
    """
    own = model.state_dict()
    fitting = {name: tensor for name, tensor in weights.tensors.items() if name in own}
    misshapen = [name for name in fitting if fitting[name].shape != own[name].shape]
    missing = [name for name in own if name not in fitting and not _is_heads_own(name)]
    foreign = [name for name in weights.tensors if name not in own and not _is_heads_own(name)]
    _refuse(origin, misshapen=misshapen, missing=missing, foreign=foreign)
    model.load_state_dict(fitting, strict=False)


def load_into(weights: Weights, model: nn.Module, origin: Path | str) -> None:
    """Give a net exactly its weights.

    Raises:
        UserError: a name is missing, foreign or misshapen; lists every one.
    """
    own = model.state_dict()
    _refuse(
        origin,
        misshapen=[name for name in own if name in weights.tensors and weights.tensors[name].shape != own[name].shape],
        missing=[name for name in own if name not in weights.tensors],
        foreign=[name for name in weights.tensors if name not in own],
    )
    model.load_state_dict(weights.tensors)


def _is_heads_own(name: str) -> bool:
    owners = name.split(".")[:-1]
    return bool(owners) and (owners[-1] == "classifier" or owners[-1].startswith(("score_", "upscore")))


def _refuse(origin: Path | str, **faults: list[str]) -> None:
    found = [f"{kind}: {', '.join(names)}" for kind, names in faults.items() if names]
    if found:
        raise UserError(f"{origin} holds the weights of another net ({'; '.join(found)})")


def _only_tensors(path: Path, content: object) -> dict[str, Tensor]:
    if not isinstance(content, dict):
        raise UserError(f"{path} holds a {type(content).__name__}, not weights by name")
    strangers = [
        str(name) for name, value in content.items() if not (isinstance(name, str) and isinstance(value, Tensor))
    ]
    if strangers or not content:
        raise UserError(f"{path} holds no tensors by name (found {', '.join(strangers[:5]) or 'nothing'})")
    return dict(content)
