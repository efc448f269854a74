"""torchvision's ImageNet classifiers, in the form that an FCN starts from.

Its nets take RGB in 0..1, less a mean and over a scale; ours take BGR in 0..255 less a mean. Turning the first
convolution's channels round and dividing it by the scale makes up for that exactly, also at the border, whose zeros
stay zeros. So the layer learns at the pace of Caffe's nets, whose images come as 0..255 too.
"""

import contextlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor
from torch.nn.utils import fuse_conv_bn_weights
from torchvision.models import AlexNet_Weights, GoogLeNet_Weights, VGG16_Weights, WeightsEnum

from repro.errors import UserError
from repro.models.googlenet import INCEPTIONS
from repro.models.torchvision_nets import TorchvisionAlexNet, TorchvisionGoogLeNet
from repro.models.trunk import Trunk
from repro.models.vgg16 import STAGES, VGG16
from repro.weights import store
from repro.weights.caffe import CaffeLayer
from repro.weights.name_maps import NameMap, classifier_tensors
from repro.weights.published import Published

BATCH_NORM = ("running_mean", "running_var", "weight", "bias")
BATCH_NORM_EPSILON = 1e-3  # of torchvision's GoogLeNet
SEED = 1337  # of what a file leaves out
BRANCHES = {  # of an inception module; of two names that begin alike the longer comes first, as in all rules
    "1x1": "branch1",
    "3x3_reduce": "branch2.0",
    "3x3": "branch2.1",
    "5x5_reduce": "branch3.0",
    "5x5": "branch3.1",
    "pool_proj": "branch4.1",
}


@dataclass(frozen=True)
class Pretrained:
    """A set of torchvision's weights.

    Attributes:
        weights: torchvision's name for it.
        trunk: the net that it fills.
        names: where our layers come from, in torchvision's names.
        first: the layer that takes the image.
        mean, std: what torchvision's net subtracts from RGB in 0..1, and divides it by.
        licence: its terms.
    """

    weights: WeightsEnum
    trunk: Callable[[], Trunk]
    names: NameMap
    first: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    licence: str = "BSD 3-clause (torchvision); the terms of ImageNet, which they were trained on, may bind their use"

    @property
    def published(self) -> Published:
        """The file; its name ends in the first digits of its SHA-256."""
        file = PurePosixPath(self.weights.url).name
        checksum = f"sha256:{PurePosixPath(file).stem.rpartition('-')[2]}"
        return Published(file, (self.weights.url,), self.licence, checksum)


def _rules(layers: Mapping[str, str], classifier: str, drops: tuple[str, ...] = ()) -> NameMap:
    rules = {f"backbone.{ours}": (theirs,) for ours, theirs in layers.items()}
    return NameMap(rules | {"classifier": (classifier,)}, drops)


_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CONVOLUTIONS = [f"conv{stage}_{n}" for stage, widths in enumerate(STAGES, 1) for n in range(1, len(widths) + 1)]
_VGG16 = _rules(
    dict(zip(_CONVOLUTIONS, (f"features.{n}" for n in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)), strict=True))
    | {"fc6": "classifier.0", "fc7": "classifier.3"},
    "classifier.6",
)
_ALEXNET = _rules(
    {f"conv{layer}": f"features.{n}" for layer, n in enumerate((0, 3, 6, 8, 10), 1)}
    | {"fc6": "classifier.1", "fc7": "classifier.4"},
    "classifier.6",
)
_GOOGLENET = _rules(
    {"conv1": "conv1", "conv2_reduce": "conv2", "conv2": "conv3"}
    | {f"inception_{n}.{our}": f"inception{n}.{their}" for n in INCEPTIONS for our, their in BRANCHES.items()},
    "fc",
    drops=("aux1.*", "aux2.*"),
)
PRETRAINED = {
    "vgg16_torchvision": Pretrained(
        VGG16_Weights.IMAGENET1K_V1, VGG16, _VGG16, "features.0", _IMAGENET_MEAN, _IMAGENET_STD
    ),
    "vgg16_features_torchvision": Pretrained(
        VGG16_Weights.IMAGENET1K_FEATURES,
        VGG16,
        _VGG16,
        "features.0",
        (0.48235, 0.45882, 0.40784),
        (1 / 255, 1 / 255, 1 / 255),
    ),
    "alexnet_torchvision": Pretrained(
        AlexNet_Weights.IMAGENET1K_V1, TorchvisionAlexNet, _ALEXNET, "features.0", _IMAGENET_MEAN, _IMAGENET_STD
    ),
    # these weights were made for another normalisation, to which torchvision's net itself converts its input
    "googlenet_torchvision": Pretrained(
        GoogLeNet_Weights.IMAGENET1K_V1, TorchvisionGoogLeNet, _GOOGLENET, "conv1", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
    ),
}


def pretrained_tensors(path: Path, name: str) -> dict[str, Tensor]:
    """The weights of one of `PRETRAINED` in the form that an FCN starts from, for BGR images in 0..255 less a mean.

    The file of VGG16's features has no values for fc6, fc7 and the classifying layer: the first two are drawn, always
    alike, as a net that starts from no other draws them; there is no classifying layer then.

    Returns:
        `backbone.*` for every parameter of the trunk, and `classifier.*`, the last layer as a 1x1 convolution.

    Raises:
        UserError: the file holds no weights, or another net's; lists every fault.
    """
    of = PRETRAINED[name]
    layers = _fold_batch_norms(store.load(path).tensors)
    if of.first in layers and layers[of.first].blobs[0].shape[1:2] == (len(of.std),):
        layers[of.first] = _fold_input(layers[of.first], of.std)
    with torch.device("meta"):  # for its shapes
        trunk = of.trunk()
    tensors = classifier_tensors(layers, of.names, trunk, path)
    if of.weights is VGG16_Weights.IMAGENET1K_FEATURES:
        tensors = {key: tensor for key, tensor in tensors.items() if key.startswith("backbone.")}
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(SEED)
            drawn = of.trunk().state_dict()
        tensors |= {f"backbone.{key}": tensor for key, tensor in drawn.items() if key.startswith("fc")}
    return tensors


def _fold_batch_norms(state: Mapping[str, Tensor]) -> dict[str, CaffeLayer]:
    """The layers of a state dict, weight and bias; `<name>.conv` and its `<name>.bn` become one layer, `<name>`.

    What belongs to no layer comes as one of its own, so that nothing in a file goes unseen.
    """
    layers: dict[str, tuple[Tensor, ...]] = {}
    rest = {key for key in state if not key.endswith("num_batches_tracked")}
    for key in [key for key in state if key.endswith(".weight") and not key.endswith(".bn.weight")]:
        name, weight = key.removesuffix(".weight"), state[key]
        keys = [key, *rest.intersection([f"{name}.bias"])]
        norm = [f"{name.removesuffix('conv')}bn.{part}" for part in BATCH_NORM]
        if name.endswith(".conv") and all(part in state and state[part].shape == weight.shape[:1] for part in norm):
            mean, variance, scale, shift = (state[part].double() for part in norm)
            folded = fuse_conv_bn_weights(weight.double(), None, mean, variance, BATCH_NORM_EPSILON, scale, shift)
            layers[name.removesuffix(".conv")] = folded
            rest.difference_update(norm)
        else:
            layers[name] = tuple(state[part] for part in keys)
        rest.difference_update(keys)
    layers |= {key: (state[key],) for key in sorted(rest)}
    return {
        name: CaffeLayer(name, "", tuple(blob.detach().float().numpy() for blob in blobs))
        for name, blobs in layers.items()
    }


def _fold_input(layer: CaffeLayer, std: tuple[float, ...]) -> CaffeLayer:
    """The layer that takes BGR in 0..255, less a mean, from the one that takes RGB in 0..1 over `std` as well."""
    weight = torch.from_numpy(layer.blobs[0]).double() / (255 * torch.tensor(std, dtype=torch.float64))[:, None, None]
    return CaffeLayer(layer.name, layer.type, (weight.flip(1).float().numpy(), *layer.blobs[1:]))


def fetch(name: str, folder: Path) -> Path:
    """The file of one of `PRETRAINED`: from `folder`, or from torch.hub's cache, else torchvision downloads it there.

    Raises:
        UserError: it could not be had; names the address, and where to put the file.
    """
    weights = PRETRAINED[name].weights
    file = PRETRAINED[name].published.file
    for place in (folder, Path(torch.hub.get_dir(), "checkpoints")):
        if (place / file).is_file():
            return place / file
    try:
        with contextlib.redirect_stdout(sys.stderr):  # where it says that it downloads
            weights.get_state_dict(model_dir=str(folder), check_hash=True, weights_only=True, map_location="cpu")
    except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: another file than the published one
        reason = " ".join(str(error).split())
        raise UserError(f"cannot get {weights.url}: {reason}; get it by hand and put it into {folder}") from error
    return folder / file
