"""The steps of a pipeline: an image, what is stacked onto it, its labels. All refuse what is broken."""

from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from mmseg.registry import TRANSFORMS

from repro.data.images import read_image, read_label, size_fault
from repro.errors import UserError
from repro.stack import PackSegInputs

PACKED = {"gt_seg_map": "gt_sem_seg", "gt_geo_map": "gt_geo_seg"}  # a label map, and what it is called when packed
META_KEYS = ("img_id", "img_path", "seg_map_path", "ori_shape", "img_shape")


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Set `img` (H, W, 3) uint8 BGR, `img_shape` and `ori_shape` (H, W) from `img_path`.

    Raises:
        UserError: the file is missing, truncated or no image.
    """

    def transform(self, results: dict) -> dict:
        image = read_image(results["img_path"])
        return results | {"img": image, "img_shape": image.shape[:2], "ori_shape": image.shape[:2]}


@TRANSFORMS.register_module()
class LoadLabel(BaseTransform):
    """Set a map of labels, (H, W) uint8, and name it in `seg_fields`. Runs after the image is loaded.

    Args:
        num_classes: of the label set.
        path: the item's key of the label file.
        field: what the map is called, `gt_seg_map` or `gt_geo_map`.

    Raises:
        UserError: the file is missing, truncated, no map of ids, of another size than the image, or holds an id
            outside 0..num_classes-1 and 255.
    """

    def __init__(self, num_classes: int, path: str = "seg_map_path", field: str = "gt_seg_map") -> None:
        self.num_classes, self.path, self.field = num_classes, path, field

    def transform(self, results: dict) -> dict:
        path = results[self.path]
        label = read_label(path, self.num_classes)
        check_size("label", path, label, results)
        if results.get("label_map") and self.field == "gt_seg_map":  # built with a subset of the dataset's classes
            lookup = np.arange(256, dtype=np.uint8)
            for old, new in results["label_map"].items():
                lookup[old] = new
            label = lookup[label]
        return results | {self.field: label, "seg_fields": [*results.get("seg_fields", []), self.field]}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_classes={self.num_classes}, path={self.path!r}, field={self.field!r})"


@TRANSFORMS.register_module()
class PackInputs(PackSegInputs):
    """mmseg's last step, which also packs geometric labels: `gt_geo_seg` (1, H, W) beside `gt_sem_seg`.

    Labels stay uint8: eight bytes a pixel would cost as much to hand over as an image costs to decode.
    """

    def __init__(self, meta_keys: tuple[str, ...] = META_KEYS) -> None:
        super().__init__(meta_keys)

    def transform(self, results: dict) -> dict:
        labels = {PACKED[name]: results[name] for name in results.get("seg_fields", ())}
        packed = super().transform({key: value for key, value in results.items() if key not in PACKED})
        for name, label in labels.items():
            packed["data_samples"].set_data({name: PixelData(data=torch.from_numpy(label[None]))})
        return packed


def check_size(what: str, path: Path | str, pixels: np.ndarray, results: dict) -> None:
    """Raise a UserError if a file that belongs to an image has another height or width."""
    if fault := size_fault(what, path, pixels.shape, results["img_path"], results["img_shape"]):
        raise UserError(fault)
