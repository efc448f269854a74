"""HHA: a depth image as horizontal disparity, height above ground and angle with gravity.

Gupta, Girshick, Arbelaez, Malik, "Learning Rich Features from RGB-D Images for Object Detection and Segmentation", ECCV
2014; gravity as in Gupta, Arbelaez, Malik, CVPR 2013, on geocentric coordinates. The channels, in the PNG's own order:

| channel | value |
|---|---|
| R | 31000 / max(depth in cm, 100) |
| G | height above the lowest point, in cm; if no point is 90 cm below the camera, above a ground 130 cm below it |
| B | angle between gravity and the surface's normal away from the camera, in degrees, + 38: floor 38, wall 128 |

The released nets' means, 132.431, 94.076 and 118.477, have this order too: by Jensen the mean of 31000/z is at least
31000 over the geometric mean of z, 255 cm on NYUDv2 (mean log depth 7.844), and only the first of them exceeds 121.6.

Where this differs from the authors' MATLAB code:

- Five steps more towards gravity, at 2 degrees, drop the windows that straddle two surfaces. In drawn rooms gravity is
  off by a median of 0.2 degrees without them, and heights by up to 5 cm; with them by 0.01 degrees and below 1 cm.
- Where the normals leave gravity open, as before a lone wall, the last estimate decides, not rounding.
- Gravity is corrected for however little it is off; there, only from 0.1 degrees on.
- All known depth counts in the plane fits; there, not what a sensor missed and a later step filled in.
- Pixels are counted from 0; there from 1, a shift by 0.1 degrees that the estimated gravity takes up.
"""

import dataclasses
import multiprocessing
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import correlate1d, distance_transform_edt

from repro.data.assemble import progress
from repro.data.images import read_depth
from repro.errors import UserError
from repro.files import atomic

FINE, COARSE = 3, 10  # radii in pixels: of the windows behind the angles, and of those behind gravity
GRAVITY_STEPS = 5 * (45,) + 5 * (15,) + 5 * (2,)  # degrees within which a surface is floor or wall
INERTIA = 0.01  # of the last estimate of gravity, as a share of the normals; moves no estimate that has settled
GROUND_SEEN, CAMERA_HEIGHT = 90, 130  # cm


@dataclasses.dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera without distortion: focal lengths and principal point in pixels, the first pixel's centre at 0.

    Camera coordinates: x right, y down, z along the optical axis.
    """

    fx: float
    fy: float
    cx: float
    cy: float

    def cropped(self, top: float, left: float) -> "Intrinsics":
        """The camera of images that lack their first `top` rows and `left` columns."""
        return dataclasses.replace(self, cx=self.cx - left, cy=self.cy - top)

    def rays(self, height: int, width: int) -> np.ndarray:
        """The points that each pixel shows at depth 1, (height, width, 3)."""
        y, x = np.mgrid[:height, :width].astype(float)
        return np.stack([(x - self.cx) / self.fx, (y - self.cy) / self.fy, np.ones_like(x)], axis=-1)


# The colour camera of NYUDv2's toolbox, for its 480x640 frames. Gupta's crops, rows 45 to 469 and columns 40 to 599 of
# them (from 0), are seen by `NYUDV2.cropped(45, 40)`.
NYUDV2 = Intrinsics(518.857901, 519.469611, 325.582449, 253.736166)


def encode_hha(depth: np.ndarray, camera: Intrinsics) -> np.ndarray:
    """The HHA of a depth image, (H, W, 3) uint8, rounded and clipped to 0..255.

    A pixel of unknown depth, or with too little depth around it for a normal, takes the code of the nearest other.

    Args:
        depth: (H, W) along the optical axis, in metres; 0 = unknown.
        camera: which took it.

    Raises:
        UserError: a depth is negative, infinite or NaN, or too few are known for a single normal.
    """
    depth = np.asarray(depth, float)
    if not (np.isfinite(depth) & (depth >= 0)).all():
        raise UserError("depth is negative, infinite or NaN; where it is unknown, write 0")
    normals = surface_normals(depth, camera, FINE)
    usable = (depth > 0) & np.isfinite(normals[..., 0])
    if not usable.any():
        raise UserError("no depth is known around any pixel; replace the depth, or take the image out of the list")
    down = gravity(surface_normals(depth, camera, COARSE)[usable])

    centimetres = 100 * depth
    # einsum, here and below, because `@` would spread over threads that other processes need
    height = -centimetres * np.einsum("hwi,i->hw", camera.rays(*depth.shape), down)
    lowest = height[usable].min()
    height -= lowest if lowest <= -GROUND_SEEN else -CAMERA_HEIGHT
    cosine = np.einsum("hwi,i->hw", normals, down).clip(-1, 1)
    hha = np.stack([31000 / centimetres.clip(min=100), height, np.degrees(np.arccos(cosine)) + 38], axis=-1)
    nearest = distance_transform_edt(~usable, return_distances=False, return_indices=True)
    return np.rint(hha[tuple(nearest)]).clip(0, 255).astype(np.uint8)


def surface_normals(depth: np.ndarray, camera: Intrinsics, radius: int) -> np.ndarray:
    """Unit normals of planes fitted around each pixel, (H, W, 3), away from the camera; NaN where too little is known.

    A plane has affine disparity 1/z over the image: its three coefficients are fitted by least squares to what is known
    in the window of 2 radius + 1 pixels a side, or what of it lies in the image.

    Args:
        depth: (H, W) in any unit, 0 = unknown.
    """
    known = (depth > 0).astype(float)
    disparity = np.divide(1, depth, out=np.zeros(depth.shape), where=depth > 0)
    offsets = np.arange(-radius, radius + 1.0)

    def moment(image: np.ndarray, x: int, y: int) -> np.ndarray:
        """The sum of image * offset_x**x * offset_y**y over the window around each pixel."""
        return correlate1d(correlate1d(image, offsets**y, 0, mode="constant"), offsets**x, 1, mode="constant")

    # the normal equations, with offsets from the window's centre: exact integers, so that singular means zero
    powers = ((1, 0), (0, 1), (0, 0))
    matrix = np.array([[moment(known, ax + bx, ay + by) for bx, by in powers] for ax, ay in powers])  # (3, 3, H, W)
    right = np.array([moment(disparity, x, y) for x, y in powers])  # (3, H, W)
    adjugate = np.cross(matrix[[1, 2, 0]], matrix[[2, 0, 1]], axis=1)
    determinant = (matrix[0] * adjugate[0]).sum(axis=0)
    determinant[determinant == 0] = np.nan
    slope_x, slope_y, centre = (adjugate * right[:, None]).sum(axis=0) / determinant

    # disparity is normal . ray for a plane normal . point = 1; slopes and centre are those of disparity
    normals = np.empty((*depth.shape, 3))
    rays = camera.rays(*depth.shape)
    normals[..., 0], normals[..., 1] = camera.fx * slope_x, camera.fy * slope_y
    normals[..., 2] = centre - (normals[..., :2] * rays[..., :2]).sum(axis=-1)
    length = np.copysign(np.linalg.norm(normals, axis=-1), centre)
    return normals / length[..., None]


def gravity(normals: np.ndarray) -> np.ndarray:
    """The direction of gravity, a (3,) unit vector in camera coordinates, from a scene's normals.

    From "down in the image", steps towards the direction to which floors are most parallel and walls most orthogonal;
    what is a floor or a wall, the last estimate and the step's threshold decide.

    Args:
        normals: (..., 3) unit vectors; those that are NaN do not count.
    """
    normals = normals.reshape(-1, 3)
    normals = normals[np.isfinite(normals[:, 0])]
    down = np.array([0.0, 1.0, 0.0])
    for degrees in GRAVITY_STEPS:
        cosine = np.abs(np.einsum("ni,i->n", normals, down))
        floors = normals[cosine > np.cos(np.radians(degrees))]
        walls = normals[cosine < np.sin(np.radians(degrees))]
        scatter = np.einsum("ni,nj->ij", walls, walls) - np.einsum("ni,nj->ij", floors, floors)
        scatter -= INERTIA * len(normals) * np.outer(down, down)
        smallest = np.linalg.eigh(scatter).eigenvectors[:, 0]
        down = np.copysign(1, smallest @ down) * smallest
    return down


def write_hha(jobs: Sequence[tuple[Path, Path]], camera: Intrinsics, workers: int | None = None) -> None:
    """Encode depth images in several processes, with a bar on stderr.

    HHA images that are there stay; each new one appears whole or not at all. After an error or Ctrl-C those that are
    under way or next in line are finished, the others left.

    Args:
        jobs: the depth image, a 16-bit grey PNG in millimetres with 0 = unknown, and the HHA image to write.
        camera: which took them.
        workers: processes; as many as there are cores when None.

    Raises:
        UserError: a depth image is missing, broken, not of 16 bits or without known depth, or an HHA image cannot be
            written (the first such job's file is named); or a process was killed.
    """
    missing = [job for job in jobs if not job[1].exists()]
    # spawn, because a fork would copy the locks of torch's threads but not the threads
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
    try:
        futures = [pool.submit(_write_one, depth, hha, camera) for depth, hha in missing]
        for future in progress(futures, "HHA"):
            future.result()
    except BrokenProcessPool as error:
        raise UserError("a process of the HHA encoder was killed (out of memory?); use fewer workers") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _write_one(depth_path: Path, hha_path: Path, camera: Intrinsics) -> None:
    depth = read_depth(depth_path)
    try:
        hha = encode_hha(depth / 1000, camera)
    except UserError as error:
        raise UserError(f"depth map {depth_path}: {error}") from error
    with atomic(hha_path) as temporary:
        Image.fromarray(hha).save(temporary)
