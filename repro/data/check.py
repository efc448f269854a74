"""Verifies a prepared dataset: its lists, every file that they name, and what belongs together."""

import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from multiprocessing.pool import ThreadPool
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from repro.data.images import read_depth, read_hha, read_image, read_label, size_fault
from repro.data.listed import WHAT, ListedDataset
from repro.data.prepared import is_published
from repro.data.splits import check_split, name_some, read_ids
from repro.errors import UserError
from repro.files import sha256

NAMED = 10  # so many faults are named
Item = dict[str, str]  # of one image, the path of each kind of file


@dataclass
class Report:
    """What was looked at, and what is wrong with it.

    Attributes:
        lists: how many ids each list has.
        files: how many files of each kind were decoded, each once, however many lists name it.
        faults: one line each.
    """

    lists: dict[str, int] = field(default_factory=dict)
    files: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Decoded:
    """What remains of a file that was read: height and width, and for an image the SHA-256 of its bytes."""

    size: tuple[int, ...] = ()
    digest: str = ""
    fault: str = ""


def show(dataset: type[ListedDataset], root: Path) -> None:
    """Check a prepared folder and print what was found: the lists, the files, the first ten faults.

    Raises:
        UserError: there is no such folder, or it has faults.
    """
    report = check(dataset, root, is_published(root))
    table = Table("list", "images", box=None, pad_edge=False)
    for name, images in report.lists.items():
        table.add_row(f"{name}.txt", str(images))
    Console(width=None if Console().is_terminal else 120).print(table)
    print("decoded: " + ", ".join(f"{count} {WHAT[kind]}s" for kind, count in report.files.items()))
    for fault in report.faults[:NAMED]:
        print(fault)
    count = len(report.faults)
    if count:
        named = (
            f"s: {NAMED} named above and {count - NAMED} more" if count > NAMED else f"{'s' * (count > 1)}, named above"
        )
        raise UserError(f"{root} has {count} fault{named}; mend the files, or prepare the dataset again")


def check(dataset: type[ListedDataset], root: Path, published: bool) -> Report:
    """Read every list and decode every file that a list names; all faults are collected.

    Lists: ids and hash of the published ones, and that none shares an image, by id or by content, with one that is
    scored after training on it. Files: whole, labels in range, depth of 16 bits, HHA of three channels, all of the
    size of their image.

    Args:
        root: the prepared folder.
        published: whether it holds the published dataset, whose lists are known.

    Raises:
        UserError: there is no such folder.
    """
    if not root.is_dir():
        raise UserError(f"the folder {root} is missing; run `repro prepare {root.name}`, or name another with --root")
    report = Report()
    lists = _read_lists(dataset, root, published, report)
    items = {name: _items(dataset, root, name, ids) for name, ids in lists.items()}
    decoded = _decode_all(dataset, (item for listed in items.values() for item in listed.values()), report)
    for name, scored_lists in dataset.HELD_OUT.items():
        for scored in scored_lists:
            if name in items and scored in items:
                _refuse_shared(name, items[name], scored, items[scored], decoded, report)
    _compare_sizes((item for listed in items.values() for item in listed.values()), decoded, report)
    return report


def _read_lists(dataset: type[ListedDataset], root: Path, published: bool, report: Report) -> dict[str, list[str]]:
    """The ids of every list in the folder; of the published data, those that are trained on or scored must be there."""
    needed = (
        {name for trained, scored in dataset.HELD_OUT.items() for name in (trained, *scored)} if published else set()
    )
    present = {path.stem for path in (root / dataset.LISTS).glob("[!.]*.txt")}
    if not needed | present:
        report.faults.append(f"{root / dataset.LISTS} holds no list; prepare the dataset again")
    lists = {}
    for name in sorted(needed | present):
        path = root / dataset.LISTS / f"{name}.txt"
        try:
            lists[name] = read_ids(path)
            if published and name in dataset.SPLITS:
                check_split(str(path), lists[name], dataset.SPLITS[name])
        except UserError as error:
            report.faults.append(str(error))
    report.lists = {name: len(ids) for name, ids in lists.items()}
    return lists


def _items(dataset: type[ListedDataset], root: Path, name: str, ids: Iterable[str]) -> dict[str, Item]:
    """The files of every id, as the dataset's loader would look for them."""
    loader = dataset(
        str(dataset.LISTS / f"{name}.txt"), data_root=str(root), lazy_init=True, **dataset.CHECKED.get(name, {})
    )
    return {image_id: loader.paths(image_id) for image_id in ids}


def _decode_all(dataset: type[ListedDataset], items: Iterable[Item], report: Report) -> dict[str, Decoded]:
    """Every file by its path, decoded once, in a thread a processor: PIL lets the others go on meanwhile."""
    kinds = {path: kind for item in items for kind, path in item.items()}
    readers = _readers(dataset)

    def inspect(path: str) -> Decoded:
        kind = kinds[path]
        try:
            size = readers[kind](path)
            return Decoded(size, sha256(path) if kind == "img_path" else "")
        except UserError as error:
            return Decoded(fault=str(error))

    # what a decoder does to the filters it undoes, but threads undo in any order: set them around all of them too
    with warnings.catch_warnings(), ThreadPool(os.cpu_count()) as pool:
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        results = track(pool.imap(inspect, kinds), "checking", len(kinds), console=Console(stderr=True))
        decoded = dict(zip(kinds, results, strict=True))
    report.files = Counter(kind for path, kind in kinds.items() if not decoded[path].fault)
    report.faults += [found.fault for found in decoded.values() if found.fault]
    return decoded


def _readers(dataset: type[ListedDataset]) -> dict[str, Callable[[str], tuple[int, ...]]]:
    """By kind of file, what decodes one, refuses what is wrong with it, and gives its height and width."""
    classes = len(dataset.METAINFO["classes"])
    geometric = len(dataset.METAINFO.get("geometric_classes", ()))
    return {
        "img_path": lambda path: read_image(path).shape[:2],
        "seg_map_path": lambda path: read_label(path, classes).shape,
        "geo_map_path": lambda path: read_label(path, geometric).shape,
        "depth_path": lambda path: read_depth(path).shape,
        "hha_path": lambda path: read_hha(path).shape[:2],
    }


def _refuse_shared(
    name: str,
    trained: Mapping[str, Item],
    scored_name: str,
    scored: Mapping[str, Item],
    decoded: Mapping[str, Decoded],
    report: Report,
) -> None:
    """Note the images that two lists share, by their ids, or by their bytes under two ids."""
    shared = sorted(trained.keys() & scored.keys())
    if shared:
        report.faults.append(
            f"{name}.txt and {scored_name}.txt share {len(shared)} ids: {name_some(shared)}; one is trained on and the "
            "other scored: take them out of one"
        )
    known = {digest: image_id for image_id, item in trained.items() if (digest := decoded[item["img_path"]].digest)}
    for image_id, item in scored.items():
        twin = known.get(decoded[item["img_path"]].digest)
        if twin is not None and twin != image_id:
            report.faults.append(
                f"{image_id} of {scored_name}.txt is the same image as {twin} of {name}.txt; one is trained on and the "
                "other scored: take it out of one"
            )


def _compare_sizes(items: Iterable[Item], decoded: Mapping[str, Decoded], report: Report) -> None:
    """Note every file that is not of its image's size."""
    pairs = {(item["img_path"], kind, path): None for item in items for kind, path in item.items()}
    for image, kind, path in pairs:
        size, expected = decoded[path].size, decoded[image].size
        if size and expected and (fault := size_fault(WHAT[kind], path, size, image, expected)):
            report.faults.append(fault)
