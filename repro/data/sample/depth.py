"""The geometry of a drawn scene as a room: a floor that ends at a wall, and objects that stand on it, flat and upright.

The floor ends where the picture's ground does, always as far ahead. So the camera's pitch differs from scene to scene,
while its focal length and principal point are the same for all, as in a real dataset.
"""

import numpy as np

from repro.data.hha import Intrinsics
from repro.data.sample.scene import Scene

WALL = 6.0  # metres ahead


def camera_of(size: tuple[int, int]) -> Intrinsics:
    """The camera of all scenes of a size (H, W): 53 degrees wide, the image's middle on its axis."""
    H, W = size
    return Intrinsics(fx=W, fy=W, cx=(W - 1) / 2, cy=(H - 1) / 2)


def depth_of(scene: Scene) -> np.ndarray:
    """Depth along the optical axis, (H, W) float32 metres; known everywhere."""
    H, W = scene.label.shape
    camera, height = camera_of((H, W)), scene.camera.height

    def tangent(rows: np.ndarray) -> np.ndarray:
        return (rows - camera.cy) / camera.fy

    horizon, focal = scene.camera.horizon, scene.camera.focal
    pitch = np.arctan(height / WALL) - np.arctan(tangent(np.array(horizon)))

    def ahead(rows: np.ndarray) -> np.ndarray:
        """Metres ahead per metre of depth."""
        return np.cos(pitch) - np.sin(pitch) * tangent(rows)

    def floor(rows: np.ndarray) -> np.ndarray:
        """Depth of the floor, infinite where it would be above the camera."""
        down = np.cos(pitch) * tangent(rows) + np.sin(pitch)
        return np.divide(height, down, out=np.full(rows.shape, np.inf), where=down > 0)

    rows = np.arange(H, dtype=float)
    depth = np.tile(np.minimum(floor(rows), WALL / ahead(rows))[:, None], W)
    for placed in scene.objects:
        foot = np.array(horizon + focal * height / placed.distance)  # the row that Camera.distance began with
        upright = floor(foot) * ahead(foot) / ahead(rows)
        depth = np.where(scene.instance == placed.instance, np.minimum(depth, upright[:, None]), depth)
    return depth.astype(np.float32)
