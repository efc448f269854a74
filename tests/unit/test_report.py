"""Tables are a pure function of claims and records: nothing lost, nothing mixed, the same to the byte."""

import csv
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from written_records import VALID, confusions, copy_claims, parse, put, raw_claims

from repro.data.splits import ids_sha256
from repro.errors import UserError
from repro.metrics import METRICS, bootstrap, scores
from repro.report import layouts, render
from repro.report.layouts import HEADINGS, LAYOUTS, SELECTIONS

SAMPLE = {"experiment": "sample/fcn16s_vgg16", "recipe": "sample", "claims": [], "dataset": "sample"}


@pytest.fixture(autouse=True)
def short_split(monkeypatch):
    """Let 40 drawn ids pass for seg11valid, so that small records can fill a cell."""
    rule = replace(SELECTIONS["full_split"], images=len(VALID), ids_sha256=ids_sha256(VALID))
    monkeypatch.setitem(layouts.SELECTIONS, "full_split", rule)
    monkeypatch.setitem(layouts.SELECTIONS, "sample", replace(SELECTIONS["sample"], images=len(VALID)))


def line(markdown, net, metric="mean IU", block="Table 2"):
    rows = next(rows for title, rows in parse(markdown).items() if block in title)
    return next(row for row in rows if row["net"] == net and row["metric"] == metric)


@pytest.mark.parametrize("doctored", [False, True])
def test_every_claim_cell_equals_the_csv(tmp_path, doctored):
    """As it stands, and with every claim changed: so that no cell is a constant of the layout."""
    folder = copy_claims(tmp_path / "claims")
    for path in folder.glob("*.csv") if doctored else ():
        rows = list(csv.reader(path.open(newline="")))
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([rows[0], *([*row[:3], f"{row[3]}7", *row[4:]] for row in rows[1:])])
    raw, seen = raw_claims(folder), []
    for layout in LAYOUTS.values():
        parsed = parse(render.render(layout.name, [], folder))
        orders = ["Statements about order"] if layout.ranks else []
        assert list(parsed) == [*(block.title for block in layout.blocks), *orders]
        for block in layout.blocks:
            rows = parsed[block.title]
            if block.shape != "claims":
                assert [row["net"] for row in rows] == [row.label for row in block.rows]
            if block.shape == "printed":
                for found, row in zip(rows, block.rows, strict=True):
                    assert {found[HEADINGS[c]] for c in block.metrics if (row.claim, c) not in raw} <= {"—"}
                    there = [c for c in block.metrics if (row.claim, c) in raw]
                    assert [found[HEADINGS[c]] for c in there] == [raw[row.claim, c] for c in there]
                    seen += [(row.claim, c) for c in there]
            if block.shape == "claims":
                assert len(rows) == len(block.rows) * len(block.metrics)
                for row in block.rows:
                    for metric in block.metrics:
                        found = next(r for r in rows if r["net"] == row.label and r["metric"] == HEADINGS[metric])
                        for column, cell in [("claim", metric), *((HEADINGS[c], c) for c in block.printed_only)]:
                            assert found[column] == raw[row.claim, cell]
                            seen.append((row.claim, cell))
    # each table of the paper's comparisons is there, whole
    shown = (*(f"cvpr2015/table{n}" for n in range(1, 7)), "segnet2017/camvid", "caffe_release/")
    assert {key for key in raw if key[0].startswith(shown)} <= set(seen)


def test_the_csv_holds_the_same_cells(tmp_path):
    put(tmp_path / "r")
    render.render_all(tmp_path / "out", records_folders=[tmp_path / "r"])
    with (tmp_path / "out" / "voc2011.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    raw, frame = raw_claims(), render.table("voc2011", [tmp_path / "r"])
    claimed = {key for key, _ in raw}
    assert len(rows) == len(frame) > 30
    for row, (_, cell) in zip(rows, frame.iterrows(), strict=True):
        assert row["claim"] == raw.get((row["key"], row["metric"]), "") == cell["claim"]
        assert (row["claim"] == "") == (row["key"] not in claimed)
        assert (row["ours"] != "") == (cell["seeds"] > 0) == (row["key"] == "cvpr2015/table2/FCN-16s")
        assert row["ours"] == "" or float(row["ours"]) == pytest.approx(cell["ours"], rel=1e-7)


def test_without_records_all_is_missing():
    frame = render.table("voc2011", [])
    assert frame["ours"].isna().all()
    assert set(frame["verdict"]) == {"not measured", "printed only"}
    text = render.render("voc2011", [])
    assert line(text, "FCN-16s") == {
        "net": "FCN-16s",
        "metric": "mean IU",
        "claim": "62.4",
        "ours": "—",
        "95% interval": "—",
        "difference": "—",
        "verdict": "not measured",
    }
    layout = LAYOUTS["voc2011"]
    commands = [block.command or layout.command for block in layout.blocks if block.shape != "printed"]
    assert len(set(commands)) > 1
    assert all(text.count(f"No records yet: run `{command}`") == commands.count(command) for command in commands)
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
    assert set(frame["verdict"]) == {"no claim", "not measured"}
    assert frame["claim_value"].isna().all()
    assert (render.table("voc2011", [tmp_path])["seeds"] == 0).all()


def test_sample_seeds_over_other_images_are_left_out(tmp_path):
    put(tmp_path, seed=1, when="01", found=confusions(ids=[f"other_{name}" for name in VALID]), **SAMPLE)
    put(tmp_path, seed=2, when="02", **SAMPLE)
    assert render.table("sample", [tmp_path])["seeds"].max() == 1
    assert "another list of images than the newest" in render.render("sample", [tmp_path])


def test_seeds_over_other_files_of_the_same_ids_are_left_out(tmp_path):
    """As drawings of two seeds are: their ids are numbers."""
    old = put(tmp_path, seed=1, when="01", **SAMPLE)
    new = put(tmp_path, seed=2, when="02", content="1" * 64, **SAMPLE)
    assert render.table("sample", [tmp_path])["records"].max() == new.id
    assert f"- `{old.id}`: another set of files than the newest record's" in render.render("sample", [tmp_path])


def test_only_the_rows_own_experiment_answers_its_claim(tmp_path):
    own = put(tmp_path, seed=1)
    other = put(tmp_path, seed=2, experiment="voc2011/other")
    assert render.table("voc2011", [tmp_path])["records"].max() == own.id
    assert f"- `{other.id}`: experiment voc2011/other" in render.render("voc2011", [tmp_path])


def test_an_unknown_table_is_refused():
    with pytest.raises(UserError, match="voc2011, nyudv2, siftflow, pascal_context, camvid, sample"):
        render.table("voc2012")


def test_check_passes_on_what_was_rendered_and_writes_nothing(tmp_path):
    paths = render.render_all(tmp_path, records_folders=[])
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()}
    assert set(before) == set(paths)
    render.render_all(tmp_path, check=True, records_folders=[])
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in tmp_path.iterdir()} == before


def test_a_changed_claim_fails_the_check_with_a_diff(tmp_path):
    render.render_all(tmp_path / "out", records_folders=[])
    change = ("table2,FCN-16s,mean_iu,62.4,", "table2,FCN-16s,mean_iu,62.49,")
    folder = copy_claims(tmp_path / "claims", cvpr2015=change)
    with pytest.raises(UserError, match="not up to date") as error:
        render.render_all(tmp_path / "out", check=True, records_folders=[], claims_folder=folder)
    for name in ("md", "csv", "tex"):
        assert f"--- out/voc2011.{name}" in str(error.value)
    assert re.search(r"^-.*\b62\.4\b.*\n\+.*\b62\.49\b", str(error.value), re.MULTILINE)


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
    lines = {line.split("](")[0]: line for line in text.splitlines() if "](" in line}
    numbers = {
        (row.experiment, metric, block.selection)
        for block in LAYOUTS["voc2011"].blocks
        for row in block.rows
        for metric in block.columns(row)
        if row.experiment
    }
    claims = {
        (row.claim, metric)
        for block in LAYOUTS["voc2011"].blocks
        for row in block.rows
        for metric in block.columns(row)
        if row.experiment and row.claim
    }
    assert len(numbers) < (render.table("voc2011", [])["verdict"] == "not measured").sum()
    voc, nyud = (re.sub(" +", " ", next(line for name, line in lines.items() if n in name)) for n in ("VOC", "NYU"))
    assert f"| 4 of {len(claims)} | 4 of {len(numbers)} cells |" in voc
    assert "| — | 0 of 20 cells |" in nyud  # no experiment repeats the recipe of Table 4
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
