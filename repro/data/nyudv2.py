"""NYU Depth v2 with the 40 classes of Gupta et al.: classes, loader, and how either published form becomes one folder.

```
<root>/images/<id>.png      colour
<root>/depth/<id>.png       16-bit grey, millimetres, 0 = unknown
<root>/hha/<id>.png         see repro.data.hha
<root>/labels/<id>.png      255 = void
<root>/splits/              trainval.txt, test.txt; train.txt, val.txt where Gupta et al.'s lists are at hand
```

An id is 5000 plus the image's number, 1 to 1449. The released nets are trained on trainval and scored on test.

Two forms are published. Gupta et al.'s, which the released nets saw, has crops of 425x560 and comes with HHA. The
official one has the whole frames, 480x640, with the white border that the crops leave out: it stays, as published.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from mmseg.registry import DATASETS
from PIL import Image

from repro.data.assemble import find_tree, link, progress, refuse_missing, write_lists
from repro.data.download import Archive
from repro.data.hha import NYUDV2, Intrinsics, write_hha
from repro.data.images import VOID, colour_map, read_image, write_label
from repro.data.listed import ListedDataset
from repro.data.matlab import read_map, read_mat
from repro.data.nyudv2_mat import LabeledMat
from repro.data.splits import Split, name_some, read_ids
from repro.errors import UserError
from repro.files import atomic

CLASSES = (
    *("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf"),
    *("picture", "counter", "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat"),
    *("clothes", "ceiling", "books", "refridgerator", "television", "paper", "towel", "shower curtain", "box"),
    *("whiteboard", "person", "night stand", "toilet", "sink", "lamp", "bathtub", "bag"),
    *("otherstructure", "otherfurniture", "otherprop"),
)
PALETTE = colour_map(len(CLASSES)).tolist()
LISTS = Path("splits")
WITH_DEPTH: dict[str, Any] = {"data_prefix": {"depth_path": "depth", "hha_path": "hha"}}


@DATASETS.register_module()
class NYUDv2(ListedDataset):
    """NYUDv2 as mmseg dataset. With `data_prefix=dict(depth_path="depth", hha_path="hha")` items name these files too.

    Arguments and errors are `ListedDataset`'s.
    """

    METAINFO: ClassVar[dict] = {"classes": CLASSES, "palette": PALETTE}
    FOLDERS: ClassVar[dict[str, str]] = {"img_path": "images", "seg_map_path": "labels"}
    SUFFIXES: ClassVar[dict[str, str]] = dict.fromkeys(("img_path", "seg_map_path", "depth_path", "hha_path"), ".png")
    LISTS: ClassVar[Path] = LISTS
    SPLITS: ClassVar[dict[str, Split]] = {
        "train": Split(381, "2aa7e4beb40682604d7457b636d20b9210ce55460f24c4f20cb3765bee35f794"),
        "val": Split(414, "cd278b1232fe5c2347994a9a3c13cd916aa2e72def51b9698993a2e8936797f5"),
        "trainval": Split(795, "915511f7a52b6a40c7eda6d69c00529b6e76c4ebd59f688f77e21e178c019fc2"),
        "test": Split(654, "3cabba2c952d83ca4e44e4070771c666a28e41e129d7b3033839c4f9a808b426"),
    }
    HELD_OUT: ClassVar[dict[str, tuple[str, ...]]] = {"trainval": ("test",)}
    CHECKED: ClassVar[dict[str, dict]] = dict.fromkeys(SPLITS, WITH_DEPTH)

    @property
    def frame_size(self) -> tuple[int, int]:
        """(H, W) of the first image: (425, 560) for Gupta et al.'s crops, (480, 640) for the official frames."""
        return read_image(self.get_data_info(0)["img_path"]).shape[:2]


DATASET = NYUDv2
META_DATA = "https://raw.githubusercontent.com/ankurhanda/nyuv2-meta-data/master"
SOURCES = (
    (
        Archive(
            "nyud.tar.gz",
            urls=("http://dl.caffe.berkeleyvision.org/nyud.tar.gz",),
            checksum=None,
            holds="Gupta et al.'s crops, depth, HHA, labels and lists, as the released nets saw them",
        ),
    ),
    (
        Archive(
            "nyu_depth_v2_labeled.mat",
            urls=(
                "http://horatio.cs.nyu.edu/mit/silberman/nyu_depth_v2/nyu_depth_v2_labeled.mat",
                "https://horatio.cs.nyu.edu/mit/silberman/nyu_depth_v2/nyu_depth_v2_labeled.mat",
            ),
            # as in github.com/Grain-Wang/AutoResearch, paper1/experiments/covol/audit_provenance.py
            checksum="sha256:2d724b0c0ab358aa1ce5df855e5bd14a2279ab7202efe22f32a30d612dcb86aa",
            size=2_972_037_809,
            holds="the official frames, depth and labels",
        ),
        Archive(
            "splits.mat",
            urls=(
                "http://horatio.cs.nyu.edu/mit/silberman/indoor_seg_sup/splits.mat",
                "https://horatio.cs.nyu.edu/mit/silberman/indoor_seg_sup/splits.mat",
                f"{META_DATA}/splits.mat",
            ),
            checksum="sha256:6e081404491a8bfba2f066beaa9713ef6046f9007aa5f799f2a350506a580cee",  # of META_DATA's file
            size=2626,
            holds="the official training and test images",
        ),
        Archive(
            "classMapping40.mat",
            urls=(f"{META_DATA}/classMapping40.mat",),
            checksum="sha256:ff177194cce9a2163517f1e1e6f1c64c50987162f542dedddc04bbf6ebe6d851",  # of META_DATA's file
            size=10_474,
            holds="Gupta et al.'s 40 classes of the 894 names",
        ),
    ),
)


def prepare(source: Path, root: Path, camera: Intrinsics | None = None) -> None:
    """Lay out either form as one folder. Files that are there already stay; each appears whole or not at all.

    Args:
        source: folder with the unpacked archive of Gupta et al. (`nyud/data`, `nyud/segmentation`, `nyud/*.txt`), or
            else with `nyu_depth_v2_labeled.mat`, `splits.mat` and `classMapping40.mat`; beside these, Gupta et al.'s
            `train.txt` and `val.txt` serve where they are.
        root: the folder to fill. Gupta et al.'s images are hard links where the file system allows, else copies.
        camera: which took the images, for HHA that has to be computed; NYUDv2's own when None.

    Raises:
        UserError: a file is missing, broken or lacks its key, lists contradict each other, labels or depths are out of
            their range, `root` holds the other form, or HHA is to be computed for frames of an unknown camera.
    """
    found = find_tree(source, "nyud/segmentation", "segmentation", "nyu_depth_v2_labeled.mat")
    lists = _from_gupta(found.parent, root) if found.is_dir() else _from_official(found, source, root)
    ids = [*lists["trainval"], *lists["test"]]
    jobs = [(root / "depth" / f"{image_id}.png", root / "hha" / f"{image_id}.png") for image_id in ids]
    if not all(hha.exists() for _, hha in jobs):
        write_hha(jobs, camera or _camera_of(root / "images" / f"{ids[0]}.png"))
    write_lists(root / LISTS, lists)


def _from_gupta(tree: Path, root: Path) -> dict[str, list[str]]:
    """Link images, depth and HHA, convert the labels, and return the lists."""
    lists = _read_lists(tree)
    ids = [*lists["trainval"], *lists["test"]]
    places = {"images": "data/images/img_{}.png", "depth": "data/depth/img_{}.png", "labels": "segmentation/img_{}.mat"}

    def file(kind: str, image_id: str) -> Path:
        return tree / places[kind].format(image_id)

    for kind in places:
        refuse_missing("depth maps" if kind == "depth" else kind, ids, partial(file, kind))
    _refuse_other_frames(root, read_image(file("images", ids[0])).shape[:2])
    for image_id in progress(ids, "images, depth, labels"):
        name = f"{image_id}.png"
        for kind in ("images", "depth"):
            link(file(kind, image_id), root / kind / name)
        if (hha := tree / "data" / "hha" / f"img_{name}").exists():
            link(hha, root / "hha" / name)
        if not (root / "labels" / name).exists():
            write_label(root / "labels" / name, read_segmentation(file("labels", image_id)))
    return lists


def _from_official(mat: Path, source: Path, root: Path) -> dict[str, list[str]]:
    """Write images, depth and labels one frame at a time, and return the lists."""
    splits, mapping = find_tree(source, "splits.mat"), find_tree(source, "classMapping40.mat")
    train, test = (np.asarray(read_mat(splits, key)).ravel().astype(int) for key in ("trainNdxs", "testNdxs"))
    numbers = [*train.tolist(), *test.tolist()]
    lists = _read_lists(source, {"trainval": list(map(_id, train)), "test": list(map(_id, test))})
    classes = np.asarray(read_mat(mapping, "mapClass")).ravel()
    if not np.isin(classes, np.arange(1, len(CLASSES) + 1)).all():
        raise UserError(f"{mapping} maps to classes outside of 1 to {len(CLASSES)}; take the published file")
    lookup = np.array([VOID, *(classes - 1)], np.uint8)
    with LabeledMat(mat) as frames:
        beyond = [str(number) for number in numbers if not 1 <= number <= frames.count]
        if beyond:
            raise UserError(f"{splits} lists images that {mat} has not: {name_some(beyond)}; get both again")
        _refuse_other_frames(root, frames.frame)
        for number in progress(numbers, "images, depth, labels"):
            image, depth, label = (root / kind / f"{_id(number)}.png" for kind in ("images", "depth", "labels"))
            if not image.exists():
                _write(image, frames.image(number))
            if not depth.exists():
                _write(depth, frames.depth(number))
            if not label.exists():
                write_label(label, _map(frames.label(number), lookup, f"{mat}: the label of image {number}"))
    return lists


def read_segmentation(path: Path) -> np.ndarray:
    """The class ids of one of Gupta et al.'s `segmentation/*.mat`, (H, W) uint8, 255 = void.

    Raises:
        UserError: the file is truncated, is no `.mat`, lacks `segmentation`, or holds unknown class ids.
    """
    return _map(read_map(path, "segmentation"), np.array([VOID, *range(len(CLASSES))], np.uint8), f"label {path}")


def _map(label: np.ndarray, lookup: np.ndarray, name: str) -> np.ndarray:
    """Ids as published, 0 = unlabelled, to the suite's."""
    stray = np.setdiff1d(label, np.arange(len(lookup)))
    if stray.size:
        raise UserError(f"{name} holds ids {name_some(map(str, stray))}; only 0 to {len(lookup) - 1} are known")
    return lookup[label.astype(int)]


def _id(number: int) -> str:
    return str(5000 + number)


def _write(path: Path, pixels: np.ndarray) -> None:
    with atomic(path) as temporary:
        Image.fromarray(pixels).save(temporary)


def _read_lists(folder: Path, official: Mapping[str, list[str]] | None = None) -> dict[str, list[str]]:
    """Gupta et al.'s lists, as far as they lie in a folder, under the official ones; train and val only together."""
    files = {name: folder / f"{name}.txt" for name in NYUDv2.SPLITS}
    lists = {name: read_ids(file) for name, file in files.items() if file.is_file()} | dict(official or {})
    if {"train", "val"} <= lists.keys():
        both = lists["train"] + lists["val"]
        if set(lists.setdefault("trainval", both)) != set(both):
            raise UserError(f"train.txt and val.txt in {folder} are not together trainval; take Gupta et al.'s own")
    else:
        lists = {name: ids for name, ids in lists.items() if name not in ("train", "val")}
    for name in ("trainval", "test"):
        if name not in lists:
            raise UserError(f"{folder} lacks {name}.txt; unpack the official archive again")
    return lists


def _refuse_other_frames(root: Path, frame: Sequence[int]) -> None:
    """The files of two forms must not meet in one folder."""
    there = next((root / "images").glob("[!.]*.png"), None)
    if there and (size := read_image(there).shape[:2]) != tuple(frame):
        sizes = ["x".join(map(str, shape)) for shape in (size, frame)]
        raise UserError(f"{root} holds frames of {sizes[0]}, the source {sizes[1]}; delete it or choose another folder")


def _camera_of(image: Path) -> Intrinsics:
    """NYUDv2's camera, by the size of a frame."""
    frame = read_image(image).shape[:2]
    cameras = {(480, 640): NYUDV2, (425, 560): NYUDV2.cropped(45, 40)}
    if frame not in cameras:
        size = "x".join(map(str, frame))
        raise UserError(f"HHA of {image.parent} cannot be computed: the camera of frames of {size} is not known")
    return cameras[frame]
