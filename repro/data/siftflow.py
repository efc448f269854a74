"""SIFT Flow with its two label sets, semantic and geometric: classes, colours, loader, and how the archive is laid out.

```
<root>/Images/<id>.jpg
<root>/SemanticLabels/<id>.png    what is seen, 33 classes, 255 = void
<root>/GeoLabels/<id>.png         how it lies in space, 3 classes, 255 = void
<root>/lists/                     trainval.txt, test.txt
```

The released nets' `data/sift-flow/classes.txt` names the classes in this order. Cow, desert and moon never occur in
the test images, so the two rules for absent classes (`repro.metrics`) give different means.
"""

from pathlib import Path, PureWindowsPath
from typing import ClassVar

import numpy as np
from mmseg.registry import DATASETS

from repro.data.assemble import find_tree, link, progress, refuse_missing, write_lists
from repro.data.download import Archive
from repro.data.images import VOID, colour_map, write_label
from repro.data.listed import ListedDataset
from repro.data.matlab import read_map
from repro.data.splits import Split, name_some, read_ids
from repro.errors import UserError

CLASSES = (
    *("awning", "balcony", "bird", "boat", "bridge", "building", "bus", "car", "cow", "crosswalk", "desert"),
    *("door", "fence", "field", "grass", "moon", "mountain", "person", "plant", "pole", "river", "road"),
    *("rock", "sand", "sea", "sidewalk", "sign", "sky", "staircase", "streetlight", "sun", "tree", "window"),
)
GEOMETRIC_CLASSES = ("sky", "horizontal", "vertical")
SCENES = "spatial_envelope_256x256_static_8outdoorcategories"  # the one folder in each of the archive's


@DATASETS.register_module()
class SIFTFlow(ListedDataset):
    """A SIFT Flow folder as mmseg dataset; `geo_map_path` names the geometric labels.

    Arguments and errors are `ListedDataset`'s.
    """

    METAINFO: ClassVar[dict] = {
        "classes": CLASSES,
        "palette": colour_map(len(CLASSES)).tolist(),
        "geometric_classes": GEOMETRIC_CLASSES,
        "geometric_palette": colour_map(len(GEOMETRIC_CLASSES)).tolist(),
    }
    FOLDERS: ClassVar[dict[str, str]] = {
        "img_path": "Images",
        "seg_map_path": "SemanticLabels",
        "geo_map_path": "GeoLabels",
    }
    SUFFIXES: ClassVar[dict[str, str]] = {"img_path": ".jpg", "seg_map_path": ".png", "geo_map_path": ".png"}
    LISTS: ClassVar[Path] = Path("lists")
    SPLITS: ClassVar[dict[str, Split]] = {
        "trainval": Split(2486, "587d2b5f510e869c83c048f491db37aa63118f116594ce5b45addfc93b66524b"),
        "test": Split(200, "05cef92d019f81ce4b80a227bd68421248bf507b305e4ccb16432bf7bbab362e"),
    }
    HELD_OUT: ClassVar[dict[str, tuple[str, ...]]] = {"trainval": ("test",)}


DATASET = SIFTFlow
SOURCES = (
    (
        Archive(
            "SiftFlowDataset.zip",
            urls=("http://www.cs.unc.edu/~jtighe/Papers/ECCV10/siftflow/SiftFlowDataset.zip",),
            checksum=None,
            holds="SIFT Flow's images, both label sets and the list of test images",
        ),
    ),
)


def prepare(source: Path, root: Path) -> None:
    """Lay out SIFT Flow with PNG labels. Files that are there already stay; each appears whole or not at all.

    The test images are those of `TestSet1.txt`, the training images all others, but for those without annotation: one
    of their label files is absent or void throughout. There are two, which the released nets leave out as well.

    Args:
        source: folder with the unpacked archive: `Images`, `SemanticLabels`, `GeoLabels` and `TestSet1.txt`.
        root: the folder to fill. Images are hard links where the file system allows, else copies.

    Raises:
        UserError: the list, or a test image or a label of it, is missing; a `.mat` is truncated, lacks its key, holds
            unknown ids, or is void throughout though it is of a test image.
    """
    tree = find_tree(source, "SemanticLabels", "SiftFlowDataset/SemanticLabels").parent
    test = read_test_list(tree / "TestSet1.txt")
    ids = sorted(path.stem for path in (tree / "Images" / SCENES).glob("*.jpg"))

    def image(image_id: str) -> Path:
        return tree / "Images" / SCENES / f"{image_id}.jpg"

    def semantic(image_id: str) -> Path:
        return tree / "SemanticLabels" / SCENES / f"{image_id}.mat"

    def geometric(image_id: str) -> Path:
        return tree / "GeoLabels" / SCENES / f"{image_id}.mat"

    for what, path in (("images", image), ("semantic labels", semantic), ("geometric labels", geometric)):
        refuse_missing(what, test, path)
    trainval, tested = [], set(test)
    for image_id in progress(ids, "labels"):
        files = [semantic(image_id), geometric(image_id)]
        targets = [root / folder / f"{image_id}.png" for folder in ("SemanticLabels", "GeoLabels")]
        if not all(file.is_file() for file in files):  # of a training image: those of the test images are there
            continue
        if not all(target.exists() for target in targets):
            maps = [read_labels(files[0], len(CLASSES)), read_labels(files[1], len(GEOMETRIC_CLASSES))]
            void = [str(file) for file, labels in zip(files, maps, strict=True) if (labels == VOID).all()]
            if void and image_id in tested:
                raise UserError(
                    f"the labels of a test image are void throughout: {' and '.join(void)}; take the file from the "
                    "official archive"
                )
            if void:
                continue
            for target, labels in zip(targets, maps, strict=True):
                write_label(target, labels)
        if image_id not in tested:
            trainval.append(image_id)
    for image_id in progress(trainval + test, "images"):
        link(image(image_id), root / "Images" / f"{image_id}.jpg")
    write_lists(root / "lists", {"trainval": trainval, "test": test})


def read_test_list(path: Path) -> list[str]:
    """The ids of `TestSet1.txt`, which names files in a folder and was written on Windows: `folder\\<id>.jpg`.

    Raises:
        UserError: the list is missing, unreadable, empty, or names a file twice.
    """
    return [PureWindowsPath(line).stem for line in read_ids(path)]


def read_labels(path: Path, num_classes: int) -> np.ndarray:
    """The classes of one of SIFT Flow's `.mat`, (H, W) uint8 in 0..num_classes-1, void 255.

    The file counts its classes from 1; 0 is void, and -1 too in the geometric labels.

    Raises:
        UserError: the file is missing, truncated, is no `.mat`, lacks the map `S`, or holds other ids.
    """
    stored = read_map(path, "S")
    stray = np.setdiff1d(stored, np.arange(-1, num_classes + 1))
    if stray.size:
        raise UserError(
            f"{path} holds class ids {name_some(map(str, stray))}; only 1 to {num_classes}, and 0 or -1 for void, are "
            "known: take the file from the official archive"
        )
    return np.where(stored > 0, stored - 1, VOID).astype(np.uint8)
