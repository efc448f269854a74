"""What the tests of the tables share: drawn confusions, written records, and a reader of rendered Markdown."""

import csv
import re
import shutil
from dataclasses import replace

import numpy as np

from repro import records
from repro.data.splits import ids_sha256
from repro.metrics import ImageConfusions
from repro.records import Dataset, Record, Weights
from repro.report.claims import checkout

CLAIMS = checkout("baselines", "claims")
VALID = [f"2007_{n:06}" for n in range(40)]  # stands in for the ids of a split


def confusions(seed=0, ids=VALID, accuracy=0.7, classes=4):
    """Random confusions; the diagonal grows with `accuracy`."""
    rng = np.random.default_rng(seed)
    found = []
    for name in ids:
        noise = rng.integers(0, 30, (classes, classes))
        found.append((name, noise + np.diag(rng.integers(0, int(600 * accuracy), classes))))
    return ImageConfusions.from_matrices(found, classes)


def put(
    folder,
    seed=1,
    found=None,
    dataset="voc2011",
    split="seg11valid",
    frame=None,
    content="0" * 64,
    classes=None,
    dirty=False,
    trained_dirty=False,
    when="01",
    **changes,
):
    """Write a record of FCN-16s, Table 2, unless told otherwise. `found` and `classes` are by head, or semantic."""
    found = confusions(seed) if found is None else found
    heads = found if isinstance(found, dict) else {"semantic": found}
    names = classes or {head: list("abcdefgh")[: one.num_classes] for head, one in heads.items()}
    ids = next(iter(heads.values())).ids
    base = Record(
        experiment="voc2011/fcn16s_vgg16_cvpr",
        recipe="cvpr2015",
        claims=["cvpr2015/table2/FCN-16s"],
        dataset=Dataset(dataset, split, len(ids), ids_sha256(ids), content, names, frame),
        confusion={head: one.total() for head, one in heads.items()},
        weights=Weights("b" * 64, "a" * 64, "voc2011/fcn16s_vgg16_cvpr"),
        config_sha256="c" * 64,
        training={"iterations": 100, "seed": seed, "provenance": {"dirty": trained_dirty}},
        provenance={
            **dict.fromkeys(records.PROVENANCE),
            "commit": "0123456789abcdef",
            "dirty": dirty,
            "device": "A processor",
            "time": f"2026-01-{when}T00:00:00+00:00",
        },
    )
    return records.read(records.write(replace(base, **changes), heads, folder))


def parse(markdown):
    """The Markdown's tables: a list of dicts for each heading."""
    tables: dict[str, list[list[str]]] = {}
    title = ""
    for line in markdown.splitlines():
        if line.startswith("## "):
            title = line[3:]
            tables[title] = []
        elif line.startswith("|"):
            tables[title].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return {title: [dict(zip(rows[0], row, strict=True)) for row in rows[2:]] for title, rows in tables.items()}


def raw_claims(folder=CLAIMS):
    """(key, column) -> printed, straight from the files."""
    found = {}
    for path in folder.glob("*.csv"):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                found[f"{path.stem}/{row['table']}/{row['row']}", row["column"]] = row["printed"]
    return found


def copy_claims(folder, **changed):
    """A copy of the claims, with `old` changed to `new` once in the sources that `changed` names."""
    shutil.copytree(CLAIMS, folder)
    for stem, (old, new) in changed.items():
        path = folder / f"{stem}.csv"
        text = path.read_text()
        assert text.count(old) >= 1
        path.write_text(text.replace(old, new, 1))
    return folder
