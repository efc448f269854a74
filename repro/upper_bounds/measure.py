"""Measures what down- and upsampling leaves of the truth (Appendix A), and writes it as a record."""

import hashlib
import multiprocessing
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track

from repro import provenance, records
from repro.data.images import VOID
from repro.data.splits import check_split, ids_sha256, read_ids
from repro.data.voc2011 import CLASSES, VOC2011
from repro.errors import UserError
from repro.records import Bound, Bounds, Dataset
from repro.records.checks import WORD, Check
from repro.upper_bounds.counting import count_mask
from repro.upper_bounds.masks import Mask, find
from repro.upper_bounds.procedures import FACTORS, PROCEDURES


def measure(
    labels: Iterable[Path],
    work_dirs: Path,
    ids: Path | None = None,
    dataset: str = "labels",
    split: str = "all",
) -> Bounds:
    """Measure every procedure at every factor, on all cores, and write one record into `work_dirs/records`.

    Args:
        labels: VOC's label PNGs (0 to 20, 255 = void), folders or zip files of them.
        ids: list file of the images to take; all by default.
        dataset, split: what the record calls the labels. Those of seg11valid are known by their ids, and are called
            `voc2011`, `seg11valid` whatever is given.

    Raises:
        UserError: no label, one that is broken or holds other class ids, an image missing or named twice, no pixel of a
            class; or `dataset` and `split` name a published list of VOC 2011 and the images are not its own.
    """
    masks = find(labels, None if ids is None else read_ids(ids))
    described = describe(masks, dataset, split)
    bar = partial(track, console=Console(stderr=True))
    # all are read once before the work begins, so that a broken one is named at once
    labelled = [bool((mask.read(len(CLASSES)) != VOID).any()) for mask in bar(masks, "reading")]
    if not any(labelled):
        raise UserError("no pixel of the labels is of a class: all are void; name other labels")
    made = provenance.collect(seed=None)  # of the code that is about to run
    work = partial(count_mask, procedures=PROCEDURES, factors=FACTORS, num_classes=len(CLASSES))
    counts = np.zeros((len(PROCEDURES), len(FACTORS), 3, len(CLASSES)), np.int64)
    # not forked: this process has torch's threads
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(os.cpu_count() or 1, len(masks)), mp_context=context) as pool:
        for of_mask in bar(pool.map(work, masks, chunksize=4), "measuring", len(masks)):
            counts += of_mask
    bounds = [
        Bound(one.choices(), factor, *counts[n, f].tolist())
        for n, one in enumerate(PROCEDURES)
        for f, factor in enumerate(FACTORS)
    ]
    written = records.read_any(records.write_plain(Bounds(described, bounds, made), work_dirs / "records"))
    assert isinstance(written, Bounds)
    return written


def describe(masks: Sequence[Mask], dataset: str, split: str) -> Dataset:
    """What a record says of the masks; seg11valid's ids are known by their hash, whatever they are called.

    Raises:
        UserError: a name that is no word; or the name of a published list of VOC 2011 for other images than its own.
    """
    ids = [mask.id for mask in masks]
    if ids_sha256(ids) == VOC2011.SPLITS["seg11valid"].sha256:
        dataset, split = "voc2011", "seg11valid"
    check = Check("the labels")
    check.text(dataset, WORD, "dataset")
    check.text(split, WORD, "split")
    if dataset == "voc2011" and split in VOC2011.SPLITS:
        check_split(split, ids, VOC2011.SPLITS[split])
    content = "".join(f"{mask.id} {hashlib.sha256(mask.data).hexdigest()}\n" for mask in masks)
    return Dataset(
        name=dataset,
        split=split,
        images=len(ids),
        ids_sha256=ids_sha256(ids),
        content_sha256=hashlib.sha256(content.encode()).hexdigest(),
        classes={"semantic": list(CLASSES)},
    )
