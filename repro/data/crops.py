"""Classification examples cut out of a segmentation dataset."""

from typing import Any, ClassVar

import cv2
import numpy as np
import torch
from mmseg.registry import DATASETS

from repro.data.images import VOID, read_image, read_label
from repro.data.voc2011 import CLASSES, PALETTE, VOC2011
from repro.errors import UserError


@DATASETS.register_module()
class ObjectCrops(VOC2011):
    """One square crop per image and class: what stage 0, the classifier, is trained on.

    The paper's nets start from classifiers trained on the 1.2 million images of ILSVRC. This is no substitute for
    them on real photographs: it only gives the small nets of the sample, which nobody has trained before, a trunk
    that has learned to classify, from no more images than the segmentation stage will see. Take a training list.

    Of each class in an image the largest connected component counts. Its bounding box, with `context` of its longer
    side added all around, grows to a square, which is moved inside the image, or continued by the image's edge
    pixels where it is larger. There is no augmentation.

    Items: `inputs` (3, size, size) uint8 BGR tensor; `data_samples` int, the class id minus 1 (0..19).

    Args:
        size: side of the crops, in pixels.
        min_pixels: smaller components are left out.
        context: margin on every side, as a share of the box's longer side.

    Raises:
        UserError: as VOC2011, for broken images and labels, and for `cache`, which crops have not.
    """

    METAINFO: ClassVar[dict] = {"classes": CLASSES[1:], "palette": PALETTE[1:]}

    def __init__(
        self,
        ann_file: str,
        size: int = 224,
        min_pixels: int = 200,
        context: float = 0.1,
        **kwargs,
    ) -> None:
        if kwargs.pop("cache", False):
            raise UserError("ObjectCrops keeps no cache: take cache=True out of its settings")
        self.size, self.min_pixels, self.context = size, min_pixels, context
        super().__init__(ann_file, **kwargs)

    def load_data_list(self) -> list[dict]:
        """One item per crop, with `bbox`, the component's box (x0, y0, x1, y1), x1 and y1 exclusive, in pixels."""
        crops = []
        for item in super().load_data_list():
            label = read_label(item["seg_map_path"], len(CLASSES))
            for class_id in np.flatnonzero(np.bincount(label.ravel(), minlength=256)):
                if class_id in (0, VOID):
                    continue
                box = _largest_component(label == class_id, self.min_pixels)
                if box is not None:
                    paths = {key: item[key] for key in ("img_id", "img_path", "seg_map_path")}
                    crops.append(paths | {"bbox": box, "gt_label": int(class_id) - 1})
        return crops

    def prepare_data(self, idx: int) -> dict[str, Any]:
        item = self.get_data_info(idx)
        crop = square_crop(read_image(item["img_path"]), item["bbox"], self.size, self.context)
        inputs = torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1)))  # (3, size, size)
        return {"inputs": inputs, "data_samples": item["gt_label"]}


def square_crop(image: np.ndarray, box: tuple[int, int, int, int], size: int, context: float) -> np.ndarray:
    """Cut a square around `box` out of `image` (H, W, 3) and scale it to (size, size, 3)."""
    x0, y0, x1, y1 = box
    side = round(max(x1 - x0, y1 - y0) * (1 + 2 * context))
    pads: list[int] = []
    spans: list[slice] = []
    for low, high, length in ((y0, y1, image.shape[0]), (x0, x1, image.shape[1])):
        start = (low + high - side) // 2
        if side <= length:
            start = min(max(start, 0), length - side)
        pads += [max(-start, 0), max(start + side - length, 0)]
        spans.append(slice(max(start, 0), min(start + side, length)))
    crop = np.pad(image[spans[0], spans[1]], [pads[:2], pads[2:], (0, 0)], "edge")
    shrinks = side > size
    return cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def _largest_component(mask: np.ndarray, min_pixels: int) -> tuple[int, int, int, int] | None:
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if len(stats) < 2:
        return None
    x, y, width, height, area = (int(v) for v in stats[1:][stats[1:, cv2.CC_STAT_AREA].argmax()])
    return (x, y, x + width, y + height) if area >= min_pixels else None
