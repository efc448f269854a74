"""HHA where depth, ground or gravity are not to be had; its files, in several processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from repro.data.hha import COARSE, NYUDV2, Intrinsics, encode_hha, gravity, surface_normals, write_hha
from repro.errors import UserError

CAMERA = Intrinsics(60, 64, 39.5, 30.2)


def floor_and_wall(below: float, distance: float = 6, shape: tuple[int, int] = (61, 83)) -> np.ndarray:
    """Depth in metres of a level camera `below` metres above a floor, `distance` before a wall."""
    slope = CAMERA.rays(*shape)[..., 1]
    with np.errstate(divide="ignore"):
        return np.where(slope > 0, np.minimum(below / slope, distance), distance)


def write_depth(path: Path, metres: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(1000 * metres).astype(np.uint16)).save(path)
    return path


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "RGB"
        return np.array(image)


def test_ground_is_130_cm_below_a_camera_that_sees_nothing_90_cm_below():
    for below, ground in ((0.95, 95), (0.85, 130)):
        depth = floor_and_wall(below)
        height = encode_hha(depth, CAMERA)[..., 1].astype(float)
        expected = ground - 100 * (CAMERA.rays(*depth.shape) * depth[..., None])[..., 1]
        assert np.abs(height - expected.round().clip(0, 255)).max() <= 1


def test_disparity_is_31000_over_centimetres_and_saturates_below_122():
    depth = np.full((30, 40), 2.5)
    depth[:, :20] = 1.1
    disparity = encode_hha(depth, CAMERA)[..., 0]
    assert (disparity[:, 20:] == 124).all() and (disparity[:, :20] == 255).all()


def test_before_a_lone_wall_gravity_stays_down_in_the_image():
    rng = np.random.default_rng(0)
    hha = encode_hha(2 + rng.normal(0, 1e-4, (40, 50)), Intrinsics(50, 50, 25, 20))
    assert abs(np.median(hha[..., 2]) - 128) <= 1
    assert (np.diff(hha[..., 1].astype(int), axis=0) <= 0).all() and hha[0, 0, 1] > 200 > 60 > hha[-1, 0, 1]


@pytest.mark.parametrize("distance", [2.9, 3, 3.5])
def test_a_strip_of_floor_before_a_wall_does_not_turn_gravity_aside(distance):
    """Windows across their edge speak against the vertical, and nothing but the first guess against the horizontal."""
    depth = floor_and_wall(1.3, distance)
    assert (depth < distance)[:, 0].sum() in range(2, 12)  # rows of floor
    assert gravity(surface_normals(depth, CAMERA, COARSE)) @ [0, 1, 0] > np.cos(np.radians(1))


def test_gravity_steps_to_the_floors_that_are_most():
    rng = np.random.default_rng(1)
    true = np.array([0.2, 0.95, -0.25]) / np.linalg.norm([0.2, 0.95, -0.25])
    side = np.cross(true, [0, 0, 1]) / np.linalg.norm(np.cross(true, [0, 0, 1]))
    surfaces = np.repeat([true, -true, side, np.cross(true, side)], 500, axis=0)
    normals = surfaces + rng.normal(0, 0.01, surfaces.shape)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    clutter = rng.normal(size=(300, 3))
    normals = np.concatenate([normals, clutter / np.linalg.norm(clutter, axis=1, keepdims=True)])
    found = gravity(normals.reshape(23, 100, 3))
    assert np.degrees(np.arccos(found @ true)) < 0.5 and np.linalg.norm(found) == pytest.approx(1)
    np.testing.assert_allclose(gravity(np.concatenate([normals, np.full((50, 3), np.nan)])), found)


def test_unknown_depth_takes_the_code_of_the_nearest_known():
    depth = floor_and_wall(1.3)
    depth[np.random.default_rng(2).random(depth.shape) < 0.2] = 0
    depth[20:45, 30:52] = 0
    unknown = depth == 0
    hha = encode_hha(depth, CAMERA)
    known = np.argwhere(~unknown)
    for y, x in np.argwhere(unknown):
        distances = ((known - [y, x]) ** 2).sum(axis=1)
        nearest = known[distances == distances.min()]
        assert (hha[nearest[:, 0], nearest[:, 1]] == hha[y, x]).all(axis=1).any()
    whole = encode_hha(floor_and_wall(1.3), CAMERA)
    assert np.abs(hha.astype(int) - whole)[~unknown][:, :2].max() <= 2  # gravity had fewer normals


def test_a_lone_known_pixel_has_no_normal_and_takes_the_code_of_others():
    depth = np.zeros((40, 60))
    depth[:, :20] = 2
    depth[20, 50] = 4
    assert np.isnan(surface_normals(depth, CAMERA, 3)[20, 50]).all()
    hha = encode_hha(depth, CAMERA)
    assert (hha[20, 50] == hha[20, 19]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.1])
def test_impossible_depth_is_refused(bad):
    depth = floor_and_wall(1.3)
    depth[3, 4] = bad
    with pytest.raises(UserError, match="negative, infinite or NaN"):
        encode_hha(depth, CAMERA)


def test_nyudv2s_crop_moves_the_principal_point_only():
    assert NYUDV2.cropped(45, 40) == Intrinsics(518.857901, 519.469611, 325.582449 - 40, 253.736166 - 45)


def test_files_are_those_of_encode_hha_and_existing_ones_stay(tmp_path, capfd):
    depths = [floor_and_wall(1 + index / 10, shape=(31 + index, 83)) for index in range(5)]
    jobs = [
        (write_depth(tmp_path / "depth" / f"{index}.png", depth), tmp_path / "hha" / "new" / f"{index}.png")
        for index, depth in enumerate(depths)
    ]
    kept = jobs[2][1]
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"mine")
    write_hha(jobs, CAMERA, workers=2)
    assert kept.read_bytes() == b"mine"
    assert sorted(path.name for path in kept.parent.iterdir()) == [f"{index}.png" for index in range(5)]
    for (source, target), depth in zip(jobs, depths, strict=True):
        if target != kept:
            np.testing.assert_array_equal(read(target), encode_hha(np.rint(1000 * depth) / 1000, CAMERA))
            with Image.open(source) as image:
                assert image.size == read(target).shape[1::-1]
    out, err = capfd.readouterr()
    assert out == "" and "HHA" in err
    write_hha(jobs, CAMERA)  # nothing to do starts no process


def test_a_broken_depth_image_is_named_and_leaves_nothing(tmp_path):
    good = write_depth(tmp_path / "good.png", floor_and_wall(1.3))
    cut, grey, blank = (tmp_path / f"{name}.png" for name in ("cut", "grey", "blank"))
    cut.write_bytes(good.read_bytes()[: good.stat().st_size // 2])
    Image.fromarray(np.full((9, 9), 200, np.uint8)).save(grey)
    write_depth(blank, np.zeros((9, 9)))
    faults = {cut: "truncated", grey: "no 16-bit grey PNG", blank: "no depth is known"}
    for broken, fault in faults.items():
        target = tmp_path / "hha" / broken.name
        with pytest.raises(UserError, match=f"{broken.name}.*{fault}") as caught:
            write_hha([(good, tmp_path / "hha" / "good.png"), (broken, target)], CAMERA, workers=1)
        assert "\n" not in str(caught.value)
        assert [path.name for path in target.parent.iterdir()] == ["good.png"]


def test_an_hha_image_that_cannot_be_written_is_named(tmp_path):
    depth = write_depth(tmp_path / "depth.png", floor_and_wall(1.3))
    with pytest.raises(UserError, match=r"cannot write .*depth\.png.hha\.png"):
        write_hha([(depth, depth / "hha.png")], CAMERA, workers=1)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs POSIX signals")
def test_ctrl_c_leaves_whole_files_alone(tmp_path):
    depth = floor_and_wall(1.3)
    for index in range(400):
        write_depth(tmp_path / "depth" / f"{index}.png", depth)
    code = (
        "import signal, sys; from pathlib import Path; from repro.data.hha import Intrinsics, write_hha\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "root = Path(sys.argv[1])\n"
        "jobs = [(path, root / 'hha' / path.name) for path in (root / 'depth').iterdir()]\n"
        "write_hha(jobs, Intrinsics(60, 64, 39.5, 30.2), workers=2)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("hha/[0-9]*.png")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0 and b"KeyboardInterrupt" in err
    written = list((tmp_path / "hha").iterdir())
    assert 0 < len(written) < 400
    expected = encode_hha(np.rint(1000 * depth) / 1000, CAMERA)
    for path in written:
        np.testing.assert_array_equal(read(path), expected)
