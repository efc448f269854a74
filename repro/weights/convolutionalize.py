"""Fully connected layers are convolutions whose kernels cover their whole input (section 3.1, Figure 2)."""

from collections.abc import Mapping

from torch import Tensor

from repro.models.classifier import Classifier
from repro.models.trunk import Trunk


def convolutionalize(classifier: Classifier, trunk: Trunk) -> dict[str, Tensor]:
    """The weights of a classifier in the form that an FCN takes.

    Args:
        classifier: trained on images of one size.
        trunk: the same net, fully convolutional; only the shapes of its parameters are read.

    Returns:
        `backbone.*` for every parameter of the trunk, and `classifier.*`, the last layer as a 1x1 convolution.

    Raises:
        ValueError: the classifier is another net.
    """
    fully_connected = classifier.layers.state_dict()
    weights = {}
    for name, parameter in trunk.state_dict().items():
        source = fully_connected.pop(name, None)
        if source is None or source.numel() != parameter.numel():
            raise ValueError(f"the classifier has no layer that fits the trunk's {name} {tuple(parameter.shape)}")
        weights[f"backbone.{name}"] = source.reshape(parameter.shape)
    weights["classifier.weight"] = fully_connected.pop("classifier.weight")[:, :, None, None]
    weights["classifier.bias"] = fully_connected.pop("classifier.bias")
    if fully_connected:
        raise ValueError(f"the trunk has no place for the classifier's {', '.join(fully_connected)}")
    return weights


def as_scores(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights with the classifying layer as the score layer of an FCN-32s over the classifier's labels."""
    return {name.replace("classifier.", "decode_head.score_fr."): tensor for name, tensor in weights.items()}
