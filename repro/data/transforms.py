"""Loading an image and its labels, and refusing what is broken. mmseg's PackSegInputs finishes the pipeline."""

import warnings
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from PIL import Image

from repro.errors import UserError

VOID = 255


def read_image(path: Path | str) -> np.ndarray:
    """An image file as (H, W, 3) uint8 BGR, its pixels as stored: EXIF orientation is ignored, as masks have none.

    PIL decodes, as in the released nets' own data layer; OpenCV would return a truncated JPEG half grey.

    Raises:
        UserError: the file is missing, truncated or no image.
    """
    rgb = _decode(path, "image", _to_rgb)
    return np.ascontiguousarray(rgb[..., ::-1])


def _to_rgb(image: Image.Image) -> Image.Image:
    """As 8-bit RGB; 16-bit grey, which PIL would clip at 255, is scaled."""
    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    return image.convert("RGB")


def read_label(path: Path | str, num_classes: int) -> np.ndarray:
    """A label PNG, palette or grey, as (H, W) uint8 class ids; 255 is void.

    Raises:
        UserError: the file is missing, truncated, no map of ids, or holds an id outside 0..num_classes-1 and 255.
    """
    label = _decode(path, "label")
    if label.ndim != 2:
        raise UserError(f"label {path} is a colour image; a palette or grey PNG of class ids is needed")
    if label.dtype == bool:
        label = label.astype(np.uint8)
    check_ids(label, num_classes, path)
    return label.astype(np.uint8)


def check_ids(label: np.ndarray, num_classes: int, path: Path | str) -> None:
    """Raise a UserError that names `path` and the ids in `label` outside 0..num_classes-1 and 255."""
    counted = label.dtype == np.uint8  # the common case, ten times faster than sorting
    ids = np.flatnonzero(np.bincount(label.ravel(), minlength=256)) if counted else np.unique(label)
    stray = ids[((ids >= num_classes) | (ids < 0)) & (ids != VOID)]
    if stray.size:
        names = ", ".join(map(str, stray[:10]))
        raise UserError(
            f"label {path} holds class ids {names}; only 0 to {num_classes - 1} and {VOID} (void) are known: "
            "correct the file, or take it out of the list"
        )


def _decode(path: Path | str, what: str, then=lambda image: image) -> np.ndarray:
    try:
        # a limit on pixels against decompression bombs only warns at first; refuse at once
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return np.array(then(image))
    except FileNotFoundError as error:
        raise UserError(f"{what} {path} is missing; restore it, or take it out of the list") from error
    # PIL reports broken files by many types, SyntaxError among them
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombWarning) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{what} {path} cannot be read ({reason}): truncated or no image; replace it, or take it out of the list"
        ) from error


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
    """Set `gt_seg_map` (H, W) uint8 from `seg_map_path` and name it in `seg_fields`. Runs after `LoadImage`.

    Raises:
        UserError: the file is missing, truncated, no map of ids, of another size than the image, or holds an id
            outside 0..num_classes-1 and 255.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes

    def transform(self, results: dict) -> dict:
        path = results["seg_map_path"]
        label = read_label(path, self.num_classes)
        if label.shape != tuple(results["img_shape"]):
            sizes = ["x".join(map(str, shape[::-1])) for shape in (label.shape, results["img_shape"])]
            raise UserError(
                f"label {path} is {sizes[0]} pixels, its image {results['img_path']} {sizes[1]}; "
                "replace the one that is wrong, or take both out of the list"
            )
        if results.get("label_map"):  # the dataset was built with a subset of its classes
            lookup = np.arange(256, dtype=np.uint8)
            for old, new in results["label_map"].items():
                lookup[old] = new
            label = lookup[label]
        return results | {"gt_seg_map": label, "seg_fields": [*results.get("seg_fields", []), "gt_seg_map"]}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(num_classes={self.num_classes})"
