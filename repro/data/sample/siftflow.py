"""Draws a small SIFT Flow: the official tree, then, by the real `prepare`, the folder that is loaded.

```
<root>/official/{Images,SemanticLabels,GeoLabels}/spatial_envelope_256x256_static_8outdoorcategories
<root>/official/TestSet1.txt
<root>/Images, SemanticLabels, GeoLabels, lists       see repro.data.siftflow
<root>/sample.json                                    what was drawn, written last
```
"""

from pathlib import Path

import numpy as np
from PIL import Image

from repro.data.assemble import progress
from repro.data.sample.folder import draw_folder
from repro.data.sample.mat import encode_mat
from repro.data.sample.scene import Scene, draw_scene
from repro.data.sample.voc import void_border
from repro.data.siftflow import CLASSES, GEOMETRIC_CLASSES, SCENES, prepare

VERSION = 1  # raise it when the drawing changes, so that older samples are drawn anew
SIZE = (176, 176)  # pixels; the real images are all 256x256
OBJECTS = {3: "bird", 4: "boat", 7: "car", 15: "person"}  # VOC's ids, and what the same things are called here
ONLY_TRAINED = {8: "cow"}  # a class that, as in the real data, no test image holds; its body is that of VOC's cat
SURFACES = {"road": (110, 105, 100), "grass": (60, 150, 75), "sand": (130, 190, 215)}  # and their colours, BGR


def write_siftflow(root: Path | str, seed: int = 0, train: int = 160, val: int = 40, thin_parts: bool = True) -> None:
    """Draw `train` images for training (trainval) and `val` for testing (test) as a SIFT Flow folder at `root`.

    The same arguments give the same bytes. A finished sample of the same arguments is left alone, one of other
    arguments replaced. The folder appears whole or not at all.

    As in the real data, two further images have no annotation, and one class is absent from the test images.

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


def paint(image: np.ndarray, where: np.ndarray, colour: tuple[int, int, int]) -> None:
    """Give the pixels `where` (H, W) bool of a BGR image the tone of a colour; their texture shines through."""
    image[where] = np.round(0.45 * image[where] + 0.55 * np.array(colour)).astype(np.uint8)


def _draw_official(official: Path, seed: int, train: int, val: int, thin_parts: bool) -> None:
    folders = [official / kind / SCENES for kind in ("Images", "SemanticLabels", "GeoLabels")]
    for folder in folders:
        folder.mkdir(parents=True)
    ids = [f"street_{index:04d}" for index in range(1, train + 2 + val + 1)]
    unannotated, test = ids[train : train + 2], ids[train + 2 :]
    for index, image_id in enumerate(progress(ids, "drawing")):
        objects = OBJECTS if image_id in test else OBJECTS | ONLY_TRAINED
        scene = draw_scene(seed, index, SIZE, thin_parts, tuple(objects))
        surface = str(np.random.default_rng([seed, index, 1]).choice(list(SURFACES)))  # another stream than the scene's
        paint(scene.image, scene.ground & (scene.instance == 0), SURFACES[surface])
        semantic, geometric = _labels(scene, objects, surface)
        if image_id in unannotated:
            semantic[:], geometric[:] = 0, -1
        Image.fromarray(scene.image[..., ::-1]).save(folders[0] / f"{image_id}.jpg", quality=90)
        (folders[1] / f"{image_id}.mat").write_bytes(encode_mat(S=semantic))
        (folders[2] / f"{image_id}.mat").write_bytes(encode_mat(S=geometric))
    listed = "".join(f"{SCENES}\\{image_id}.jpg\n" for image_id in test)
    (official / "TestSet1.txt").write_text(listed, encoding="utf-8")


def _labels(scene: Scene, objects: dict[int, str], surface: str) -> tuple[np.ndarray, np.ndarray]:
    """The two label maps as the files hold them: uint8 from 1, 0 = void; and int8 from 1, -1 = void around objects."""
    semantic = np.where(scene.ground, CLASSES.index(surface) + 1, CLASSES.index("sky") + 1).astype(np.uint8)
    geometric = np.where(scene.ground, *(GEOMETRIC_CLASSES.index(name) + 1 for name in ("horizontal", "sky")))
    for class_id, name in objects.items():
        semantic[scene.label == class_id] = CLASSES.index(name) + 1
    geometric[scene.instance > 0] = GEOMETRIC_CLASSES.index("vertical") + 1
    void = void_border(scene.instance)
    semantic[void], geometric[void] = 0, -1
    return semantic, geometric.astype(np.int8)
