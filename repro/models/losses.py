"""The per-pixel softmax loss (sections 3.4 and 4.3)."""

from typing import Literal

from mmseg.registry import MODELS
from torch import Tensor, nn

VOID = 255


@MODELS.register_module()
class PixelSoftmaxLoss(nn.Module):
    """Multinomial logistic loss over the pixels whose label is not void (255).

    Args:
        reduction: "sum" over pixels (the released recipe), or "mean" over the labelled ones (the CVPR recipe).
    """

    def __init__(self, reduction: Literal["sum", "mean"]) -> None:
        super().__init__()
        if reduction not in ("sum", "mean"):
            raise ValueError(f"reduction is 'sum' or 'mean', not {reduction!r}")
        self.reduction = reduction

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Loss of scores (N, classes, H, W) against class ids (N, H, W), as a scalar; 0 where every pixel is void."""
        # CUDA has no deterministic kernel that reduces by itself, so the sum is taken afterwards.
        losses = nn.functional.cross_entropy(scores, labels, ignore_index=VOID, reduction="none")  # (N, H, W)
        if self.reduction == "sum":
            return losses.sum()
        return losses.sum() / (labels != VOID).sum().clamp(min=1)
