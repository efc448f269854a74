"""PASCAL VOC 2011 with SBD's annotations: classes, colours, loader, and how the official archives become one folder.

```
<root>/JPEGImages/<id>.jpg
<root>/SegmentationClass/<id>.png       VOC's masks, 255 = void
<root>/SegmentationClassSBD/<id>.png    SBD's masks, from cls/<id>.mat; no void
<root>/ImageSets/Segmentation/          train.txt, val.txt (VOC's own), sbd_train.txt, seg11valid.txt (derived)
```
"""

from pathlib import Path
from typing import ClassVar

import numpy as np
from mmseg.registry import DATASETS

from repro.data.assemble import find_tree, link, progress, refuse_missing, write_lists
from repro.data.download import Archive
from repro.data.images import check_ids, colour_map, write_label
from repro.data.listed import ListedDataset
from repro.data.matlab import read_mat
from repro.data.splits import Split, read_ids, seg11valid
from repro.errors import UserError

CLASSES = (
    "background",
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
PALETTE = colour_map(len(CLASSES)).tolist()
LISTS = Path("ImageSets", "Segmentation")


@DATASETS.register_module()
class VOC2011(ListedDataset):
    """A VOC folder as mmseg dataset. SBD's labels: `data_prefix=dict(seg_map_path="SegmentationClassSBD")`.

    Arguments and errors are `ListedDataset`'s.
    """

    METAINFO: ClassVar[dict] = {"classes": CLASSES, "palette": PALETTE}
    FOLDERS: ClassVar[dict[str, str]] = {"img_path": "JPEGImages", "seg_map_path": "SegmentationClass"}
    SUFFIXES: ClassVar[dict[str, str]] = {"img_path": ".jpg", "seg_map_path": ".png"}
    LISTS: ClassVar[Path] = LISTS
    SPLITS: ClassVar[dict[str, Split]] = {
        "train": Split(1112),
        "val": Split(1111),
        "sbd_train": Split(8498),
        "seg11valid": Split(736, "4ca991bd72c251fd2485eaa9e29536502ea3800d1b1c17c151fd6a04bcfbc2cc"),
    }
    HELD_OUT: ClassVar[dict[str, tuple[str, ...]]] = {
        "sbd_train": ("seg11valid",),
        "train": ("val", "seg11valid"),
    }
    CHECKED: ClassVar[dict[str, dict]] = {
        "sbd_train": {"data_prefix": {"seg_map_path": "SegmentationClassSBD"}},
        "test": {"data_prefix": {"seg_map_path": None}},  # the server keeps its labels
    }


DATASET = VOC2011
SBD = Archive(
    "benchmark.tgz",
    urls=(
        "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
        "http://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours/benchmark.tgz",
    ),
    checksum="md5:82b4d87ceb2ed10f6038a1cba92111cb",
    size=1_419_539_633,
    holds="SBD's labels and lists",
)


def _voc(year: int, name: str, md5: str) -> Archive:
    hosts = ("https://thor.robots.ox.ac.uk", "http://host.robots.ox.ac.uk")
    urls = tuple(f"{host}/pascal/VOC/voc{year}/{name}" for host in hosts)
    return Archive(name, urls, f"md5:{md5}", holds=f"VOC {year}'s images, masks and lists")


SOURCES = ((_voc(2011, "VOCtrainval_25-May-2011.tar", "6c3384ef61512963050cb5d687e5bf1e"), SBD),)
# the archive of 2012 lacks the lists of 2011
WITH_LISTS = ((_voc(2012, "VOCtrainval_11-May-2012.tar", "6cd6e144f989b92b3379bac3b3de84fd"), SBD), *SOURCES)


def prepare(source: Path, root: Path, lists: Path | None = None) -> None:
    """Lay out VOC 2011 and SBD as one VOC folder. Files that are there already stay; each appears whole or not at all.

    Args:
        source: folder with the unpacked archives: `VOCdevkit/VOC2011` (or `VOC2012`, which holds the same images and
            masks and more) and `benchmark_RELEASE/dataset`.
        root: the folder to fill. Images and VOC's masks are hard links where the file system allows, else copies.
        lists: folder with VOC 2011's `train.txt` and `val.txt`. VOC2012 needs it: its own lists are longer.

    Raises:
        UserError: a list, image or mask is missing; a `.mat` is truncated, lacks its key or holds unknown class ids.
    """
    voc = find_tree(source, "VOCdevkit/VOC2011", "TrainVal/VOCdevkit/VOC2011", "VOCdevkit/VOC2012")
    sbd = find_tree(source, "benchmark_RELEASE/dataset")
    if lists is None:
        if voc.name == "VOC2012":
            raise UserError(
                f"{voc} has the lists of 2012; name the folder with VOC 2011's train.txt and val.txt with --lists"
            )
        lists = voc / LISTS
    train, val = read_ids(lists / "train.txt"), read_ids(lists / "val.txt")
    sbd_train = read_ids(sbd / "train.txt")
    voc_ids = list(dict.fromkeys(train + val))
    image_ids = list(dict.fromkeys(voc_ids + sbd_train))

    def image(image_id: str) -> Path:
        path = voc / "JPEGImages" / f"{image_id}.jpg"
        return path if path.is_file() else sbd / "img" / f"{image_id}.jpg"  # a VOC tree may come without them

    def mask(image_id: str) -> Path:
        return voc / "SegmentationClass" / f"{image_id}.png"

    def mat(image_id: str) -> Path:
        return sbd / "cls" / f"{image_id}.mat"

    # all faults of one kind at once, and before anything is written
    for what, ids, place in (
        ("images", image_ids, image),
        ("VOC masks", voc_ids, mask),
        ("SBD masks", sbd_train, mat),
    ):
        refuse_missing(what, ids, place)
    for image_id in progress(image_ids, "images"):
        link(image(image_id), root / "JPEGImages" / f"{image_id}.jpg")
    for image_id in progress(voc_ids, "VOC masks"):
        link(mask(image_id), root / "SegmentationClass" / f"{image_id}.png")
    for image_id in progress(sbd_train, "SBD masks"):
        target = root / "SegmentationClassSBD" / f"{image_id}.png"
        if not target.exists():
            write_label(target, read_sbd(mat(image_id)))
    write_lists(
        root / LISTS,
        {"train": train, "val": val, "sbd_train": sbd_train, "seg11valid": seg11valid(val, sbd_train)},
    )


def read_sbd(path: Path) -> np.ndarray:
    """The class ids of one of SBD's `cls/*.mat`, (H, W) uint8.

    Raises:
        UserError: the file is truncated, is no `.mat`, lacks `GTcls.Segmentation`, or holds unknown class ids.
    """
    struct = read_mat(path, "GTcls")
    try:
        label = np.asarray(struct[0]["Segmentation"][0])
    except (IndexError, ValueError) as error:
        raise UserError(f"{path} lacks GTcls.Segmentation; take it from SBD's folder cls/, not inst/") from error
    check_ids(label, len(CLASSES), path)
    return label.astype(np.uint8)
