"""Draws a small VOC 2011 + SBD: the two official trees, then, by the real `prepare`, the folder that is loaded.

```
<root>/official/VOCdevkit/VOC2011/{JPEGImages,SegmentationClass,ImageSets/Segmentation}
<root>/official/benchmark_RELEASE/dataset/{img,cls,train.txt,val.txt}
<root>/JPEGImages, SegmentationClass, SegmentationClassSBD, ImageSets       see repro.data.voc2011
<root>/sample.json                                                          what was drawn, written last
```
"""

import shutil
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scipy.sparse import csc_matrix

from repro.data.assemble import progress, write_lists
from repro.data.images import write_label
from repro.data.sample.folder import draw_folder
from repro.data.sample.mat import encode_mat
from repro.data.sample.scene import draw_scene
from repro.data.voc2011 import CLASSES, LISTS, prepare

VERSION = 1  # raise it when the drawing changes, so that older samples are drawn anew


def write_voc(root: Path | str, seed: int = 0, train: int = 400, val: int = 100, thin_parts: bool = True) -> None:
    """Draw `train` training images (SBD train) and `val` validation images (seg11valid) as a VOC folder at `root`.

    The same arguments give the same bytes. A finished sample of the same arguments is left alone, one of other
    arguments replaced. The folder appears whole or not at all.

    As in the real data, VOC's val also lists images of SBD's train; only seg11valid leaves them out.

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


def void_border(instance: np.ndarray) -> np.ndarray:
    """Where VOC's masks are void around objects, (H, W) bool: 3 pixels wide, one inside the outline and two outside.

    Args:
        instance: (H, W) uint8 instance numbers, 0 = background.
    """
    near = np.ones((3, 3), np.uint8)
    outline = cv2.dilate(instance, near) != cv2.erode(instance, near)
    around = (instance == 0) & (cv2.dilate(instance, np.ones((5, 5), np.uint8)) > 0)
    return outline | around


def encode_sbd(label: np.ndarray) -> bytes:
    """(H, W) uint8 class ids as the bytes of one of SBD's `cls/*.mat`: the struct GTcls with its three fields."""
    boundaries = np.empty((len(CLASSES) - 1, 1), object)
    for class_id in range(1, len(CLASSES)):
        mask = (label == class_id).astype(np.uint8)
        edge = mask - cv2.erode(mask, np.ones((3, 3), np.uint8))
        boundaries[class_id - 1, 0] = csc_matrix(edge.astype(bool))
    present = np.setdiff1d(np.unique(label), [0])[:, None].astype(np.uint8)
    struct = {"Boundaries": boundaries, "Segmentation": label, "CategoriesPresent": present}
    return encode_mat(GTcls=struct)


def _draw_official(official: Path, seed: int, train: int, val: int, thin_parts: bool) -> None:
    voc, sbd = official / "VOCdevkit" / "VOC2011", official / "benchmark_RELEASE" / "dataset"
    for folder in (voc / "JPEGImages", voc / "SegmentationClass", voc / LISTS, sbd / "img", sbd / "cls"):
        folder.mkdir(parents=True)
    ids = [f"2011_{index:06d}" for index in range(1, train + val + 1)]
    trained, held_out = ids[:train], ids[train:]
    # the real lists overlap alike: VOC's val shares images with SBD's train, and VOC's train is part of SBD's
    voc_train, both = trained[: train // 4], trained[train // 4 : train // 4 + train // 8]
    with_voc_mask = {*voc_train, *both, *held_out}
    for index, image_id in enumerate(progress(ids, "drawing")):
        size = np.random.default_rng([seed, index, 1]).integers(190, 251, 2)  # another stream than the scene's own
        scene = draw_scene(seed, index, (int(size[0]), int(size[1])), thin_parts)
        photo = voc / "JPEGImages" / f"{image_id}.jpg"
        Image.fromarray(scene.image[..., ::-1]).save(photo, quality=90)
        shutil.copyfile(photo, sbd / "img" / photo.name)
        (sbd / "cls" / f"{image_id}.mat").write_bytes(encode_sbd(scene.label))
        if image_id in with_voc_mask:
            mask = np.where(void_border(scene.instance), np.uint8(255), scene.label)
            write_label(voc / "SegmentationClass" / f"{image_id}.png", mask)
    write_lists(voc / LISTS, {"train": voc_train, "val": sorted(both + held_out)})
    write_lists(sbd, {"train": trained, "val": held_out})
