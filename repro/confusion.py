"""The scorer: counts, image by image, which class each pixel has and which it was given."""

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmseg.registry import METRICS
from torch import Tensor

from repro.metrics import Absent, ImageConfusions, scores
from repro.models.segmentor import PREDICTIONS, TRUTHS


def confusion_matrix(truth: Tensor, predicted: Tensor, num_classes: int) -> Tensor:
    """n_ij, the pixels of class i predicted as class j (section 5): int64 (num_classes, num_classes).

    Args:
        truth: class ids of any shape; ids from num_classes up (void) are left out.
        predicted: class ids 0..num_classes-1 of the same shape, on the same device.
    """
    labelled = truth < num_classes
    pairs = truth[labelled].long() * num_classes + predicted[labelled].long()
    return torch.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


@METRICS.register_module()
class ConfusionMatrix(BaseMetric):
    """mmengine metric: the paper's four numbers, from one confusion matrix per image.

    Images are counted where their scores lie, and gathered over all processes. After an evaluation, `confusions` holds
    what was counted.

    Args:
        num_classes: of each label set that is scored, by its name.
        absent: which classes a mean runs over: "present" in the truth, or the "union" of present and predicted.
    """

    def __init__(self, num_classes: dict[str, int], absent: Absent = "present", **options) -> None:
        super().__init__(**options)
        self.num_classes = dict(num_classes)
        self.absent = absent
        self.confusions: dict[str, ImageConfusions] = {}

    def process(self, data_batch: dict, data_samples: Sequence[dict]) -> None:
        """Count one batch of samples, each with its truth and prediction."""
        for sample in data_samples:
            matrices = {}
            for name, classes in self.num_classes.items():
                truth = sample[TRUTHS[name]]["data"]
                predicted = sample[PREDICTIONS[name]]["data"].to(truth.device)
                matrices[name] = confusion_matrix(truth, predicted, classes).cpu().numpy()
            self.results.append((sample["img_id"], matrices))

    def compute_metrics(self, results: list[tuple[str, dict[str, np.ndarray]]]) -> dict[str, float]:
        """The four numbers in percent; those of a second label set carry its name."""
        numbers = {}
        for name, classes in self.num_classes.items():
            per_image = [(image, matrices[name]) for image, matrices in results]
            self.confusions[name] = ImageConfusions.from_matrices(per_image, classes)
            prefix = "" if name == "semantic" else f"{name}_"
            found = scores(self.confusions[name].total(), absent=self.absent)
            for number in ("pixel_acc", "mean_acc", "mean_iu", "fw_iu"):
                numbers[prefix + number] = 100 * getattr(found, number)
        return numbers
