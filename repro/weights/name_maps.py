"""Which layer of a Caffe file holds which of our parameters, net by net.

Trunks and heads carry Caffe's names, so a few rules a net say it all. They are strict both ways: a file either fills
every parameter and is used up, or is the weights of another net.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import dropwhile
from math import prod
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from repro.errors import UserError
from repro.models.segmentor import FCN
from repro.models.skip_head import SkipHead
from repro.models.trunk import Trunk
from repro.weights.caffe import CaffeLayer

KINDS = ("weight", "bias")  # a layer's blobs, in Caffe's order


@dataclass(frozen=True)
class NameMap:
    """Rules from our modules to Caffe's layers.

    Attributes:
        rules: how the name of one of our modules begins, and the layers that it comes from, `{}` being the rest of the
            name with slashes for dots; the first rule that fits holds. Two layers are the streams of a late fusion.
        drops: patterns of the layers that our net has no use for.
    """

    rules: Mapping[str, tuple[str, ...]]
    drops: tuple[str, ...] = ()

    def sources(self, module: str) -> tuple[str, ...]:
        """The Caffe layers of one of our modules."""
        start, layers = next((start, layers) for start, layers in self.rules.items() if module.startswith(start))
        rest = module.removeprefix(start).replace(".", "/")
        return tuple(layer.format(rest) for layer in layers)


# The ILSVRC classifiers of Caffe's model zoo.
ILSVRC = {
    "caffenet": NameMap({"backbone.": ("{}",), "classifier": ("fc8",)}),
    "vgg16": NameMap({"backbone.": ("{}",), "classifier": ("fc8",)}),
    "googlenet": NameMap({"backbone.": ("{}",), "classifier": ("loss3/classifier",)}, drops=("loss1/*", "loss2/*")),
}

# The FCNs that the authors released, by the experiment that each one is.
PLAIN = NameMap({"backbone.": ("{}",), "decode_head.": ("{}",)})
TWO_HEADS = NameMap({"backbone.": ("{}",), "decode_head.": ("{}_sem",), "geometric_head.": ("{}_geo",)})
EARLY_FUSION = NameMap({"backbone.conv1_1": ("conv1_1_bgrd",), **PLAIN.rules})
LATE_FUSION = NameMap(
    {
        "backbone.color.": ("{}color",),
        "backbone.hha.": ("{}hha",),
        "decode_head.score_": ("score_{}color", "score_{}hha"),
        "decode_head.": ("{}",),
    }
)
RELEASED = {
    "voc2011/fcn32s_vgg16": PLAIN,
    "voc2011/fcn16s_vgg16": PLAIN,
    "voc2011/fcn8s_vgg16": PLAIN,
    "voc2011/fcn8s_atonce_vgg16": PLAIN,
    "voc2011/fcn32s_alexnet": PLAIN,
    "nyudv2/fcn32s_rgb": PLAIN,
    "nyudv2/fcn32s_rgbd": EARLY_FUSION,
    "nyudv2/fcn32s_hha": PLAIN,
    "nyudv2/fcn32s_rgb_hha": LATE_FUSION,
    "siftflow/fcn32s_vgg16": TWO_HEADS,
    "siftflow/fcn16s_vgg16": TWO_HEADS,
    "siftflow/fcn8s_vgg16": TWO_HEADS,
    "pascal_context/fcn32s_vgg16": PLAIN,
    "pascal_context/fcn16s_vgg16": PLAIN,
    "pascal_context/fcn8s_vgg16": PLAIN,
}


def classifier_tensors(
    layers: Mapping[str, CaffeLayer], names: NameMap, trunk: Trunk, origin: Path | str, num_classes: int = 1000
) -> dict[str, Tensor]:
    """A classifier's weights in the form that an FCN starts from (section 3.1).

    Args:
        layers: of the file, as `read_caffemodel` gives them.
        trunk: the same net, fully convolutional; only the shapes of its parameters are read.
        origin: the file, for the error.

    Returns:
        `backbone.*` for every parameter of the trunk, and `classifier.*`, the last layer as a 1x1 convolution. They
        share the memory of `layers`.

    Raises:
        UserError: a blob is missing, unused or misshapen; lists every one.
    """
    shapes = {f"backbone.{name}": tuple(tensor.shape) for name, tensor in trunk.state_dict().items()}
    shapes["classifier.weight"] = (num_classes, trunk.channels()[trunk.top], 1, 1)
    shapes["classifier.bias"] = (num_classes,)
    return _collect(layers, names, shapes, origin)


def fcn_tensors(layers: Mapping[str, CaffeLayer], names: NameMap, net: FCN, origin: Path | str) -> dict[str, Tensor]:
    """A released FCN's weights by the names of our net.

    Caffe's deconvolutions are dense, (classes, classes, k, k). One that treats every class alone takes our form,
    (classes, 1, k, k); one that does not stays dense. Factors on a skipped map, which the net at once has, are part of
    our net; what a file's factors differ from them goes into the score layer.

    Args:
        layers: of the file, as `read_caffemodel` gives them.
        net: the experiment's; only the shapes of its parameters and its scales are read.
        origin: the file, for the error.

    Returns:
        a tensor for every name of the net's state dict. Most share the memory of `layers`.

    Raises:
        UserError: a blob is missing, unused or misshapen; lists every one.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    scales = dict(_scales(net))
    scored = {name: name.replace(".scale_", ".score_") for name in scales}
    tensors = _collect(layers, names, shapes | {name: shapes[scored[name]][1:2] for name in scales}, origin)
    for name, factor in scales.items():
        tensors[scored[name]] = tensors[scored[name]] * (tensors.pop(name) / torch.tensor(factor))[:, None, None]
    return tensors


def _scales(net: FCN) -> Iterator[tuple[str, float]]:
    """The factors on skipped maps, by the names that they would have as parameters."""
    for name, head in net.named_children():
        if isinstance(head, SkipHead):
            for skipped, factor in head.scales.items():
                yield f"{name}.scale_{skipped}.weight", factor


def _collect(
    layers: Mapping[str, CaffeLayer], names: NameMap, shapes: Mapping[str, tuple[int, ...]], origin: Path | str
) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    missing, misshapen = [], []
    unused = {
        (layer.name, index): f"{layer.name} {KINDS[index] if index < len(KINDS) else f'blob {index}'}"
        for layer in layers.values()
        for index in range(len(layer.blobs))
        if not any(fnmatch(layer.name, pattern) for pattern in names.drops)
    }
    for name, shape in shapes.items():
        module, _, kind = name.rpartition(".")
        index, sources, parts = KINDS.index(kind), names.sources(module), []
        if kind == "weight" and len(sources) > 1:  # each stream has its share of the input's channels
            shape = (shape[0], shape[1] // len(sources), *shape[2:])
        for source in sources:
            if unused.pop((source, index), None) is None:
                missing.append(f"{source} {kind}")
                continue
            blob = layers[source].blobs[index]
            fitting = _fold(blob, shape) if "upscore" in module else _fit(blob, shape)
            if fitting is None:
                misshapen.append(f"{source} {kind} of {blob.shape}, not {shape}")
            else:
                parts.append(torch.from_numpy(fitting))
        if len(parts) == len(sources):
            tensors[name] = parts[0] if len(parts) == 1 else _merge(parts, kind)
    faults = {"missing": missing, "unused": list(unused.values()), "misshapen": misshapen}
    if found := [f"{fault}: {', '.join(which)}" for fault, which in faults.items() if which]:
        raise UserError(f"{origin} holds the weights of another net ({'; '.join(found)}): name the net that it is of")
    return tensors


def _fit(blob: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """The blob in our shape: as it is, as older files have it (four dims), or from a matrix over all of its input."""
    matrix = (shape[0], prod(shape[1:]))
    return blob.reshape(shape) if _lean(blob.shape) in (_lean(shape), _lean(matrix)) else None


def _fold(blob: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32] | None:
    """A deconvolution in our shape; where ours treats every channel alone and the file's does not, the dense one."""
    channels = shape[0]
    if blob.shape == shape or blob.shape != (channels, channels, *shape[2:]):
        return _fit(blob, shape)
    own = np.arange(channels)
    diagonal = blob[own, own]
    return diagonal[:, None] if np.count_nonzero(diagonal) == np.count_nonzero(blob) else blob


def _lean(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(dropwhile(lambda side: side == 1, shape))


def _merge(streams: list[Tensor], kind: str) -> Tensor:
    """Score layers of a late fusion, which averages the streams' scores, as one over both streams' halved maps."""
    return torch.cat(streams, dim=1) if kind == "weight" else torch.stack(streams).mean(dim=0)
