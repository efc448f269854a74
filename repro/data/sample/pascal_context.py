"""Draws a small PASCAL-Context: the official trees, then, by the real `prepare`, the folder that is loaded.

```
<root>/official/VOCdevkit/VOC2010/{JPEGImages,ImageSets/Main}
<root>/official/{trainval,labels.txt}
<root>/JPEGImages, labels, lists        see repro.data.pascal_context
<root>/sample.json                      what was drawn, written last
```
"""

from pathlib import Path

import numpy as np
from PIL import Image

from repro.data.assemble import progress, write_lists
from repro.data.pascal_context import CALLED, CLASSES, prepare
from repro.data.sample.folder import draw_folder
from repro.data.sample.mat import encode_mat
from repro.data.sample.scene import Scene, draw_scene
from repro.data.sample.siftflow import paint

VERSION = 1  # raise it when the drawing changes, so that older samples are drawn anew
NAMED = 459  # classes in the real labels.txt
OTHER = 431  # one that is none of the 59, and so background
# what an image shows above and below its horizon, with the colours of both, BGR; None: none of the 59
PLACES = (
    ("sky", (225, 200, 170), "grass", (60, 150, 75)),
    ("sky", (225, 200, 170), "road", (110, 105, 100)),
    ("wall", (160, 190, 205), "floor", (75, 115, 170)),
    ("wall", (160, 190, 205), "diningtable", (40, 60, 95)),
    ("wall", (160, 190, 205), "bedcloth", (205, 160, 190)),
    (None, (70, 50, 120), "floor", (75, 115, 170)),
)


def write_pascal_context(
    root: Path | str, seed: int = 0, train: int = 160, val: int = 40, thin_parts: bool = True
) -> None:
    """Draw `train` training and `val` validation images as a PASCAL-Context folder at `root`.

    The same arguments give the same bytes. A finished sample of the same arguments is left alone, one of other
    arguments replaced. The folder appears whole or not at all.

    Raises:
        UserError: `root` holds something else, or cannot be written; or `train` < 8 or `val` < 1.
    """
    draw_folder(
        Path(root),
        _draw_official,
        prepare,
        drawn_by=__name__,
        version=VERSION,
        seed=seed,
        train=train,
        val=val,
        thin_parts=thin_parts,
    )


def file_ids() -> dict[str, int]:
    """The id of each of the 59 classes in the drawn files: 7, 14, and so on up to 413, in alphabetical order."""
    return {name: 7 * number for number, name in enumerate(sorted(CLASSES[1:]), 1)}


def labels_txt() -> str:
    """The list of all classes, one a line; three of the 59 are called otherwise there, the other 400 have no names."""
    names = {number: CALLED.get(name, name) for name, number in file_ids().items()}
    return "".join(f"{number}: {names.get(number, f'other {number}')}\n" for number in range(1, NAMED + 1))


def _draw_official(official: Path, seed: int, train: int, val: int, thin_parts: bool) -> None:
    voc, mats = official / "VOCdevkit" / "VOC2010", official / "trainval"
    for folder in (voc / "JPEGImages", voc / "ImageSets" / "Main", mats):
        folder.mkdir(parents=True)
    (official / "labels.txt").write_text(labels_txt(), encoding="utf-8")
    ids = [f"2010_{index:06d}" for index in range(1, train + val + 1)]
    for index, image_id in enumerate(progress(ids, "drawing")):
        rng = np.random.default_rng([seed, index, 1])  # another stream than the scene's own
        height, width = (int(side) for side in rng.integers(150, 201, 2))
        scene = draw_scene(seed, index, (height, width), thin_parts)
        label = _furnish(scene, *PLACES[rng.integers(len(PLACES))])
        Image.fromarray(scene.image[..., ::-1]).save(voc / "JPEGImages" / f"{image_id}.jpg", quality=90)
        (mats / f"{image_id}.mat").write_bytes(encode_mat(LabelMap=label))
    write_lists(voc / "ImageSets" / "Main", {"train": ids[:train], "val": ids[train:]})


def _furnish(
    scene: Scene, above: str | None, upper: tuple[int, int, int], below: str, lower: tuple[int, int, int]
) -> np.ndarray:
    """Paint a place around the scene's objects; returns its label map as the file holds it, (H, W) uint16."""
    ids = file_ids()
    label = np.where(scene.ground, ids[below], ids[above] if above else OTHER).astype(np.uint16)
    free = scene.instance == 0
    paint(scene.image, free & scene.ground, lower)
    paint(scene.image, free & ~scene.ground, upper)
    for class_id in np.unique(scene.label[~free]):
        label[scene.label == class_id] = ids[CLASSES[class_id]]  # VOC's classes are the first twenty
    return label
