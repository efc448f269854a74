"""The per-pixel softmax loss (sections 3.4 and 4.3), of all pixels or of sampled patches (section 4.3, Figure 5)."""

from typing import Literal

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from repro.models.geometry import IMAGE, Geometry

VOID = 255


@MODELS.register_module()
class PixelSoftmaxLoss(nn.Module):
    """Multinomial logistic loss over the pixels whose label is not void (255).

    Args:
        reduction: "sum" over pixels (the released recipe), or "mean" over the labelled ones (the CVPR recipe).
        sampled: probability with which a cell counts in a step, all its pixels together; each cell of each image is
            drawn for itself. What counts weighs 1 / sampled, so that loss and gradient are on average those of the
            whole image.
        cells: the grid on which cells lie in the image, which goes on beyond them; a pixel belongs to the nearest point
            of it. `SkipHead` fills in its coarsest map's.

    Raises:
        ValueError: another reduction, or a probability outside (0, 1].
    """

    def __init__(self, reduction: Literal["sum", "mean"], sampled: float = 1, cells: Geometry = IMAGE) -> None:
        super().__init__()
        if reduction not in ("sum", "mean"):
            raise ValueError(f"reduction is 'sum' or 'mean', not {reduction!r}")
        if not 0 < sampled <= 1:
            raise ValueError(f"sampled is a probability above 0, up to 1, not {sampled!r}")
        self.reduction, self.sampled, self.cells = reduction, sampled, cells

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Loss of scores (N, classes, H, W) against class ids (N, H, W), as a scalar; 0 where every pixel is void."""
        # CUDA has no deterministic kernel that reduces by itself, so the sum is taken afterwards.
        losses = nn.functional.cross_entropy(scores, labels, ignore_index=VOID, reduction="none")  # (N, H, W)
        if self.sampled < 1:
            losses = losses.where(self._draw(labels.shape).to(labels.device), 0) / self.sampled
        if self.reduction == "sum":
            return losses.sum()
        return losses.sum() / (labels != VOID).sum().clamp(min=1)

    def _draw(self, shape: torch.Size) -> Tensor:
        """Which pixels (N, H, W) count this time. Drawn on the CPU: the same seed draws the same on every device."""
        rows, columns = (_nearest(self.cells, length) for length in shape[1:])
        kept = torch.rand(shape[0], int(rows[-1]) + 1, int(columns[-1]) + 1) < self.sampled
        return kept[:, rows[:, None], columns]


def _nearest(cells: Geometry, length: int) -> Tensor:
    """The cell nearest to each of `length` pixels, counted from the first pixel's."""
    pixels = torch.arange(length, dtype=torch.float64)
    nearest = ((pixels - float(cells.offset)) / float(cells.stride) + 0.5).floor().long()
    return nearest - nearest[0]
