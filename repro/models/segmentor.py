"""FCN: a trunk, one head or two, a loss. Nothing else stands between an image and the scores of its pixels."""

import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from repro.label_sets import HEADS
from repro.models.skip_head import SkipHead
from repro.models.trunk import Trunk
from repro.stack import BaseSegmentor

TRUTHS = {"semantic": "gt_sem_seg", "geometric": "gt_geo_seg"}
PREDICTIONS = {"semantic": "pred_sem_seg", "geometric": "pred_geo_seg"}


@MODELS.register_module()
class FCN(BaseSegmentor):
    """A fully convolutional network (section 4).

    Args:
        backbone: config of the trunk.
        decode_head: config of the semantic head; the trunk's channels and geometry are filled in.
        geometric_head: config of a head for SIFT Flow's geometric labels (section 5), beside the semantic one or alone.
        freeze_backbone: train the head alone (FCN-32s-fixed, Table 2).
        data_preprocessor: the suite's `SubtractMean`, with the mean to subtract.
    """

    def __init__(
        self,
        backbone: dict,
        decode_head: dict | None = None,
        geometric_head: dict | None = None,
        freeze_backbone: bool = False,
        data_preprocessor: dict | None = None,
    ) -> None:
        super().__init__(data_preprocessor)  # without init_cfg, by which mmengine would unpickle any file
        self.backbone: Trunk = MODELS.build(backbone)
        self.backbone.requires_grad_(not freeze_backbone)
        if decode_head is None and geometric_head is None:
            raise ValueError("an FCN needs a decode_head or a geometric_head")
        grid = {"channels": self.backbone.channels(), "geometries": self.backbone.geometries()}
        for part, head in zip(HEADS.values(), (decode_head, geometric_head), strict=True):
            self.add_module(part, head and MODELS.build(head, default_args=grid))

    @property
    def heads(self) -> dict[str, SkipHead]:
        """The heads by the label set that they score."""
        heads = {name: getattr(self, part) for name, part in HEADS.items()}
        return {name: head for name, head in heads.items() if head is not None}

    def extract_feat(self, inputs: Tensor) -> dict[str, Tensor]:
        """The trunk's maps of preprocessed images (N, C, H, W)."""
        return self.backbone(inputs)

    def encode_decode(self, inputs: Tensor, batch_data_samples: list[SegDataSample] | None = None) -> Tensor:
        """The first head's scores (N, classes, H, W) of preprocessed images (N, C, H, W)."""
        return next(iter(self._scores(inputs).values()))

    def coarse_scores(self, inputs: Tensor, head: str = "semantic") -> Tensor:
        """A head's scores before any upsampling (N, classes, ~H/32, ~W/32): the heat maps of Figure 2."""
        return self.heads[head].score(self.extract_feat(inputs))

    def _forward(self, inputs: Tensor, data_samples: list[SegDataSample] | None = None) -> Tensor | tuple[Tensor, ...]:
        """Scores (N, classes, H, W); for two heads the pair (semantic, geometric)."""
        scores = tuple(self._scores(inputs).values())
        return scores if len(scores) > 1 else scores[0]

    def loss(self, inputs: Tensor, data_samples: list[SegDataSample]) -> dict[str, Tensor]:
        """One loss a head; a training step adds them up."""
        losses = {}
        for name, scores in self._scores(inputs).items():
            labels = torch.cat([sample.get(TRUTHS[name]).data for sample in data_samples]).long()  # (N, H, W)
            losses[f"loss_{name}"] = self.heads[name].loss(scores, labels)
        return losses

    def predict(self, inputs: Tensor, data_samples: list[SegDataSample] | None = None) -> list[SegDataSample]:
        """The samples with every pixel's most probable class: `pred_sem_seg` and `pred_geo_seg`, each (1, H, W).

        The upsampled scores are made in full: with the argmax they take a hundredth of the pass on a CPU core, and
        five times as long band by band.
        """
        data_samples = data_samples or [SegDataSample() for _ in inputs]
        for name, scores in self._scores(inputs).items():
            for sample, labels in zip(data_samples, scores.argmax(dim=1, keepdim=True), strict=True):
                sample.set_field(PixelData(data=labels), PREDICTIONS[name], dtype=PixelData)
        return data_samples

    def _scores(self, inputs: Tensor) -> dict[str, Tensor]:
        maps = self.extract_feat(inputs)
        return {name: head(maps, inputs.shape[-2:]) for name, head in self.heads.items()}
