"""PASCAL VOC 2011 with SBD's annotations: classes, colours, loader, and how the official archives become one folder.

```
<root>/JPEGImages/<id>.jpg
<root>/SegmentationClass/<id>.png       VOC's masks, 255 = void
<root>/SegmentationClassSBD/<id>.png    SBD's masks, from cls/<id>.mat; no void
<root>/ImageSets/Segmentation/          train.txt, val.txt (VOC's own), sbd_train.txt, seg11valid.txt (derived)
```
"""

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ClassVar

import numpy as np
from mmseg.registry import DATASETS
from PIL import Image
from rich.console import Console
from rich.progress import track
from scipy.io import loadmat

from repro.data.splits import name_some, read_ids, seg11valid
from repro.data.transforms import check_ids
from repro.errors import UserError
from repro.files import atomic
from repro.stack import BaseSegDataset

CLASSES = (
    "background",
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
LISTS = Path("ImageSets", "Segmentation")


def colour_map(count: int = 256) -> np.ndarray:
    """VOC's colours, (count, 3) uint8 RGB: bits 0, 1, 2 of an id are the top bits of R, G, B; bits 3, 4, 5 the next."""
    ids = np.arange(count)
    colours = np.zeros((count, 3), np.uint8)
    for level in range(8):
        for channel in range(3):
            colours[:, channel] |= ((ids >> (3 * level + channel) & 1) << (7 - level)).astype(np.uint8)
    return colours


PALETTE = colour_map(len(CLASSES)).tolist()


@DATASETS.register_module()
class VOC2011(BaseSegDataset):
    """A VOC folder as mmseg dataset. SBD's labels: `data_prefix=dict(seg_map_path="SegmentationClassSBD")`.

    Every item carries `img_id` beside mmseg's `img_path` and `seg_map_path`. Other arguments are mmseg's.

    Raises:
        UserError: the folder or the list is missing, the list is empty or names an id twice, or an image or a label
            of the list is missing (all are looked up at once, the first ten are named).
    """

    METAINFO: ClassVar[dict] = {"classes": CLASSES, "palette": PALETTE}

    def __init__(
        self,
        ann_file: str,
        data_prefix: dict | None = None,
        img_suffix: str = ".jpg",
        seg_map_suffix: str = ".png",
        **kwargs,
    ) -> None:
        prefix = {"img_path": "JPEGImages", "seg_map_path": "SegmentationClass"} | (data_prefix or {})
        super().__init__(ann_file, img_suffix, seg_map_suffix, data_prefix=prefix, **kwargs)

    def load_data_list(self) -> list[dict]:
        if self.data_root and not Path(self.data_root).is_dir():
            raise UserError(
                f"the folder {self.data_root} is missing; run `repro prepare {Path(self.data_root).name}`, or name "
                "another with --data"
            )
        shared = {"label_map": self.label_map, "reduce_zero_label": self.reduce_zero_label}
        items = []
        for image_id in read_ids(self.ann_file):
            item = {"img_id": image_id, "seg_fields": [], **shared}
            item["img_path"] = os.path.join(self.data_prefix["img_path"], image_id + self.img_suffix)  # noqa: PTH118
            item["seg_map_path"] = os.path.join(  # noqa: PTH118
                self.data_prefix["seg_map_path"], image_id + self.seg_map_suffix
            )
            items.append(item)
        for what, key in (("image", "img_path"), ("label", "seg_map_path")):
            missing = [item for item in items if not Path(item[key]).is_file()]
            if missing:
                raise UserError(
                    f"{Path(missing[0][key]).parent} lacks the {what} of {len(missing)} ids of {self.ann_file}: "
                    f"{name_some(item['img_id'] for item in missing)}; prepare the dataset again, or shorten the list"
                )
        return items


def prepare(voc: Path, sbd: Path, root: Path, lists: Path | None = None) -> None:
    """Lay out VOC 2011 and SBD as one VOC folder. Files that are there already stay; each appears whole or not at all.

    Args:
        voc: `VOCdevkit/VOC2011`, or `VOCdevkit/VOC2012`, which holds the same images and masks and more.
        sbd: `benchmark_RELEASE/dataset`, with `img/`, `cls/*.mat`, `train.txt`.
        root: the folder to fill. Images and VOC's masks are hard links where the file system allows, else copies.
        lists: folder with VOC 2011's `train.txt` and `val.txt`. VOC2012 needs it: its own lists are longer.

    Raises:
        UserError: a list, image or mask is missing; a `.mat` is truncated, lacks its key or holds unknown class ids.
    """
    voc, sbd, root = Path(voc), Path(sbd), Path(root)
    if lists is None:
        if voc.name == "VOC2012":
            raise UserError(f"{voc} has the lists of 2012; give the folder with VOC 2011's train.txt and val.txt")
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
    for what, ids, source in (
        ("images", image_ids, image),
        ("VOC masks", voc_ids, mask),
        ("SBD masks", sbd_train, mat),
    ):
        _refuse_missing(what, ids, source)
    for image_id in _progress(image_ids, "images"):
        _link(image(image_id), root / "JPEGImages" / f"{image_id}.jpg")
    for image_id in _progress(voc_ids, "VOC masks"):
        _link(mask(image_id), root / "SegmentationClass" / f"{image_id}.png")
    for image_id in _progress(sbd_train, "SBD masks"):
        target = root / "SegmentationClassSBD" / f"{image_id}.png"
        if not target.exists():
            write_label(target, read_sbd(mat(image_id)))
    # the lists come last: a folder with lists is complete
    derived = {"train": train, "val": val, "sbd_train": sbd_train, "seg11valid": seg11valid(val, sbd_train)}
    for name, ids in derived.items():
        with atomic(root / LISTS / f"{name}.txt") as path:
            path.write_text("".join(f"{image_id}\n" for image_id in ids), encoding="utf-8")


def read_sbd(path: Path) -> np.ndarray:
    """The class ids of one of SBD's `cls/*.mat`, (H, W) uint8.

    Raises:
        UserError: the file is truncated, is no `.mat`, lacks `GTcls.Segmentation`, or holds unknown class ids.
    """
    try:
        mat = loadmat(path, variable_names=["GTcls"])
    except Exception as error:  # scipy lets TypeError, zlib.error, struct.error and more through
        raise UserError(f"{path} cannot be read ({error}): truncated or no .mat file; unpack SBD again") from error
    try:
        label = np.asarray(mat["GTcls"][0]["Segmentation"][0])
    except (KeyError, IndexError, ValueError) as error:
        raise UserError(f"{path} lacks GTcls.Segmentation; take it from SBD's folder cls/, not inst/") from error
    check_ids(label, len(CLASSES), path)
    return label.astype(np.uint8)


def write_label(path: Path, label: np.ndarray) -> None:
    """Write (H, W) uint8 class ids as a PNG in VOC's colours, atomically."""
    image = Image.fromarray(label)
    image.putpalette(colour_map().tobytes())
    with atomic(path) as temporary:
        image.save(temporary)


def _refuse_missing(what: str, ids: Iterable[str], source: Callable[[str], Path]) -> None:
    missing = [image_id for image_id in ids if not source(image_id).is_file()]
    if missing:
        folder = source(missing[0]).parent
        raise UserError(
            f"{folder} lacks {len(missing)} {what}: {name_some(missing)}; unpack the official archive again"
        )


def _link(source: Path, target: Path) -> None:
    if target.exists():
        return
    with atomic(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, temporary)


def _progress(ids: list[str], what: str) -> Iterable[str]:
    return track(ids, description=what, console=Console(stderr=True))
