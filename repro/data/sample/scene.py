"""Draws small scenes of eight VOC classes on a ground plane: the picture, its labels, its instances, its camera.

What makes them a test of skips: every object has thin parts (legs, masts, tails, antennas) that a prediction at
stride 32 cannot follow. What keeps them honest: patches and twigs of the classes' own colours lie in the background,
so that a pixel's colour alone does not settle its class; texture and shape do.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

# Shapes in units of the object's size: x to the right from its middle, y down from its foot (so y is negative).
# (part, kind, points): kinds `poly` and `line` list points; `ellipse` is (x, y), (radius x, radius y).
# Parts: body = textured, thin = 3 to 8 pixels wide, plain; dark, glass, skin, pale = details. All carry the label.
SHAPES: dict[int, list[tuple[str, str, list[tuple[float, float]]]]] = {
    3: [  # bird
        ("thin", "line", [(-0.05, -0.38), (-0.08, 0), (0.03, 0)]),
        ("thin", "line", [(0.1, -0.38), (0.13, 0), (0.24, 0)]),
        ("thin", "line", [(-0.22, -0.5), (-0.5, -0.74)]),
        ("thin", "line", [(-0.22, -0.48), (-0.52, -0.54)]),
        ("thin", "line", [(0.42, -0.78), (0.58, -0.74)]),
        ("body", "ellipse", [(0, -0.5), (0.28, 0.19)]),
        ("body", "poly", [(0.08, -0.62), (0.26, -0.86), (0.36, -0.68), (0.24, -0.44)]),
        ("body", "ellipse", [(0.32, -0.8), (0.14, 0.13)]),
        ("dark", "ellipse", [(0.35, -0.83), (0.025, 0.025)]),
    ],
    4: [  # boat
        ("thin", "line", [(-0.06, -0.2), (-0.06, -1)]),
        ("thin", "line", [(-0.06, -0.96), (-0.45, -0.26)]),
        ("thin", "line", [(-0.06, -0.96), (0.42, -0.26)]),
        ("thin", "line", [(-0.24, -0.62), (0.16, -0.62)]),
        ("body", "poly", [(-0.5, -0.26), (0.5, -0.26), (0.36, 0), (-0.36, 0)]),
        ("pale", "poly", [(0.02, -0.38), (0.26, -0.38), (0.26, -0.26), (0.02, -0.26)]),
    ],
    5: [  # bottle
        ("thin", "line", [(0, -0.72), (0.05, -0.9), (0.22, -1)]),
        ("thin", "line", [(0.15, -0.46), (0.3, -0.42), (0.3, -0.2), (0.15, -0.14)]),
        ("body", "poly", [
            (-0.17, 0), (0.17, 0), (0.17, -0.5), (0.07, -0.66), (0.07, -0.8),
            (-0.07, -0.8), (-0.07, -0.66), (-0.17, -0.5),
        ]),
        ("pale", "poly", [(-0.17, -0.16), (0.17, -0.16), (0.17, -0.36), (-0.17, -0.36)]),
        ("dark", "poly", [(-0.07, -0.76), (0.07, -0.76), (0.07, -0.82), (-0.07, -0.82)]),
    ],
    7: [  # car
        ("thin", "line", [(-0.24, -0.42), (-0.4, -0.86)]),
        ("thin", "line", [(-0.22, -0.6), (0.2, -0.6)]),
        ("thin", "line", [(-0.14, -0.6), (-0.14, -0.44)]),
        ("thin", "line", [(0.12, -0.6), (0.12, -0.44)]),
        ("body", "poly", [
            (-0.5, -0.09), (0.5, -0.09), (0.5, -0.25), (0.32, -0.3), (0.18, -0.48),
            (-0.24, -0.48), (-0.37, -0.3), (-0.5, -0.27),
        ]),
        ("glass", "poly", [(-0.03, -0.43), (-0.2, -0.43), (-0.29, -0.3), (-0.03, -0.3)]),
        ("glass", "poly", [(0.02, -0.43), (0.15, -0.43), (0.24, -0.3), (0.02, -0.3)]),
        ("dark", "ellipse", [(-0.28, -0.09), (0.09, 0.09)]),
        ("dark", "ellipse", [(0.28, -0.09), (0.09, 0.09)]),
    ],
    8: [  # cat
        ("thin", "line", [(-0.25, -0.4), (-0.29, 0)]),
        ("thin", "line", [(-0.13, -0.36), (-0.11, 0)]),
        ("thin", "line", [(0.11, -0.36), (0.1, 0)]),
        ("thin", "line", [(0.23, -0.4), (0.27, 0)]),
        ("thin", "line", [(-0.26, -0.46), (-0.44, -0.55), (-0.5, -0.74), (-0.43, -0.9), (-0.32, -0.94)]),
        ("body", "ellipse", [(-0.02, -0.44), (0.31, 0.16)]),
        ("body", "ellipse", [(0.32, -0.64), (0.16, 0.15)]),
        ("body", "poly", [(0.18, -0.7), (0.19, -0.9), (0.31, -0.76)]),
        ("body", "poly", [(0.34, -0.76), (0.46, -0.9), (0.46, -0.68)]),
        ("dark", "ellipse", [(0.28, -0.66), (0.022, 0.03)]),
        ("dark", "ellipse", [(0.39, -0.66), (0.022, 0.03)]),
    ],
    9: [  # chair
        ("thin", "line", [(-0.27, -0.44), (-0.33, 0)]),
        ("thin", "line", [(0.27, -0.44), (0.33, 0)]),
        ("thin", "line", [(-0.15, -0.44), (-0.16, -0.08)]),
        ("thin", "line", [(0.15, -0.44), (0.16, -0.08)]),
        ("thin", "line", [(-0.25, -0.46), (-0.28, -1)]),
        ("thin", "line", [(0.25, -0.46), (0.28, -1)]),
        ("thin", "line", [(0, -0.46), (0, -0.8)]),
        ("body", "poly", [(-0.27, -0.98), (0.27, -0.98), (0.26, -0.78), (-0.26, -0.78)]),
        ("body", "poly", [(-0.27, -0.54), (0.27, -0.54), (0.34, -0.4), (-0.34, -0.4)]),
    ],
    15: [  # person
        ("thin", "line", [(-0.06, -0.44), (-0.1, -0.22), (-0.11, 0)]),
        ("thin", "line", [(0.06, -0.44), (0.12, -0.22), (0.18, 0)]),
        ("thin", "line", [(-0.11, -0.73), (-0.25, -0.58), (-0.2, -0.4)]),
        ("thin", "line", [(0.11, -0.73), (0.27, -0.76), (0.36, -0.95)]),
        ("body", "poly", [(-0.15, -0.77), (0.15, -0.77), (0.12, -0.4), (-0.12, -0.4)]),
        ("skin", "ellipse", [(0, -0.88), (0.09, 0.11)]),
        ("dark", "poly", [(-0.09, -0.9), (-0.07, -0.98), (0.07, -0.98), (0.09, -0.9)]),
    ],
    19: [  # train
        ("thin", "line", [(-0.05, -0.4), (-0.16, -0.53), (-0.05, -0.66)]),
        ("thin", "line", [(-0.24, -0.66), (0.12, -0.66)]),
        ("thin", "line", [(0.28, -0.4), (0.28, -0.6)]),
        ("thin", "line", [(-0.46, -0.2), (-0.6, -0.14)]),
        ("body", "poly", [(-0.5, -0.07), (-0.5, -0.44), (0.38, -0.44), (0.5, -0.26), (0.5, -0.07)]),
        *[("glass", "poly", [(x, -0.38), (x + 0.12, -0.38), (x + 0.12, -0.27), (x, -0.27)])
          for x in (-0.44, -0.26, -0.08, 0.1)],
        ("glass", "poly", [(0.3, -0.38), (0.37, -0.38), (0.45, -0.27), (0.3, -0.27)]),
        *[("dark", "ellipse", [(x, -0.05), (0.055, 0.055)]) for x in (-0.38, -0.22, 0.2, 0.36)],
    ],
}  # fmt: skip
CLASS_IDS = tuple(SHAPES)

# per class: hue, saturation, value (OpenCV's ranges), and its texture
LOOKS: dict[int, tuple[int, int, int, str]] = {
    3: (26, 200, 225, "dots"),
    4: (2, 205, 200, "rows"),
    5: (60, 170, 140, "plain"),
    7: (112, 200, 185, "plain"),
    8: (18, 40, 150, "slanted"),
    9: (13, 175, 140, "rows"),
    15: (160, 150, 205, "checks"),
    19: (90, 185, 160, "columns"),
}


@dataclass(frozen=True)
class Camera:
    """A level pinhole camera: rows below `horizon` show the ground, `height` metres under the lens."""

    focal: float  # pixels
    height: float  # metres
    horizon: float  # row

    def distance(self, row: float) -> float:
        """Metres to the ground seen at `row`."""
        return self.focal * self.height / max(row - self.horizon, 1.0)


@dataclass(frozen=True)
class Placed:
    """One object. `box` is (x0, y0, x1, y1), exclusive, of its visible pixels; `distance` in metres."""

    class_id: int
    instance: int
    box: tuple[int, int, int, int]
    distance: float


@dataclass(frozen=True)
class Scene:
    """A drawn scene; `objects` are ordered from the farthest to the nearest, the order they cover each other in."""

    image: np.ndarray  # (H, W, 3) uint8 BGR
    label: np.ndarray  # (H, W) uint8, VOC's class ids, no void
    instance: np.ndarray  # (H, W) uint8, 0 = background, else Placed.instance
    ground: np.ndarray  # (H, W) bool, whether the background is ground there; else it is sky, or a far wall
    objects: tuple[Placed, ...]
    camera: Camera


def draw_scene(
    seed: int,
    index: int,
    size: tuple[int, int] = (160, 180),
    thin_parts: bool = True,
    classes: Sequence[int] = CLASS_IDS,
) -> Scene:
    """Draw scene `index` of the series `seed`; `size` is (H, W) in pixels. The same arguments give the same bytes.

    The objects are of `classes`.

    Without `thin_parts` every object is filled out to its convex hull, everything else stays in its place: the same
    objects, as large and as textured, without fine structure. It is the control for what finer strides are worth.
    """
    rng = np.random.default_rng([seed, index])
    H, W = size
    camera = Camera(focal=float(W), height=1.6, horizon=H * rng.uniform(0.25, 0.5))
    image, ground = _background(rng, camera, H, W)
    label, instance = np.zeros((H, W), np.uint8), np.zeros((H, W), np.uint8)
    plans = _plan(rng, camera, H, W, classes)
    for number, (class_id, foot, scale) in enumerate(plans, 1):
        mask = _draw_object(rng, image, class_id, foot, scale, thin_parts)
        label[mask], instance[mask] = class_id, number
    objects = []
    for number, (class_id, foot, _) in enumerate(plans, 1):
        rows, columns = np.nonzero(instance == number)
        if rows.size:
            box = (int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1)
            objects.append(Placed(class_id, number, box, camera.distance(foot[1])))
    return Scene(_develop(rng, image), label, instance, ground, tuple(objects), camera)


Plan = tuple[int, tuple[float, float], float]  # class, foot (x, y), size in pixels


def _plan(rng: np.random.Generator, camera: Camera, H: int, W: int, classes: Sequence[int]) -> list[Plan]:
    """Up to 6 objects standing on the ground, farthest first, not covering each other too much."""
    plans: list[Plan] = []
    for _ in range(rng.integers(2, 7)):
        for _ in range(12):
            class_id = int(rng.choice(classes))
            scale = float(rng.uniform(36, 98))
            nearness = 0.6 * (scale - 36) / 62 + rng.uniform(0.05, 0.4)  # larger objects tend to stand nearer
            foot = (float(rng.uniform(0.1, 0.9) * W), camera.horizon + nearness * (H - 3 - camera.horizon))
            fits = foot[1] > 0.9 * scale - 5
            for _, other, size in plans:
                reach = scale + size
                fits &= abs(foot[0] - other[0]) / (0.35 * reach) + abs(foot[1] - other[1]) / (0.8 * reach) > 1
            if fits:
                plans.append((class_id, foot, scale))
                break
    return sorted(plans, key=lambda plan: plan[1][1])


def _draw_object(
    rng: np.random.Generator,
    image: np.ndarray,
    class_id: int,
    foot: tuple[float, float],
    scale: float,
    thin_parts: bool,
) -> np.ndarray:
    """Paint one object into `image` (H, W, 3) float32 BGR; returns its mask (H, W) bool."""
    H, W = image.shape[:2]
    mirror, turn, stretch = rng.choice([-1, 1]), np.radians(rng.uniform(-7, 7)), rng.uniform(0.85, 1.15)
    thickness = int(np.clip(round(scale * rng.uniform(0.042, 0.075)), 3, 8))
    turned = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])

    colour, second = _colour(rng, class_id), _colour(rng, class_id)
    paints = {
        "thin": colour * rng.uniform(0.7, 0.95),
        "dark": np.full(3, rng.uniform(25, 50)),
        "glass": np.array([215, 200, 175]) * rng.uniform(0.8, 1.05),
        "skin": np.array([150, 180, 225]) * rng.uniform(0.55, 1.05),
        "pale": np.array([215, 225, 230]) * rng.uniform(0.85, 1.05),
    }
    y, x = np.mgrid[:H, :W].astype(np.float32)
    u, v = np.tensordot(turned.T.astype(np.float32), np.stack([x - foot[0], y - foot[1]]), 1)
    second = second * 0.5 if class_id != 4 else paints["pale"]  # a boat is striped red and white
    textured = np.where(_texture(LOOKS[class_id][3], u, v, scale, rng)[..., None], second, colour)
    textured = textured * (1.12 + 0.3 * v[..., None] / scale)  # lit from above

    _shadow(image, foot, scale)
    mask = np.zeros((H, W), bool)
    for part, kind, unit in _outlines(class_id, thin_parts):
        canvas = np.zeros((H, W), np.uint8)
        pixels = (unit * [mirror * stretch, 1] * scale) @ turned.T + foot
        corners = np.round(pixels).astype(np.int32)
        if kind == "line":
            cv2.polylines(canvas, [corners], False, 1, thickness)
        else:
            cv2.fillPoly(canvas, [corners], 1)
        here = canvas > 0
        image[here] = textured[here] if part == "body" else paints[part]
        mask |= here
    return mask


def _outlines(class_id: int, thin_parts: bool) -> list[tuple[str, str, np.ndarray]]:
    """Part, kind and outline (P, 2) of an object's parts, in units of its size."""
    outlines = []
    for part, kind, points in SHAPES[class_id]:
        outline = np.array(points, float)
        if kind == "ellipse":
            angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
            outline = outline[0] + outline[1] * np.stack([np.cos(angles), np.sin(angles)], 1)
        outlines.append((part, kind, outline))
    if thin_parts:
        return outlines
    hull = cv2.convexHull(np.concatenate([outline for _, _, outline in outlines]).astype(np.float32))[:, 0]
    return [("body", "poly", hull), *(outline for outline in outlines if outline[0] != "thin")]


def _colour(rng: np.random.Generator, class_id: int) -> np.ndarray:
    """One of a class's colours, (3,) float BGR."""
    hue, saturation, value, _ = LOOKS[class_id]
    jittered = [(hue + rng.integers(-4, 5)) % 180, saturation + rng.integers(-25, 26), value + rng.integers(-25, 26)]
    return cv2.cvtColor(np.clip(jittered, 0, 255).astype(np.uint8)[None, None], cv2.COLOR_HSV2BGR)[0, 0].astype(float)


def _texture(name: str, u: np.ndarray, v: np.ndarray, scale: float, rng: np.random.Generator) -> np.ndarray:
    """Where a texture shows its second colour, (H, W) bool, over the object's own axes in pixels."""
    period = max(6.0, scale * rng.uniform(0.1, 0.14))
    u, v = u + rng.uniform(0, period), v + rng.uniform(0, period)
    if name == "dots":
        return ((u % period - period / 2) ** 2 + (v % period - period / 2) ** 2) < (0.3 * period) ** 2
    if name == "checks":
        return ((u // (period / 2)) + (v // (period / 2))) % 2 > 0
    along = {"rows": v, "columns": u, "slanted": 0.8 * u + 0.6 * v}.get(name)
    return np.zeros(u.shape, bool) if along is None else along % period < 0.42 * period


def _background(rng: np.random.Generator, camera: Camera, H: int, W: int) -> tuple[np.ndarray, np.ndarray]:
    """Sky and ground, with patches and twigs in the classes' colours, (H, W, 3) float32 BGR; and where the ground is.

    The outline between the two follows the horizon, with slight bumps.
    """
    ramp = np.linspace(0, 1, H, dtype=np.float32)[:, None, None]
    sky = np.array([225, 200, 170]) * rng.uniform(0.7, 1.05) + rng.uniform(-25, 25, 3)
    ground = np.array([105, 135, 130]) * rng.uniform(0.7, 1.25) + rng.uniform(-30, 30, 3)
    above = np.arange(H)[:, None, None] + 6 * (_smooth(rng, H, W, 40)[..., None] - 0.5) < camera.horizon
    image = np.where(above, sky * (0.8 + 0.5 * ramp), ground * (1.15 - 0.35 * ramp)).astype(np.float32)
    image *= 0.8 + 0.4 * _smooth(rng, H, W, 25)[..., None]
    for _ in range(rng.integers(0, 4)):
        colour = _colour(rng, int(rng.choice(CLASS_IDS)))
        patch = _smooth(rng, H, W, rng.uniform(14, 45))
        alpha = np.clip((patch - rng.uniform(0.66, 0.82)) * 7, 0, 1)[..., None] * rng.uniform(0.2, 0.5)
        image += alpha * (colour * (0.75 + 0.5 * _smooth(rng, H, W, 6)[..., None]) - image)
    for _ in range(rng.integers(1, 4)):
        colour = _colour(rng, int(rng.choice(CLASS_IDS))) * rng.uniform(0.6, 1)
        start, angle, length = rng.uniform(0, 1, 2) * (W, H), rng.uniform(0, np.pi), rng.uniform(12, 40)
        end = start + length * np.array([np.cos(angle), np.sin(angle)])
        ends = np.stack([start, end]).astype(np.int32)
        cv2.polylines(image, [ends], False, colour.tolist(), int(rng.integers(2, 6)))
    return image * (0.88 + 0.24 * _smooth(rng, H, W, 3)[..., None]), np.broadcast_to(~above[..., 0], (H, W)).copy()


def _smooth(rng: np.random.Generator, H: int, W: int, cell: float) -> np.ndarray:
    """Smooth noise in 0..1, (H, W) float32, its bumps about `cell` pixels wide."""
    grid = rng.random((int(H / cell) + 3, int(W / cell) + 3), np.float32)
    return np.clip(cv2.resize(grid, (W, H), interpolation=cv2.INTER_CUBIC), 0, 1)


def _shadow(image: np.ndarray, foot: tuple[float, float], scale: float) -> None:
    H, W = image.shape[:2]
    y, x = np.ogrid[:H, :W]
    radius = ((x - foot[0]) / (0.5 * scale)) ** 2 + ((y - foot[1]) / (0.09 * scale)) ** 2
    image *= (1 - 0.4 * np.clip(1.3 - radius, 0, 1))[..., None].astype(np.float32)


def _develop(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Light, lens and sensor: illumination, a slight blur, noise; (H, W, 3) float32 to uint8."""
    H, W = image.shape[:2]
    slope = rng.uniform(-0.22, 0.22, 2)
    light = 1 + slope[0] * np.linspace(-1, 1, H)[:, None] + slope[1] * np.linspace(-1, 1, W)
    image = cv2.GaussianBlur(image, (3, 3), 0.6) * light[..., None] * rng.uniform(0.72, 1.15)
    image = image * rng.uniform(0.94, 1.06, 3) + rng.normal(0, rng.uniform(4, 9), image.shape)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)
