"""What depth adds to a pipeline: HHA instead of the image, log depth or HHA stacked onto it."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from repro.data.images import read_depth, read_hha
from repro.data.transforms import check_size

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
