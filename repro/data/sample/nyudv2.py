"""Draws a small NYUDv2: the official files, then, by the real `prepare`, the folder that is loaded.

```
<root>/official/nyu_depth_v2_labeled.mat    HDF5; of its variables those that are read: images, depths, labels
<root>/official/splits.mat, classMapping40.mat
<root>/images, depth, hha, labels, splits   see repro.data.nyudv2
<root>/sample.json                          what was drawn, written last
```

The ground is a floor, all that is behind the objects a wall (`repro.data.sample.depth`), and the shapes stand for
things of a room: bird for lamp, boat for sofa, car for bed, cat for bag, train for bookshelf; chair and person are
themselves, bottles are bottles and toy bottles, both of the class otherprop. Their outlines are unlabelled.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from repro.data.assemble import progress, write_lists
from repro.data.hha import encode_hha
from repro.data.nyudv2 import CLASSES, prepare
from repro.data.sample.depth import camera_of, depth_of
from repro.data.sample.folder import draw_folder
from repro.data.sample.mat import encode_mat
from repro.data.sample.scene import Scene, draw_scene
from repro.data.sample.voc import void_border

VERSION = 1  # raise it when the drawing changes, so that older samples are drawn anew
SIZE = (150, 200)  # of a frame
CROP = (slice(14, 147), slice(12, 187))  # what Gupta et al. would keep of it, as of rows 45:470 and columns 40:600
NAMES = 894
# some of the 894 official names with their numbers, and their class among Gupta et al.'s 40
CLASS_OF = {
    **{5: "chair", 11: "floor", 21: "wall", 55: "bag", 83: "sofa", 88: "bookshelf", 144: "lamp", 157: "bed"},
    **{331: "person", 2: "otherprop", 182: "otherprop"},  # bottle and toy bottle
}
FLOOR, WALL = 11, 21
THINGS = {3: (144,), 4: (83,), 5: (2, 182), 7: (157,), 8: (55,), 9: (5,), 15: (331,), 19: (88,)}  # by VOC's shapes


def write_nyudv2(root: Path | str, seed: int = 0, train: int = 160, val: int = 40, thin_parts: bool = True) -> None:
    """Draw `train` training images (trainval) and `val` others (test) as a prepared NYUDv2 at `root`.

    The same arguments give the same bytes. A finished sample of the same arguments is left alone, one of other
    arguments replaced. The folder appears whole or not at all.

    Raises:
        UserError: `root` holds something else, or cannot be written; or `train` < 8 or `val` < 1.
    """
    draw_folder(
        Path(root),
        _draw_official,
        lambda official, root: prepare(official, root, camera_of(SIZE)),
        drawn_by=__name__,
        version=VERSION,
        seed=seed,
        train=train,
        val=val,
        thin_parts=thin_parts,
    )


def _draw_official(official: Path, seed: int, train: int, val: int, thin_parts: bool) -> None:
    scenes = [(seed, index, SIZE, thin_parts) for index in range(train + val)]
    draw_official(official, (draw_scene(*scene) for scene in progress(scenes, "drawing")), train, val)


def draw_official(folder: Path, scenes: Iterable[Scene], train: int, val: int) -> None:
    """Write `train` and `val` scenes as the three official files: the first are for training, the rest for the test."""
    folder.mkdir(parents=True)
    N, (H, W) = train + val, SIZE
    with h5py.File(folder / "nyu_depth_v2_labeled.mat", "w", userblock_size=512) as file:
        variables = {
            name: file.create_dataset(name, shape, dtype, chunks=(1, *shape[1:]), compression="gzip", track_times=False)
            for name, shape, dtype in (
                ("images", (N, 3, W, H), np.uint8),
                ("depths", (N, W, H), np.float32),
                ("labels", (N, W, H), np.uint16),
            )
        }
        for name, variable in variables.items():
            variable.attrs["MATLAB_class"] = np.bytes_({"depths": "single"}.get(name, variable.dtype.name))
        for index, scene in enumerate(scenes):
            variables["images"][index] = scene.image[..., ::-1].transpose(2, 1, 0)
            variables["depths"][index] = depth_of(scene).T
            variables["labels"][index] = name_label(scene).T
    numbers = np.arange(1, N + 1, dtype=np.uint16)[:, None]
    (folder / "splits.mat").write_bytes(encode_mat(trainNdxs=numbers[:train], testNdxs=numbers[train:]))
    mapping = encode_mat(mapClass=class_mapping()[None], className=_cells(CLASSES))
    (folder / "classMapping40.mat").write_bytes(mapping)


def draw_gupta(folder: Path, scenes: Sequence[Scene], train: int, hha: bool = True) -> None:
    """Write scenes in the layout of Gupta et al.'s archive, cropped: the first `train` halved into train and val.

    Args:
        hha: whether with HHA, as in the archive.
    """
    ids = [str(5001 + index) for index in range(len(scenes))]
    for name in ("data/images", "data/depth", *(["data/hha"] if hha else []), "segmentation"):
        (folder / name).mkdir(parents=True)
    camera = camera_of(SIZE).cropped(CROP[0].start, CROP[1].start)
    mapping = np.array([0, *class_mapping()], np.uint8)
    for image_id, scene in zip(ids, scenes, strict=True):
        millimetres = np.rint(1000 * depth_of(scene)[CROP]).astype(np.uint16)
        files = {"images": scene.image[..., ::-1][CROP], "depth": millimetres}
        if hha:
            files["hha"] = encode_hha(millimetres / 1000, camera)
        for name, pixels in files.items():
            Image.fromarray(np.ascontiguousarray(pixels)).save(folder / "data" / name / f"img_{image_id}.png")
        label = encode_mat(segmentation=mapping[name_label(scene)[CROP]])
        (folder / "segmentation" / f"img_{image_id}.mat").write_bytes(label)
    write_lists(folder, {"train": ids[: train // 2], "val": ids[train // 2 : train], "test": ids[train:]})


def name_label(scene: Scene) -> np.ndarray:
    """The numbers of the official names, (H, W) uint16, 0 = unlabelled."""
    label = np.where(scene.ground, np.uint16(FLOOR), np.uint16(WALL))
    for placed in scene.objects:
        names = THINGS[placed.class_id]
        label[scene.instance == placed.instance] = names[placed.instance % len(names)]
    label[void_border(scene.instance)] = 0
    return label


def class_mapping() -> np.ndarray:
    """The class, 1 to 40, of each of the 894 names, (894,) uint8; of names that are not drawn otherprop."""
    mapping = np.full(NAMES, CLASSES.index("otherprop") + 1, np.uint8)
    for name, class_name in CLASS_OF.items():
        mapping[name - 1] = CLASSES.index(class_name) + 1
    return mapping


def _cells(names: Sequence[str]) -> np.ndarray:
    """A row of strings as MATLAB's cell array."""
    cells = np.empty((1, len(names)), object)
    cells[0] = names
    return cells
