"""Weights that others publish, brought into this suite's form: ImageNet classifiers, and the authors' FCNs."""

import difflib
from pathlib import Path

import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch import Tensor

from repro import experiments
from repro.errors import UserError
from repro.experiments import data_folder
from repro.files import sha256
from repro.models.alexnet import CaffeNet
from repro.models.googlenet import GoogLeNet
from repro.models.vgg16 import VGG16
from repro.weights import published, store
from repro.weights.caffe import read_caffemodel
from repro.weights.name_maps import ILSVRC, RELEASED, classifier_tensors, fcn_tensors
from repro.weights.published import Published
from repro.weights.torchvision import PRETRAINED, pretrained_tensors

TRUNKS = {"vgg16": VGG16, "caffenet": CaffeNet, "googlenet": GoogLeNet}
CLASSIFIERS = {**published.ILSVRC, **{name: found.published for name, found in PRETRAINED.items()}}


def convert(file: Path, to: str) -> store.Weights:
    """A weights file that others publish, as an experiment takes it.

    The weights are `faithful` if the file has the published checksum, or, where its publisher gives none, the published
    name. They name the file, its SHA-256 and what is known of its checksum in `source`, and in `training`, from where
    they come into every record.

    A classifier's file is what experiments start from: the trunk, and the classifying layer as a 1x1 convolution.

    Args:
        file: a `.caffemodel`, or one of torchvision's `.pth`.
        to: what it holds: a classifier, one of `CLASSIFIERS`, for experiments to start from; or, by the name of the
            experiment, one of the FCNs that the authors released.

    Raises:
        UserError: nothing is called `to`, no such file, a broken one, or one of another net; lists every fault.
    """
    known = published_as(to)
    if not file.is_file():
        raise UserError(f"there is no {file}: name the file to convert ({known.file})")
    tensors = _tensors(file, to)
    matches = known.matches(file)
    checksum = {True: "published", False: "another", None: "unknown"}[matches]
    digest, faithful = sha256(file), file.name == known.file if matches is None else matches
    source = f"{file.name}, sha256 {digest}"
    if faithful and known.urls:
        source += f", {'given for the one at' if matches is None else 'published at'} {known.urls[0]}"
    return store.Weights(
        tensors,
        experiment=to if to in RELEASED else f"ilsvrc/{to}",
        source=source,
        licence=known.licence,
        faithful=faithful,
        training={"released": True, "file": file.name, "sha256": digest, "checksum": checksum},
    )


def published_as(name: str) -> Published:
    """What is known of the file of a classifier or of a released FCN.

    Raises:
        UserError: none is called so; suggests the nearest names.
    """
    everything = {**CLASSIFIERS, **published.RELEASED}
    if name not in everything:
        near = difflib.get_close_matches(name, everything, n=3, cutoff=0.4)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UserError(f"nobody publishes weights of {name!r}{hint}; there are {', '.join(everything)}")
    return everything[name]


def place_of(name: str) -> Path:
    """Where converted weights go: a classifier to where experiments look for it, an FCN beside them."""
    folder = data_folder() / "weights"
    return folder / "released" / f"{name}.pth" if name in RELEASED else folder / "ilsvrc" / f"{name}.pth"


def _tensors(file: Path, to: str) -> dict[str, Tensor]:
    if to in PRETRAINED:
        return pretrained_tensors(file, to)
    layers = read_caffemodel(file)
    if to in ILSVRC:
        with torch.device("meta"):  # for its shapes
            trunk = TRUNKS[to]()
        return classifier_tensors(layers, ILSVRC[to], trunk, file)
    with torch.device("meta"):
        net = MODELS.build(Config.fromfile(experiments.get(to).path).model)
    return fcn_tensors(layers, RELEASED[to], net, file)
