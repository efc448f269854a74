"""What depth adds to a pipeline: HHA instead of the image, log depth or HHA stacked onto it."""

from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from repro.data.images import decode
from repro.data.transforms import check_size
from repro.errors import UserError

MEAN_LOG_DEPTH = 7.844  # of NYUDv2, depth in millimetres: what the released net subtracts


@TRANSFORMS.register_module()
class LoadHHA(BaseTransform):
    """Set `img` (H, W, 3) uint8, `img_shape` and `ori_shape` (H, W) from `hha_path`, in the PNG's own channel order.

    The HHA is the image of the nets that see nothing else, so `img_path` names it from here on.

    Raises:
        UserError: the file is missing, truncated or no image of three channels.
    """

    def transform(self, results: dict) -> dict:
        hha = read_hha(results["hha_path"])
        shape = hha.shape[:2]
        return results | {"img": hha, "img_path": results["hha_path"], "img_shape": shape, "ori_shape": shape}


@TRANSFORMS.register_module()
class StackDepth(BaseTransform):
    """Append log depth to `img`, which becomes (H, W, 4) float32. Runs after the image is loaded.

    The logarithm is natural, of millimetres. Where the depth is unknown it takes the data's mean, 7.844, so that the
    net sees 0 there. Section 5 (NYUDv2); unit and mean are the released net's.

    Raises:
        UserError: the depth map is missing, truncated, no 16-bit grey PNG, or of another size than the image.
    """

    def transform(self, results: dict) -> dict:
        depth = read_depth(results["depth_path"])
        check_size("depth map", results["depth_path"], depth, results)
        log = np.full(depth.shape, MEAN_LOG_DEPTH, np.float32)
        np.log(depth, out=log, where=depth > 0, dtype=np.float32)
        return results | {"img": np.dstack([results["img"].astype(np.float32), log])}


@TRANSFORMS.register_module()
class StackHHA(BaseTransform):
    """Append HHA's three channels to `img`, which becomes (H, W, 6) uint8. Runs after the image is loaded.

    Raises:
        UserError: the HHA image is missing, truncated, not of three channels, or of another size than the image.
    """

    def transform(self, results: dict) -> dict:
        hha = read_hha(results["hha_path"])
        check_size("HHA image", results["hha_path"], hha, results)
        return results | {"img": np.dstack([results["img"], hha])}


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
