"""Fixed records give the committed bytes: Markdown, CSV and LaTeX, whatever the folder, the locale and the options.

`python tests/unit/test_golden_tables.py` writes them anew, for whoever means to change them.
"""

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from written_records import put, put_bounds, put_timing

from repro.data.splits import ids_sha256
from repro.metrics import METRICS, ImageConfusions
from repro.records import Dataset, read_all_kinds
from repro.report import render, scores
from repro.report.claims import read_claims
from repro.report.layouts import SELECTIONS, Block, Layout, Row, Selection
from repro.report.layouts.layout import Rank

GOLDEN = Path(__file__).parent / "golden"
IDS = [f"image_{n:02}" for n in range(12)]
RULE = Selection(
    "golden", "the 12 images", dataset="golden", split="val", images=12, ids_sha256=ids_sha256(IDS), clean=True
)
FINER = "Finer strides: claims beside measurements"
LAYOUT = Layout(
    name="scores",
    title="Golden & plain",
    summary="Every shape that a table of scores has, from numbers that never change",
    command="repro reproduce golden",
    blocks=(
        Block(
            title=FINER,
            rows=tuple(Row(f"FCN-{s}", f"paper/table1/FCN-{s}", f"golden/fcn{s}") for s in ("32s", "16s")),
            metrics=("pixel_acc", "mean_iu"),
            selection="golden",
            recipe="golden",
            printed_only=("parameters",),
            footnotes=("A footnote with *emphasis*, `code_of --it`, 100% & a [link](https://example.org/a_b).",),
        ),
        Block(
            title="As printed",
            rows=tuple(
                Row(label, claim=f"paper/table2/{label}") for label in ("Older & al. (2014), 100% of {it}", "R|CNN")
            ),
            metrics=METRICS,
            shape="printed",
        ),
        Block(
            title="Measured alone",
            rows=(Row("FCN-16s", experiment="golden/fcn16s"), Row("FCN-8s", experiment="golden/fcn8s")),
            metrics=METRICS,
            selection="golden",
            recipe="golden",
            shape="scores",
            command="repro evaluate golden/fcn8s",
        ),
    ),
    ranks=(Rank("the finer the better", "Section 0", FINER, ("FCN-16s", "FCN-32s")),),
)


def golden_confusions(kind: int, seed: int) -> ImageConfusions:
    """Integers by a formula, the truth the same in all; the larger `kind`, the fewer errors."""
    truth, predicted = np.mgrid[:3, :3]
    matrices = []
    for n, name in enumerate(IDS):
        errors = (3 - kind) * ((5 * n + 7 * truth + 3 * predicted + seed) % 11) * (truth != predicted)
        matrices.append((name, errors + np.diag([100, 150, 200 + n] - errors.sum(axis=1))))
    return ImageConfusions.from_matrices(matrices, 3)


def write_records(folder: Path) -> None:
    """Two nets, one of them by three seeds, and three records that no row takes."""
    known = {"recipe": "golden", "claims": [], "dataset": "golden", "split": "val"}
    for seed in (1, 2, 3):
        key = ["paper/table1/FCN-16s"]
        put(folder, seed, golden_confusions(1, seed), experiment="golden/fcn16s", **{**known, "claims": key})
    key = ["paper/table1/FCN-32s"]
    put(folder, 1, golden_confusions(0, 1), experiment="golden/fcn32s", **{**known, "claims": key})
    put(folder, 2, golden_confusions(0, 2), experiment="golden/fcn32s", dirty=True, **{**known, "claims": key})
    put(folder, 1, golden_confusions(2, 1), experiment="golden/fcn8s", **{**known, "split": "train"})
    put(folder, 1, golden_confusions(2, 1), experiment="golden/fcn8s", **{**known, "recipe": "other"})


def rendered(*folders: Path) -> dict[str, bytes]:
    with patch.dict(SELECTIONS, golden=RULE):
        document = scores.document(LAYOUT, read_claims(GOLDEN / "claims"), read_all_kinds(*folders))
    return {name: text.encode() for name, text in render.files(document).items()}


def committed() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in GOLDEN.glob("scores.*")}


def digests(*folders: Path) -> dict[str, str]:
    """Every file of `tables/` from these records, by its hash."""
    documents = [document for group in render.documents(folders).values() for document in group]
    texts = {name: text for document in documents for name, text in render.files(document).items()}
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The fixed records, and others that feed the tables of times and of upper bounds."""
    folder = tmp_path_factory.mktemp("records")
    write_records(folder)
    for batch, mode in ((1, "eager"), (1, "channels_last"), (4, "eager")):
        settings = {"device": "cpu", "precision": "fp32", "mode": mode, "batch": batch, "height": 500, "width": 500}
        put_timing(folder, settings=settings)
    rule = SELECTIONS["full_split"]
    dataset = Dataset(
        "voc2011", "seg11valid", 736, str(rule.ids_sha256), "0" * 64, {"semantic": ["background", "a", "b"]}
    )
    put_bounds(folder, dataset=dataset)
    return folder


def test_fixed_records_give_the_committed_bytes(folder):
    found = rendered(folder)
    assert set(found) == {"scores.md", "scores.csv", "scores.tex"}
    assert found == committed()


def test_every_kind_of_cell_is_in_it():
    with (GOLDEN / "scores.csv").open(newline="", encoding="utf-8") as file:
        verdicts = {row["verdict"] for row in csv.DictReader(file)}
    assert verdicts == {"inside", "above", "below", "not measured", "printed only", "no claim"}
    text = (GOLDEN / "scores.md").read_text(encoding="utf-8")
    assert all(part in text for part in ("—", " ± ", "Left out", "\\|", "62.40", "1e2_M"))


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONHASHSEED": "1", "PYTHONUTF8": "0", "TZ": "Pacific/Auckland"},
        {"LC_ALL": "de_DE.UTF-8", "LANG": "tr_TR.UTF-8", "PYTHONHASHSEED": "2", "TZ": "America/St_Johns"},
    ],
    ids=["C", "de_DE"],
)
def test_another_locale_folder_order_and_rounding_change_nothing(folder, tmp_path, environment):
    """Records in folders of other names, and options of the libraries that print numbers."""
    for number, path in enumerate(sorted(folder.glob("*.json"), reverse=True)):
        machine = tmp_path / ("a", "b", "a/c")[number % 3] / f"machine{9 - number}"
        machine.mkdir(parents=True)
        for file in folder.glob(f"{path.stem}.*"):
            shutil.copy(file, machine)
    code = (
        "import decimal, json, locale, sys, numpy, pandas\nfrom pathlib import Path\n"
        "decimal.getcontext().rounding = decimal.ROUND_UP\ndecimal.getcontext().prec = 2\n"
        "numpy.set_printoptions(precision=1)\n"
        "pandas.set_option('display.precision', 1, 'display.float_format', '{:.0f}'.format)\n"
        "try:\n    locale.setlocale(locale.LC_ALL, '')\nexcept locale.Error:\n    pass\n"
        "import test_golden_tables as golden\n"
        "folders = list(map(Path, sys.argv[1:]))\n"
        "assert golden.rendered(*folders) == golden.committed()\n"
        "print(json.dumps(golden.digests(*folders)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "b"), str(tmp_path / "a")]
    environment = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, cwd=Path(__file__).parent, env=environment)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout) == digests(folder)


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as temporary:
        write_records(Path(temporary))
        for name, content in rendered(Path(temporary)).items():
            (GOLDEN / name).write_bytes(content)
