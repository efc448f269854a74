"""From a batch as loaded to what the net takes."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from mmseg.registry import MODELS
from torch import Tensor

from repro.errors import UserError


@MODELS.register_module()
class SubtractMean(BaseDataPreprocessor):
    """Subtracts a mean, channel by channel, and stacks images of one size; any number of channels.

    mmseg's own would pad images of several sizes. A map ends where the image does: with more zeros there, the scores
    near the edge would be others.

    Args:
        mean: of each channel, in the order of the channels.
    """

    mean: Tensor

    def __init__(self, mean: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1), persistent=False)

    def forward(self, data: dict[str, Any], training: bool = False) -> dict[str, Any]:
        """`inputs` (N, C, H, W) float32 from N images (C, H, W), and their `data_samples` as they are.

        Raises:
            UserError: images of different sizes in one batch.
        """
        data = self.cast_data(data)
        sizes = {tuple(image.shape[-2:]) for image in data["inputs"]}
        if len(sizes) > 1:
            raise UserError(
                "images of different sizes in one batch: padding them would change their scores; set the loader's "
                "batch_size=1 (and optim_wrapper.accumulative_counts to the batch you want), or its "
                "batch_sampler={'type': 'SameSizeBatches'}"
            )
        inputs = torch.stack([image.float() - self.mean for image in data["inputs"]])
        return {"inputs": inputs, "data_samples": data.get("data_samples")}
