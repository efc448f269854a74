"""Weights files: tensors and plain facts about them, nothing that could run.

A file is written whole or not at all, carries a digest of its tensors, and names where they come from.
"""

import hashlib
import pickle
import warnings
import zipfile
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
        faithful: whether they were trained as the experiment's card says, from faithful parents, or are those that its
            authors released. Only such weights answer claims.
        training: how they were trained, as plain values: iterations, seed, dataset and its hash, provenance; for
            weights that others released `released`, and the name and the SHA-256 of their file.
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
    def released(self) -> bool:
        """Whether they come from a file that others released."""
        return self.training.get("released") is True

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
    content = _read(path)
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


def read_facts(path: Path) -> dict[str, Any]:
    """What a weights file says about its tensors, its digest among it, without reading them; {} for any other file."""
    try:
        content = _read(path, mmap=True)
    except UserError:
        return {}
    known = isinstance(content, dict) and content.get("format") == FORMAT
    return {name: fact for name, fact in content.items() if name != "tensors"} if known else {}


def hand_on(weights: Weights, model: nn.Module, origin: Path | str) -> None:
    """Start a net from the net before it in the chain: 32s from the classifier, 16s from 32s, 8s from 16s.

    What the model has of its own (new score layers, other upsampling) stays as it is, and what only the parent has
    (its last upsampling, its classifying layer) is dropped. Anything else that does not fit is an error.

    Raises:
        UserError: the weights are of another net; lists every name.
    """
    own = model.state_dict()
    fitting = {name: tensor for name, tensor in weights.tensors.items() if name in own}
    misshapen = [name for name in fitting if not _fits(fitting[name], own[name], model, name)]
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
        misshapen=[n for n in own if n in weights.tensors and not _fits(weights.tensors[n], own[n], model, n)],
        missing=[name for name in own if name not in weights.tensors],
        foreign=[name for name in weights.tensors if name not in own],
    )
    model.load_state_dict(weights.tensors)


def _read(path: Path, mmap: bool = False) -> Any:
    """What a file holds, as far as it is tensors and plain values.

    Args:
        mmap: leave the tensors in the file until they are looked at.
    """
    if not path.is_file():
        raise UserError(f"no weights file at {path}; train it first, or name another with --weights")
    try:
        if zipfile.is_zipfile(path):
            _refuse_bomb(path)
        with warnings.catch_warnings():  # torch advises on a foreign file, beside refusing it
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except UserError:
        raise
    except pickle.UnpicklingError as error:
        raise UserError(f"{path} holds more than tensors, or is no weights file: refused") from error
    except Exception as error:  # broken bytes make torch's reader raise nearly anything
        raise UserError(f"{path} is truncated or no weights file: fetch or train it again") from error


def _refuse_bomb(path: Path) -> None:
    """Refuse an archive that would grow when it is read; torch stores tensors as they are, each once."""
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise UserError(f"{path} is compressed, which no weights file is: refused")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise UserError(f"{path} declares more bytes than it has: refused")


def _fits(tensor: Tensor, own: Tensor, model: nn.Module, name: str) -> bool:
    """Whether a tensor has a parameter's shape, or another that its layer takes (a fixed upsampling a dense one)."""
    layer: Any = model.get_submodule(name.rpartition(".")[0])
    return layer.takes(tensor) if hasattr(layer, "takes") else tensor.shape == own.shape


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
    if inflated := [name for name, tensor in content.items() if not _is_stored(tensor)]:
        raise UserError(f"{path} declares more values than it holds ({', '.join(inflated[:5])}): refused")
    return dict(content)


def _is_stored(tensor: Tensor) -> bool:
    """Whether every value of a tensor lies in memory; a view with strides of zero may stand for any number."""
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    return plain and tensor.nbytes <= tensor.untyped_storage().nbytes()
