"""Tables are a pure function of claims and records: nothing lost, nothing mixed, the same to the byte."""

import csv
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from repro import records
from repro.data.splits import ids_sha256
from repro.errors import UserError
from repro.metrics import METRICS, ImageConfusions, bootstrap, scores
from repro.records import Dataset, Record, Weights
from repro.report import figures, layouts, render
from repro.report.claims import checkout, read_claims, read_sources
from repro.report.layouts import HEADINGS, LAYOUTS, SELECTIONS

CLAIMS = checkout("baselines", "claims")
VALID = [f"2007_{n:06}" for n in range(40)]  # stands in for the 736 ids


@pytest.fixture(autouse=True)
def short_split(monkeypatch):
    """Let 40 drawn ids pass for seg11valid, so that small records can fill a cell."""
    rule = replace(SELECTIONS["full_split"], images=len(VALID), ids_sha256=ids_sha256(VALID))
    monkeypatch.setitem(layouts.SELECTIONS, "full_split", rule)
    monkeypatch.setitem(layouts.SELECTIONS, "sample", replace(SELECTIONS["sample"], images=len(VALID)))


def confusions(seed=0, ids=VALID, accuracy=0.7, classes=4):
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
    dirty=False,
    trained_dirty=False,
    when="01",
    **changes,
):
    """Write a record of FCN-16s, Table 2, unless told otherwise."""
    found = confusions(seed) if found is None else found
    base = Record(
        experiment="voc2011/fcn16s_vgg16_cvpr",
        recipe="cvpr2015",
        claims=["cvpr2015/table2/FCN-16s"],
        dataset=Dataset(dataset, split, len(found.ids), ids_sha256(found.ids), "0" * 64, {"semantic": list("abcd")}),
        confusion={"semantic": found.total()},
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
    return records.read(records.write(replace(base, **changes), {"semantic": found}, folder))


SAMPLE = {"experiment": "sample/fcn16s_vgg16", "recipe": "sample", "claims": [], "dataset": "sample"}


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


def line(markdown, net, metric="mean IU", block="Table 2"):
    rows = next(rows for title, rows in parse(markdown).items() if block in title)
    return next(row for row in rows if row["net"] == net and row["metric"] == metric)


def raw_claims():
    """(key, column) -> printed, straight from the files."""
    found = {}
    for path in CLAIMS.glob("*.csv"):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                found[f"{path.stem}/{row['table']}/{row['row']}", row["column"]] = row["printed"]
    return found


# claims


def test_every_claim_is_read_as_printed():
    claims, raw = read_claims(), raw_claims()
    assert {key: claim.printed for key, claim in claims.items()} == raw
    assert len(raw) == 216
    for claim in claims.values():
        if re.fullmatch(r"\d+\.\d+", claim.printed):
            assert float(claim.printed) == claim.value


def test_every_source_is_described():
    sources = read_sources()
    assert set(sources) == {path.stem for path in CLAIMS.glob("*.csv")}
    assert all(source.citation and source.address and source.read for source in sources.values())


def copy_claims(folder, **changed):
    shutil.copytree(CLAIMS, folder)
    for stem, (old, new) in changed.items():
        path = folder / f"{stem}.csv"
        text = path.read_text()
        assert text.count(old) >= 1
        path.write_text(text.replace(old, new, 1))
    return folder


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("table2,FCN-16s,mean_iu,62.4,62.4", "table2,FCN-16s,mean_iu,62.4,sixty", "not a number"),
        ("table2,FCN-16s,mean_iu,62.4,62.4", "table2,FCN-16s,mean_iu,62.4,nan", "not a number"),
        ("table2,FCN-16s,mean_iu,62.4,62.4", "table2,FCN-16s,mean_iu,,62.4", "missing"),
        ("table2,FCN-16s,mean_iu", "table2,FCN-16s,mean_acc", "twice"),
        ("table,row,column", "table,line,column", "columns"),
        ("table2,FCN-16s,mean_iu", "table2,FCN-16z,mean_iu", "no CSV of claims holds"),
    ],
)
def test_faulty_claims_are_refused(tmp_path, old, new, message):
    folder = copy_claims(tmp_path / "claims", cvpr2015=(old, new))
    with pytest.raises(UserError, match=message):
        render.render("voc2011", [], folder)


def test_a_source_without_entry_or_folder_is_refused(tmp_path):
    folder = copy_claims(tmp_path / "claims")
    (folder / "new.csv").write_text("table,row\n")
    with pytest.raises(UserError, match=r"sources\.toml"):
        read_claims(folder)
    (folder / "sources.toml").write_text("[cvpr2015]\ncitation = 'x'\n")
    with pytest.raises(UserError, match="address"):
        read_claims(folder)
    with pytest.raises(UserError, match="cannot read"):
        read_claims(tmp_path / "nowhere")


# tables


def test_every_claim_cell_equals_the_csv():
    raw, seen = raw_claims(), 0
    for layout in LAYOUTS.values():
        parsed = parse(render.render(layout.name, []))
        assert list(parsed) == [block.title for block in layout.blocks]
        for block in layout.blocks:
            rows = parsed[block.title]
            if block.shape == "scores":
                assert [row["net"] for row in rows] == [row.label for row in block.rows]
                continue
            assert len(rows) == len(block.rows) * len(block.metrics)
            for row in block.rows:
                for metric in block.metrics:
                    found = next(r for r in rows if r["net"] == row.label and r["metric"] == HEADINGS[metric])
                    assert found["claim"] == raw[row.claim, metric]
                    for column in block.printed_only:
                        assert found[HEADINGS[column]] == raw[row.claim, column]
                        seen += 1
                    seen += 1
    assert seen == 24 + 6


def test_the_csv_holds_the_same_cells(tmp_path):
    put(tmp_path / "r")
    render.render_all(tmp_path / "out", records_folders=[tmp_path / "r"])
    with (tmp_path / "out" / "voc2011.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    raw, frame = raw_claims(), render.table("voc2011", [tmp_path / "r"])
    assert len(rows) == len(frame) == 30
    for row, (_, cell) in zip(rows, frame.iterrows(), strict=True):
        assert row["claim"] == raw[row["key"], row["metric"]] == cell["claim"]
        assert (row["ours"] != "") == (cell["seeds"] > 0) == (row["key"] == "cvpr2015/table2/FCN-16s")


def test_without_records_all_is_missing():
    frame = render.table("voc2011", [])
    assert frame["ours"].isna().all()
    assert set(frame["verdict"]) == {"unmeasured", "printed only"}
    text = render.render("voc2011", [])
    assert line(text, "FCN-16s") == {
        "net": "FCN-16s",
        "metric": "mean IU",
        "claim": "62.4",
        "ours": "—",
        "95% interval": "—",
        "difference": "—",
        "verdict": "unmeasured",
    }
    assert text.count("No records yet: run `tox -e reproduce-voc`") == 3
    assert "No records yet: run `tox -e reproduce-sample`" in render.render("sample", [])


def test_a_record_fills_its_cells_and_no_other(tmp_path):
    found = confusions(1)
    put(tmp_path, found=found)
    text = render.render("voc2011", [tmp_path])
    estimate = bootstrap(found)
    for metric in METRICS:
        value, low, high = (100 * getattr(end, metric) for end in (estimate.value, estimate.low, estimate.high))
        assert value == 100 * getattr(scores(found.total()), metric)
        row = line(text, "FCN-16s", HEADINGS[metric])
        assert row["ours"] == f"{value:.2f}"
        assert row["95% interval"] == f"{low:.2f} to {high:.2f}"
        assert row["difference"] == f"{value - float(row['claim']):+.2f}"
    frame = render.table("voc2011", [tmp_path])
    assert set(frame[frame["seeds"] > 0]["key"]) == {"cvpr2015/table2/FCN-16s"}
    assert text.count("fcn16s_vgg16_cvpr.voc2011.seg11valid.s1.") == 1
    assert "commit 0123456789, A processor, 40 images" in text


@pytest.mark.parametrize(("printed", "verdict"), [("99.9", "above"), ("1.0", "below"), (None, "inside")])
def test_verdict_says_where_the_claim_lies(tmp_path, printed, verdict):
    found = confusions(1)
    put(tmp_path / "r", found=found)
    printed = printed or f"{100 * scores(found.total()).mean_iu:.1f}"
    change = ("table2,FCN-16s,mean_iu,62.4,62.4", f"table2,FCN-16s,mean_iu,{printed},{printed}")
    text = render.render("voc2011", [tmp_path / "r"], copy_claims(tmp_path / "claims", cvpr2015=change))
    assert line(text, "FCN-16s")["verdict"] == verdict


def test_seeds_give_mean_sd_and_a_joint_interval(tmp_path):
    found = [confusions(seed) for seed in (1, 2, 3)]
    for seed, one in enumerate(found):
        put(tmp_path, seed=seed, found=one)
    values = [100 * scores(one.total()).mean_iu for one in found]
    joint = bootstrap(*found)
    row = line(render.render("voc2011", [tmp_path]), "FCN-16s")
    assert row["ours"] == f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f}"
    assert row["95% interval"] == f"{100 * joint.low.mean_iu:.2f} to {100 * joint.high.mean_iu:.2f}"


def test_the_newest_record_of_a_seed_counts(tmp_path):
    old = put(tmp_path, found=confusions(1), when="01")
    new = put(tmp_path, found=confusions(2), when="02")
    text = render.render("voc2011", [tmp_path])
    assert render.table("voc2011", [tmp_path])["records"].max() == new.id
    assert f"- `{old.id}`: a newer record of this seed" in text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dirty": True}, "scored from a dirty tree"),
        ({"dirty": None}, "scored from an unknown commit"),
        ({"trained_dirty": True}, "trained from a dirty tree"),
        ({"dataset": "sample"}, "dataset sample"),
        ({"split": "val"}, "split val"),
        ({"found": confusions(ids=VALID[1:])}, "39 images instead of 40"),
        ({"found": confusions(ids=[*VALID[1:], "x"])}, "another list of images"),
        ({"recipe": "release"}, "recipe release"),
    ],
)
def test_these_records_never_fill_a_claim_cell(tmp_path, changes, reason):
    refused = put(tmp_path, **changes)
    assert (render.table("voc2011", [tmp_path])["seeds"] == 0).all()
    assert f"- `{refused.id}`: {reason}" in render.render("voc2011", [tmp_path])


def test_the_sample_has_its_own_table(tmp_path):
    put(tmp_path, seed=1, dirty=True, **SAMPLE)
    put(tmp_path, seed=2, found=confusions(2), **SAMPLE)
    (row,) = [
        r for r in parse(render.render("sample", [tmp_path]))["Finer strides on drawn scenes"] if r["seeds"] != "—"
    ]
    assert (row["net"], row["seeds"]) == ("FCN-16s", "2")
    assert re.fullmatch(r"\d+\.\d\d ± \d+\.\d\d \[\d+\.\d\d, \d+\.\d\d\]", row["mean IU"])
    frame = render.table("sample", [tmp_path])
    assert set(frame["verdict"]) == {"no claim", "unmeasured"}
    assert frame["claim_value"].isna().all()
    assert (render.table("voc2011", [tmp_path])["seeds"] == 0).all()


def test_sample_seeds_over_other_images_are_left_out(tmp_path):
    put(tmp_path, seed=1, when="01", found=confusions(ids=[f"other_{name}" for name in VALID]), **SAMPLE)
    put(tmp_path, seed=2, when="02", **SAMPLE)
    assert render.table("sample", [tmp_path])["seeds"].max() == 1
    assert "another list of images than the newest" in render.render("sample", [tmp_path])


def test_one_experiment_answers_a_claim(tmp_path):
    put(tmp_path, seed=1)
    put(tmp_path, seed=2, experiment="voc2011/other")
    with pytest.raises(UserError, match="voc2011/other"):
        render.render("voc2011", [tmp_path])


def test_an_unknown_table_is_refused():
    with pytest.raises(UserError, match="voc2011, sample"):
        render.table("voc2012")


# bytes


def test_the_same_bytes_in_another_locale_and_folder_order(tmp_path):
    for seed in (1, 2, 3):
        put(tmp_path / "a", seed=seed)
    for number, path in enumerate(sorted((tmp_path / "a").glob("*.json"), reverse=True)):
        target = tmp_path / "b" / f"machine{9 - number}"
        target.mkdir(parents=True)
        for name in (path.name, path.stem + ".semantic.npz"):
            shutil.copy(tmp_path / "a" / name, target / name)
    code = (
        "import sys; from dataclasses import replace; from repro.report import layouts, render;"
        "rule = layouts.SELECTIONS['full_split'];"
        f"layouts.SELECTIONS['full_split'] = replace(rule, images=40, ids_sha256='{ids_sha256(VALID)}');"
        "render.render_all(sys.argv[1], records_folders=sys.argv[2:])"
    )
    machines = [f"b/machine{n}" for n in (9, 8, 7)]
    outputs = []
    for run, (folders, locale) in enumerate(((["a"], "C"), (["b"], "C.UTF-8"), (machines, "POSIX"))):
        environment = {**os.environ, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONHASHSEED": str(run)}
        out = tmp_path / f"out{run}"
        command = [sys.executable, "-c", code, str(out), *(str(tmp_path / folder) for folder in folders)]
        subprocess.run(command, check=True, env=environment)
        outputs.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert outputs[0] == outputs[1] == outputs[2]
    assert "± ".encode() in outputs[0]["voc2011.md"]


def test_check_passes_on_what_was_rendered_and_writes_nothing(tmp_path):
    paths = render.render_all(tmp_path, records_folders=[])
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    assert set(before) == set(paths)
    render.render_all(tmp_path, check=True, records_folders=[])
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before


def test_a_changed_claim_fails_the_check_with_a_diff(tmp_path):
    render.render_all(tmp_path / "out", records_folders=[])
    shown = {(row.claim, c) for lay in LAYOUTS.values() for b in lay.blocks for row in b.rows if row.claim
             for c in (*b.metrics, *b.printed_only)}  # fmt: skip
    for number, (key, column) in enumerate(sorted(shown)):
        source, table, row = key.split("/")
        printed = raw_claims()[key, column]
        change = {source: (f"{table},{row},{column},{printed},", f"{table},{row},{column},{printed}9,")}
        folder = copy_claims(tmp_path / f"claims{number}", **change)
        with pytest.raises(UserError, match="not up to date") as error:
            render.render_all(tmp_path / "out", check=True, records_folders=[], claims_folder=folder)
        assert re.search(rf"^\+.*\b{re.escape(printed)}9\b", str(error.value), re.MULTILINE)


def test_a_new_record_or_a_missing_file_fails_the_check(tmp_path):
    render.render_all(tmp_path / "out", records_folders=[])
    put(tmp_path / "r")
    with pytest.raises(UserError, match=r"README\.md"):
        render.render_all(tmp_path / "out", check=True, records_folders=[tmp_path / "r"])
    (tmp_path / "out" / "sample.csv").unlink()
    with pytest.raises(UserError, match=r"sample\.csv"):
        render.render_all(tmp_path / "out", check=True, records_folders=[])
    assert not (tmp_path / "out" / "sample.csv").exists()


def test_the_index_counts_measured_cells(tmp_path):
    put(tmp_path / "r")
    render.render_all(tmp_path / "out", records_folders=[tmp_path / "r"])
    text = (tmp_path / "out" / "README.md").read_text()
    assert "4 of 24 cells" in text
    assert "0 of 20 cells" in text
    for layout in LAYOUTS.values():
        assert f"({layout.name}.md)" in text
        assert f"`{layout.command}`" in text


def test_the_report_loads_neither_torch_nor_mmseg(tmp_path):
    put(tmp_path / "r", **SAMPLE)
    code = (
        "import sys, repro.report; assert 'pandas' not in sys.modules;"
        "repro.report.table('sample', [sys.argv[1]]);"
        "import repro.report.figures; from repro.report.render import render_all;"
        "render_all(sys.argv[2], records_folders=[sys.argv[1]]);"
        "print(sorted({'torch', 'mmseg', 'mmengine', 'mmcv', 'matplotlib.pyplot'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "r"), str(tmp_path / "out")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_numbers_to_beat_occur_in_the_claims():
    text = (CLAIMS.parent / "README.md").read_text(encoding="utf-8")
    printed = set(raw_claims().values())
    numbers = re.findall(r"(?<![\w.])\d+\.\d+(?![\w.]*\d)", text)
    assert len(numbers) > 20
    assert set(numbers) <= printed
    for stem in read_sources():
        assert f"`{stem}`" in text


# figures


def test_a_grid_is_the_same_png_each_time(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    palette = [(0, 0, 0), (128, 0, 0), (0, 128, 0)]
    rows = []
    for height, width in ((60, 80), (80, 50)):
        truth = rng.integers(0, 3, (height, width))
        truth[:5] = 255
        rows.append([rng.integers(0, 256, (height, width, 3), np.uint8), truth, truth, truth, truth])
    for name in ("a.png", "b.png"):
        figures.grid(rows, tmp_path / name, palette)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as picture:
        assert not picture.info.keys() & {"Software", "Creation Time"}
        colours = {tuple(colour) for colour in np.asarray(picture.convert("RGB")).reshape(-1, 3).tolist()}
    assert {*palette, figures.VOID_COLOUR} <= colours


def test_colours_and_their_faults(tmp_path):
    palette = [(0, 0, 0), (128, 0, 0)]
    labels = np.array([[0, 1], [255, 0]], np.uint8)
    assert figures.colour(labels, palette).tolist() == [
        [[0, 0, 0], [128, 0, 0]],
        [list(figures.VOID_COLOUR), [0, 0, 0]],
    ]
    with pytest.raises(UserError, match="holds 2"):
        figures.colour(labels + np.uint8(1), palette)
    with pytest.raises(UserError, match="rows of 5"):
        figures.grid([[labels]], tmp_path / "a.png", palette)
    assert not list(Path(tmp_path).iterdir())


@pytest.mark.parametrize(("size", "cells"), [((60, 90), (7, 9)), ((1, 1), (1, 1)), ((3, 900), (1, 30))])
def test_a_heat_map_of_any_shape(tmp_path, size, cells):
    image = np.zeros((*size, 3), np.uint8)
    for name in ("a.png", "b.png"):
        figures.heat(image, np.full(cells, 0.5, np.float32), "cat", tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    figures.grid([[image, image[..., 0]]], tmp_path / "c.png", [(0, 0, 0)], titles=("image", "truth"))
