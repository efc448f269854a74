"""PASCAL-Context, 59 classes and background: classes, colours, loader, and how the archives become one folder.

```
<root>/JPEGImages/<id>.jpg    VOC 2010's images
<root>/labels/<id>.png        59 classes from 1; 0 = background, which is all the rest; no void
<root>/lists/                 train.txt, val.txt: VOC 2010's own
```

The released nets have 60 outputs and train background as a class; the paper's tables are over 59 classes and over 33.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
from mmseg.registry import DATASETS

from repro.data.assemble import find_tree, link, progress, refuse_missing, write_lists
from repro.data.download import Archive
from repro.data.images import colour_map, write_label
from repro.data.listed import ListedDataset
from repro.data.matlab import read_map
from repro.data.splits import Split, name_some, read_ids
from repro.data.voc2011 import CLASSES as VOC_CLASSES
from repro.errors import UserError

# in the order of the dataset's 59_labels.txt, which the released nets' outputs follow
CLASSES = (
    *VOC_CLASSES,
    *("bag", "bed", "bench", "book", "building", "cabinet", "ceiling", "clothes", "computer", "cup", "door", "fence"),
    *("floor", "flower", "food", "grass", "ground", "keyboard", "light", "mountain", "mouse", "curtain", "platform"),
    *("sign", "plate", "road", "rock", "shelves", "sidewalk", "sky", "snow", "bedcloth", "track", "tree", "truck"),
    *("wall", "water", "window", "wood"),
)
# what three of the 59 are called in labels.txt, the list of all classes
CALLED = {"diningtable": "table", "bedcloth": "bedclothes", "clothes": "cloth"}


@DATASETS.register_module()
class PASCALContext(ListedDataset):
    """A PASCAL-Context folder as mmseg dataset. Arguments and errors are `ListedDataset`'s."""

    METAINFO: ClassVar[dict] = {"classes": CLASSES, "palette": colour_map(len(CLASSES)).tolist()}
    FOLDERS: ClassVar[dict[str, str]] = {"img_path": "JPEGImages", "seg_map_path": "labels"}
    SUFFIXES: ClassVar[dict[str, str]] = {"img_path": ".jpg", "seg_map_path": ".png"}
    LISTS: ClassVar[Path] = Path("lists")
    SPLITS: ClassVar[dict[str, Split]] = {"train": Split(4998), "val": Split(5105)}
    HELD_OUT: ClassVar[dict[str, tuple[str, ...]]] = {"train": ("val",)}


DATASET = PASCALContext
SOURCES = (
    (
        Archive(
            "VOCtrainval_03-May-2010.tar",
            urls=(
                "https://thor.robots.ox.ac.uk/pascal/VOC/voc2010/VOCtrainval_03-May-2010.tar",
                "http://host.robots.ox.ac.uk/pascal/VOC/voc2010/VOCtrainval_03-May-2010.tar",
            ),
            checksum="md5:da459979d0c395079b5c75ee67908abb",  # as in torchvision.datasets.VOCDetection
            holds="VOC 2010's images and lists",
        ),
        Archive(
            "trainval.tar.gz",
            urls=(
                "https://cs.stanford.edu/~roozbeh/pascal-context/trainval.tar.gz",
                "http://www.cs.stanford.edu/~roozbeh/pascal-context/trainval.tar.gz",
            ),
            # printed on the dataset's page, whose text is in github.com/vietjtnguyen/pascal-regions-website
            checksum="md5:df034edb2c12aa7d33b42b20bb1796e3",
            holds="PASCAL-Context's labels and the names of its classes",
        ),
    ),
)


def prepare(source: Path, root: Path) -> None:
    """Lay out PASCAL-Context with PNG labels. Files that are there already stay; each appears whole or not at all.

    Args:
        source: folder with the unpacked archives: `VOCdevkit/VOC2010`, and `labels.txt` beside `trainval`.
        root: the folder to fill. Images are hard links where the file system allows, else copies.

    Raises:
        UserError: a list, image or label is missing; `labels.txt` lacks a class; a `.mat` is truncated, lacks its key
            or holds unknown ids.
    """
    voc, names = find_tree(source, "VOCdevkit/VOC2010"), find_tree(source, "labels.txt")
    table = class_table(names)
    lists = {name: read_ids(voc / "ImageSets" / "Main" / f"{name}.txt") for name in ("train", "val")}
    ids = [image_id for listed in lists.values() for image_id in listed]

    def image(image_id: str) -> Path:
        return voc / "JPEGImages" / f"{image_id}.jpg"

    def mat(image_id: str) -> Path:
        return names.parent / "trainval" / f"{image_id}.mat"

    refuse_missing("images", ids, image)
    refuse_missing("labels", ids, mat)
    for image_id in progress(ids, "labels"):
        target = root / "labels" / f"{image_id}.png"
        if not target.exists():
            write_label(target, read_labels(mat(image_id), table))
    for image_id in progress(ids, "images"):
        link(image(image_id), root / "JPEGImages" / f"{image_id}.jpg")
    write_lists(root / "lists", lists)


def class_table(path: Path) -> dict[int, int]:
    """From each id of `labels.txt`, such as 59 in `59: car`, to the id among the 60 classes; 0 and the rest give 0.

    Raises:
        UserError: the list is missing, is no such list, or lacks one of the 59 classes.
    """
    ours = {CALLED.get(name, name): class_id for class_id, name in enumerate(CLASSES) if class_id}
    table = {0: 0}  # the id of pixels without a class
    for line in read_ids(path):
        entry = re.fullmatch(r"(\d+): *(.+)", line)
        if not entry:
            raise UserError(
                f"{path} has the line {line!r}; take the file with lines such as `59: car` from the archive"
            )
        table[int(entry[1])] = ours.pop(entry[2].replace(" ", ""), 0)
    if ours:
        raise UserError(f"{path} lacks the classes {name_some(ours)}; take the file from the official archive")
    return table


def read_labels(path: Path, table: Mapping[int, int]) -> np.ndarray:
    """The classes of one of PASCAL-Context's `.mat`, (H, W) uint8 in 0..59.

    Args:
        path: of the file.
        table: from the ids in the file to those of the 60 classes, as `class_table` gives it.

    Raises:
        UserError: the file is missing, truncated, is no `.mat`, lacks `LabelMap`, or holds ids that the table lacks.
    """
    stored = read_map(path, "LabelMap")
    found, places = np.unique(stored, return_inverse=True)
    stray = [str(class_id) for class_id in found.tolist() if class_id not in table]
    if stray:
        raise UserError(
            f"{path} holds class ids {name_some(stray)}, which labels.txt does not name; take both from the official "
            "archive"
        )
    return np.array([table[class_id] for class_id in found.tolist()], np.uint8)[places].reshape(stored.shape)
