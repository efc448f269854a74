"""The classifier that an FCN is made from: a trunk whose last convolutions are still fully connected (section 3.1)."""

from collections import OrderedDict

import torch
from mmengine.model import BaseModel
from mmseg.registry import MODELS
from torch import Tensor, nn

from repro.models.trunk import Trunk, initialize_relu, initialize_zero


@MODELS.register_module()
class Classifier(BaseModel):
    """An image classifier for images of one size.

    Its parameters are those of the trunk, `fc6` and `fc7` being matrices, and of one more layer, `classifier`;
    `repro.weights.convolutionalize` turns the matrices into convolutions.

    Args:
        backbone: config of the trunk, with the classifier's own padding.
        num_classes: how many labels there are.
        data_preprocessor: mmengine's, with the mean to subtract.
    """

    def __init__(self, backbone: dict, num_classes: int, data_preprocessor: dict | None = None) -> None:
        super().__init__(data_preprocessor)
        trunk: Trunk = MODELS.build(backbone)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for name, layer in trunk.named_children():
            if name.startswith("fc") and isinstance(layer, nn.Conv2d):
                layers[f"flatten_{name}"] = nn.Flatten()
                layers[name] = matrix = nn.Linear(layer.weight[0].numel(), layer.out_channels)
                initialize_relu(matrix)
            else:
                layers[name] = layer
        layers["classifier_pool"] = trunk.classifier_pool[0]
        layers["flatten_classifier"] = nn.Flatten()
        layers["classifier"] = matrix = nn.Linear(trunk.channels()[trunk.top], num_classes)
        initialize_zero(matrix)
        self.layers = nn.Sequential(layers)

    def forward(self, inputs: Tensor, data_samples: list[int] | None = None, mode: str = "tensor"):
        """Logits (N, num_classes) of images (N, C, H, W); in mode "loss", their softmax loss.

        Args:
            data_samples: the images' labels, 0..num_classes-1.

        Raises:
            ValueError: another mode.
        """
        logits = self.layers(inputs)
        if mode == "tensor":
            return logits
        if mode != "loss":
            raise ValueError(f"a classifier runs in mode 'tensor' or 'loss', not {mode!r}")
        labels = torch.as_tensor(data_samples, device=logits.device)
        accuracy = (logits.argmax(dim=1) == labels).float().mean()
        return {"loss": nn.functional.cross_entropy(logits, labels), "accuracy": accuracy}
