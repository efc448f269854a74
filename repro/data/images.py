"""Images, label maps, depth maps and HHA images as files: decoded exactly as stored, refused where broken."""

import io
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from repro.errors import UserError
from repro.files import atomic

VOID = 255


def read_image(path: Path | str) -> np.ndarray:
    """An image file as (H, W, 3) uint8 BGR, its pixels as stored: EXIF orientation is ignored, as masks have none.

    PIL decodes, as in the released nets' own data layer; OpenCV would return a truncated JPEG half grey.

    Raises:
        UserError: the file is missing, truncated or no image.
    """
    rgb = decode(path, "image", _to_rgb)
    return np.ascontiguousarray(rgb[..., ::-1])


def read_label(path: Path | str, num_classes: int, stored: bytes | None = None) -> np.ndarray:
    """A label PNG, palette or grey, as (H, W) uint8 class ids; 255 is void.

    Args:
        stored: the file's content where it is at hand; `path` then only says what it is of.

    Raises:
        UserError: the file is missing, truncated, no map of ids, or holds an id outside 0..num_classes-1 and 255.
    """
    label = decode(path, "label", stored=stored)
    if label.ndim != 2:
        raise UserError(f"label {path} is a colour image; a palette or grey PNG of class ids is needed")
    if label.dtype == bool:
        label = label.astype(np.uint8)
    check_ids(label, num_classes, path)
    return label.astype(np.uint8)


def read_depth(path: Path | str) -> np.ndarray:
    """A depth map as (H, W) uint16 millimetres, 0 = unknown.

    Raises:
        UserError: the file is missing, truncated or no 16-bit grey PNG.
    """
    depth = decode(path, "depth map")
    if depth.ndim != 2 or depth.dtype != np.uint16:
        raise UserError(f"depth map {path} is no 16-bit grey PNG of millimetres; convert it, or prepare the data again")
    return depth


def read_hha(path: Path | str) -> np.ndarray:
    """An HHA image as (H, W, 3) uint8: disparity, height, angle, in the PNG's own order.

    Raises:
        UserError: the file is missing, truncated or not of three 8-bit channels.
    """
    hha = decode(path, "HHA image")
    if hha.ndim != 3 or hha.shape[2] != 3:
        raise UserError(f"HHA image {path} has not three channels; delete it and prepare the data again")
    return hha


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


def size_fault(
    what: str, path: Path | str, shape: Sequence[int], image_path: Path | str, image_shape: Sequence[int]
) -> str:
    """What is wrong with a file of shape (H, W, ...) that belongs to an image of another size; "" where nothing is."""
    (height, width), (image_height, image_width) = shape[:2], image_shape[:2]
    if (height, width) == (image_height, image_width):
        return ""
    return (
        f"{what} {path} is {width}x{height} pixels, its image {image_path} {image_width}x{image_height}; "
        "replace the one that is wrong, or take both out of the list"
    )


def write_label(path: Path, label: np.ndarray) -> None:
    """Write (H, W) uint8 class ids as a PNG in VOC's colours, atomically."""
    image = Image.fromarray(label)
    image.putpalette(colour_map().tobytes())
    with atomic(path) as temporary:
        image.save(temporary)


def colour_map(count: int = 256) -> np.ndarray:
    """VOC's colours, (count, 3) uint8 RGB: bits 0, 1, 2 of an id are the top bits of R, G, B; bits 3, 4, 5 the next."""
    ids = np.arange(count)
    colours = np.zeros((count, 3), np.uint8)
    for level in range(8):
        for channel in range(3):
            colours[:, channel] |= ((ids >> (3 * level + channel) & 1) << (7 - level)).astype(np.uint8)
    return colours


def decode(
    path: Path | str,
    what: str,
    convert: Callable[[Image.Image], Image.Image] | None = None,
    stored: bytes | None = None,
) -> np.ndarray:
    """The pixels of an image file, or of its content `stored`, as PIL reads them, converted first where asked for.

    Raises:
        UserError: the file, which the message calls `what`, is missing, truncated or no image.
    """
    try:
        # a limit on pixels against decompression bombs only warns at first; refuse at once
        with warnings.catch_warnings(), Image.open(path if stored is None else io.BytesIO(stored)) as image:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return np.array(convert(image) if convert else image)
    except FileNotFoundError as error:
        raise UserError(f"{what} {path} is missing; restore it, or take it out of the list") from error
    # PIL reports broken files by many types, SyntaxError among them
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombWarning) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{what} {path} cannot be read ({reason}): truncated or no image; replace it, or take it out of the list"
        ) from error


def _to_rgb(image: Image.Image) -> Image.Image:
    """As 8-bit RGB; 16-bit grey, which PIL would clip at 255, is scaled."""
    if image.mode.startswith("I;16"):
        image = image.point(lambda value: value * (1 / 256)).convert("L")
    return image.convert("RGB")
