"""What the tests of the tables share: drawn confusions, written records, and a reader of rendered Markdown."""

import csv
import re
import shutil
from dataclasses import replace

import numpy as np

from repro import records
from repro.data.splits import ids_sha256
from repro.metrics import ImageConfusions
from repro.records import HEADS, Bound, Bounds, Dataset, Record, Timing, Weights
from repro.report.claims import checkout
from repro.report.layouts import on_sample

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


def provenance(dirty=False, when="01"):
    """Where and when something was measured."""
    return {
        **dict.fromkeys(records.PROVENANCE),
        "commit": "0123456789abcdef",
        "dirty": dirty,
        "device": "A processor",
        "time": f"2026-01-{when}T00:00:00+00:00",
    }


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
        provenance=provenance(dirty, when),
    )
    return records.read(records.write(replace(base, **changes), heads, folder))


def draw(folder, layout, names=tuple("abcd"), **changes):
    """A record for every row of a table on drawn images, with the classes `names`."""
    rows = {str(row.experiment): None for block in on_sample(layout).blocks for row in block.rows}
    for number, name in enumerate(rows):
        heads = [head for head in HEADS if f"_{head}_" in name] or HEADS[: 2 if layout.name == "siftflow" else 1]
        put(
            folder,
            found={head: confusions(number, ids=VALID[:5], classes=len(names)) for head in heads},
            classes={head: list(names) for head in heads},
            experiment=name,
            recipe="sample",
            claims=[],
            dataset="sample" if layout.name == "voc2011" else f"sample_{layout.name}",
            split=("val", "test", "seg11valid")[number % 3],
            dirty=True,
            **changes,
        )


def put_timing(folder, **changes):
    """Write a timing of FCN-8s on a processor, unless told otherwise; returns its file."""
    base = Timing(
        case="forward",
        subject="voc2011/fcn8s_vgg16",
        settings={
            **{"device": "cpu", "precision": "fp32", "mode": "eager", "batch": 1, "height": 500, "width": 500},
        },
        seconds={"forward": [1 + trial / 64 for trial in range(20)]},
        work={"flop": 273e9, "bytes": 2e9, "peak_flop_per_second": 80e9, "peak_bytes_per_second": 2e10},
        provenance=provenance(),
    )
    return records.write_plain(replace(base, **changes), folder)


def put_bounds(folder, ids=VALID, **changes):
    """Write upper bounds of two procedures on labels of three classes, unless told otherwise; returns its file."""
    names = ["background", "a", "b"]
    same = {"up": "nearest", "void": "kept", "lattice": "corner", "written": "before"}
    procedures = [{"down": down, **same} for down in ("centre", "majority")]
    base = Bounds(
        dataset=Dataset("voc2011", "seg11valid", len(ids), ids_sha256(ids), "0" * 64, {"semantic": names}),
        bounds=[
            Bound(procedure, factor, [900 - factor, 500, 50 + n], [1000, 600, 100], [1000, 550, 150 - n])
            for n, procedure in enumerate(procedures)
            for factor in (128, 64, 32, 16, 8, 4)
        ],
        provenance=provenance(),
    )
    return records.write_plain(replace(base, **changes), folder)


def parse_lines(markdown):
    """The Markdown's tables as they stand: for each heading the lines' cells, the first of them the columns' heads."""
    tables: dict[str, list[list[str]]] = {}
    title = ""
    for line in markdown.splitlines():
        if line.startswith("## "):
            title = line[3:]
            assert title not in tables
            tables[title] = []
        elif line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line)[1:-1]
            tables[title].append([cell.strip().replace("\\|", "|") for cell in cells])
    assert all(not rows or set("".join(rows.pop(1))) <= set(":-") for rows in tables.values())
    return tables


def parse(markdown):
    """The Markdown's tables: a list of dicts for each heading."""
    tables = parse_lines(markdown)
    return {title: [dict(zip(rows[0], row, strict=True)) for row in rows[1:]] for title, rows in tables.items()}


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
