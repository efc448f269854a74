"""HHA against rooms whose planes and camera are known, and its plane fits against a solver run window by window."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter
from scipy.spatial.transform import Rotation

from repro.data.hha import COARSE, FINE, Intrinsics, encode_hha, gravity, surface_normals

Face = tuple[np.ndarray, float]  # the half-space normal . point <= offset
FLOOR, ROOF = 5, 6  # among a room's faces

SIZES = [(241, 319), (425, 560), (187, 253), (333, 401)]
ROOMS = 8
each_room = pytest.mark.parametrize("seed", range(ROOMS))


@dataclass(frozen=True)
class View:
    """A drawn room as its camera sees it; lengths in metres, angles in degrees."""

    camera: Intrinsics
    depth: np.ndarray  # (H, W) along the optical axis
    height: np.ndarray  # (H, W) above the floor
    angle: np.ndarray  # (H, W) between gravity and the normal away from the camera
    flat: np.ndarray  # (H, W) whether the window behind a pixel's angle shows one surface alone
    down: np.ndarray  # (3,) gravity in the camera's coordinates


def block(size: np.ndarray, bottom: float, top: float, centre: np.ndarray, yaw: float) -> list[Face]:
    """An upright block; the world's z points up."""
    faces: list[Face] = []
    for turn, side in zip((0, 90, 180, 270), (*size, *size), strict=True):
        way = np.array([np.cos(np.radians(yaw + turn)), np.sin(np.radians(yaw + turn)), 0])
        faces.append((way, way[:2] @ centre + side / 2))
    return [*faces, (np.array([0, 0, 1.0]), top), (np.array([0, 0, -1.0]), -bottom)]


def cast(faces: list[Face], eye: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, ...]:
    """How far along each ray a convex body begins and ends, and the faces where it does."""
    normals = np.array([normal for normal, _ in faces])
    speed = rays @ normals.T
    with np.errstate(divide="ignore"):
        distance = (np.array([offset for _, offset in faces]) - normals @ eye) / speed
    enters, leaves = np.where(speed < 0, distance, -np.inf), np.where(speed > 0, distance, np.inf)
    return enters.max(-1), enters.argmax(-1), leaves.min(-1), leaves.argmin(-1)


@cache
def draw_room(seed: int) -> View:
    """A room with three boxes, every second one under a slanting roof; the camera is pitched by up to 15 degrees."""
    rng = np.random.default_rng(seed)
    H, W = SIZES[seed % len(SIZES)]
    while True:  # until the camera stands free and sees some floor and not too much roof
        room = block(rng.uniform(4, 6.5, 2), 0, rng.uniform(2.4, 3), np.zeros(2), 0)
        if seed % 2:
            slant = Rotation.from_euler("yz", [rng.uniform(25, 60), rng.uniform(0, 360)], degrees=True).apply([0, 0, 1])
            room.append((slant, slant @ [0, 0, 2.4] + 0.6))
        boxes = [
            block(rng.uniform(0.4, 1.2, 2), 0, rng.uniform(0.3, 0.9), rng.uniform(-1.5, 1.5, 2), rng.uniform(0, 90))
            for _ in range(3)
        ]
        level = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])  # columns: the camera's right, down and forward, unturned
        turned = Rotation.from_euler("XZ", [rng.uniform(-15, 15), rng.uniform(-5, 5)], degrees=True).as_matrix()
        pose = Rotation.from_euler("z", rng.uniform(0, 360), degrees=True).as_matrix() @ level @ turned
        eye = np.array([0, 0, rng.uniform(1.1, 1.7)]) - 1.8 * pose[:, 2] * [1, 1, 0]
        camera = Intrinsics(*rng.uniform(0.75, 0.95, 2) * W, *rng.uniform(0.45, 0.55, 2) * [W, H])

        columns, rows = np.meshgrid(np.arange(W), np.arange(H))
        x, y = (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy
        rays = np.stack([x, y, np.ones((H, W))], axis=-1) @ pose.T  # one unit along a ray is one unit of depth
        _, _, depth, surface = cast(room, eye, rays)
        upright = -np.array([normal[2] for normal, _ in room])[surface]  # cosine of the angle with gravity
        for number, box in enumerate(boxes, 1):
            enters, face, leaves, _ = cast(box, eye, rays)
            hit = (enters < leaves) & (enters > 0) & (enters < depth)
            depth = np.where(hit, enters, depth)
            surface = np.where(hit, 10 * number + face, surface)
            upright = np.where(hit, np.array([normal[2] for normal, _ in box])[face], upright)
        if depth.min() > 0.5 and (surface == FLOOR).mean() > 0.03 and (surface == ROOF).mean() < 0.2:
            break
    width = 2 * FINE + 1
    return View(
        camera,
        depth,
        height=(eye + depth[..., None] * rays)[..., 2],
        angle=np.degrees(np.arccos(upright)),
        flat=maximum_filter(surface, width) == minimum_filter(surface, width),
        down=pose.T @ [0, 0, -1],
    )


def errors(view: View, depth: np.ndarray) -> tuple[int, int, np.ndarray]:
    """By how many levels disparity and height are off at most, and by how many degrees each angle is.

    Angles within 3 pixels of an edge are left out: their windows straddle it.
    """
    hha = encode_hha(depth, view.camera).astype(int)
    disparity = np.rint(31000 / np.maximum(100 * view.depth, 100)).clip(0, 255)
    height = np.rint(100 * view.height).clip(0, 255)
    angles = np.abs(hha[..., 2] - (view.angle + 128 - 90))[view.flat]
    return int(np.abs(hha[..., 0] - disparity).max()), int(np.abs(hha[..., 1] - height).max()), angles


def gravity_error(view: View, depth: np.ndarray) -> float:
    """In degrees."""
    found = gravity(surface_normals(depth, view.camera, COARSE))
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(found, view.down)), found @ view.down)))


@each_room
def test_a_drawn_rooms_hha_is_that_of_its_planes(seed):
    view = draw_room(seed)
    disparity, height, angles = errors(view, view.depth)
    assert disparity <= 1 and height <= 1 and angles.max() <= 2
    assert gravity_error(view, view.depth) < 0.1


@each_room
def test_depth_in_whole_millimetres_gives_the_same(seed):
    view = draw_room(seed)
    depth = np.rint(1000 * view.depth) / 1000
    disparity, height, angles = errors(view, depth)
    assert disparity <= 1 and height <= 1
    assert np.quantile(angles, 0.999) <= 2 and angles.max() <= 4  # far off, 7 pixels span few millimetres
    assert gravity_error(view, depth) < 0.1


@each_room
def test_slight_noise_moves_it_little(seed):
    view = draw_room(seed)
    depth = view.depth + np.random.default_rng(seed).normal(0, 0.0005, view.depth.shape)
    disparity, height, angles = errors(view, depth)
    assert disparity <= 1 and height <= 1
    assert np.median(angles) <= 2  # a normal from 7 x 7 pixels feels even half a millimetre
    assert gravity_error(view, depth) < 0.1


def test_the_rooms_show_what_there_is_to_tell_apart():
    views = [draw_room(seed) for seed in range(ROOMS)]
    assert min(view.flat.mean() for view in views) > 0.8  # little is left out
    angles = {int(angle) for view in views for angle in np.unique(view.angle.round())}
    assert {0, 90, 180} < angles and any(100 < angle < 170 for angle in angles)
    pitches = [np.degrees(np.arcsin(view.down[2])) for view in views]
    assert min(pitches) < -5 and max(pitches) > 10


def test_a_crop_keeps_the_values_of_the_whole():
    view = draw_room(1)
    top, left = 45, 40
    crop = encode_hha(view.depth[top:, left:], view.camera.cropped(top, left))
    whole = encode_hha(view.depth, view.camera)[top:, left:]
    inner = np.s_[FINE:, FINE:]  # a cut window sees less
    assert np.abs(crop[inner].astype(int) - whole[inner]).max() <= 1


@pytest.mark.parametrize("radius", [FINE, COARSE])
def test_normals_are_those_of_a_least_squares_plane_in_each_window(radius):
    """The plane n.p = 1 over all known points p of the window, each divided by its depth, at borders and holes too."""
    rng = np.random.default_rng(radius)
    H, W = 27, 38
    depth = rng.uniform(1, 3, (H, W)) * np.linspace(1, 2, W)
    depth[rng.random((H, W)) < 0.3] = 0
    camera = Intrinsics(41, 37, 20.3, 11.8)
    found = surface_normals(depth, camera, radius)
    for y in range(H):
        for x in range(W):
            rows, columns = np.mgrid[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
            inside = (rows < H) & (columns < W)
            rows, columns = rows[inside], columns[inside]
            z = depth[rows, columns]
            points = np.stack([(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy, np.ones(len(z))], 1)
            normal = np.linalg.lstsq(points[z > 0], 1 / z[z > 0], rcond=None)[0]
            normal *= np.sign(normal @ [(x - camera.cx) / camera.fx, (y - camera.cy) / camera.fy, 1])
            np.testing.assert_allclose(found[y, x], normal / np.linalg.norm(normal), atol=1e-9)
