"""What each table takes: NYUDv2, SIFT Flow's two heads, PASCAL-Context's subsets, CamVid, every table on the sample."""

import re
from dataclasses import replace

import numpy as np
import pytest
from written_records import VALID, confusions, draw, parse, put, raw_claims

from repro import experiments
from repro.data.splits import ids_sha256
from repro.errors import UserError
from repro.metrics import METRICS, ImageConfusions, bootstrap, scores
from repro.records import HEADS
from repro.report import layouts, render
from repro.report.layouts import HEADINGS, LAYOUTS, SELECTIONS, on_sample
from repro.report.layouts.pascal_context import CONTEXT_33

DRAWN = ("voc2011", "nyudv2", "siftflow", "pascal_context")
CARDS = experiments.find()


@pytest.fixture(autouse=True)
def short_splits(monkeypatch):
    """Let 40 drawn ids pass for each split, so that small records can fill a row."""
    for name in ("nyudv2_test", "siftflow_test", "pascal_context_val", "camvid_test"):
        known = ids_sha256(VALID) if SELECTIONS[name].ids_sha256 else None
        monkeypatch.setitem(layouts.SELECTIONS, name, replace(SELECTIONS[name], images=len(VALID), ids_sha256=known))


def measured(folder, experiment, **changes):
    """A record of an experiment's own dataset and split, by the released recipe."""
    group = experiment.split("/")[0]
    split = "val" if group == "pascal_context" else "test"
    known = {"experiment": experiment, "recipe": "release", "claims": [], "dataset": group, "split": split}
    return put(folder, **{**known, **changes})


def percent(matrix, number="mean_iu", **options):
    return 100 * getattr(scores(matrix, **options), number)


# every layout


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_rows_name_experiments_of_their_recipe_and_claims(layout):
    assert len({block.title for block in layout.blocks}) == len(layout.blocks)
    for block in layout.blocks:
        assert len({row.key for row in block.rows}) == len(block.rows)
        assert {*block.metrics, *block.printed_only} <= set(HEADINGS)
        for row in block.rows:
            if block.shape == "printed":
                assert row.experiment is None and row.claim
                continue
            assert set(row.metrics) <= set(block.metrics)
            assert CARDS[row.experiment].recipe == block.recipe
            assert row.claim is None or row.claim in CARDS[row.experiment].claims
            assert SELECTIONS[block.selection].dataset == layout.name


def test_every_experiment_of_a_dataset_has_a_row():
    rows = {row.experiment for layout in LAYOUTS.values() for block in layout.blocks for row in block.rows}
    groups = ("nyudv2/", "siftflow/", "pascal_context/", "camvid/")
    assert {name for name in CARDS if name.startswith(groups)} <= rows


# NYUDv2: what the paper prints, and what was trained by another recipe


def test_the_released_recipe_fills_the_measured_table_and_no_printed_cell(tmp_path):
    found = confusions(3)
    put_in = measured(tmp_path, "nyudv2/fcn32s_hha", found=found, frame="425x560")
    table = render.table("nyudv2", [tmp_path])
    filled = table[table["seeds"] > 0]
    assert set(filled["net"]) == {"FCN-32s HHA"} and list(filled["metric"]) == list(METRICS)
    assert filled["ours"].tolist() == [percent(found.total(), metric) for metric in METRICS]
    assert set(filled["verdict"]) == {"no claim"} and filled["difference"].isna().all()
    printed = table[table["claim"] != ""]
    assert set(printed["verdict"]) == {"printed only"} and printed["ours"].isna().all()
    assert len(printed) == sum(key.startswith("cvpr2015/table4/") for key, _ in raw_claims())
    text = render.render("nyudv2", [tmp_path])
    assert f"- `{put_in.id}`: commit 0123456789, A processor, 40 images of 425x560" in text
    gupta = parse(text)["CVPR 2015, Table 4: 40 classes, as printed"][0]
    assert gupta == {
        "net": "Gupta et al.",
        "pixel acc.": "60.3",
        "mean acc.": "—",
        "mean IU": "28.6",
        "f.w. IU": "47.0",
    }


def test_seeds_of_another_frame_are_never_averaged(tmp_path):
    old = measured(tmp_path, "nyudv2/fcn32s_rgb", seed=1, frame="480x640", when="01")
    new = measured(tmp_path, "nyudv2/fcn32s_rgb", seed=2, frame="425x560", when="02")
    assert render.table("nyudv2", [tmp_path])["records"].max() == new.id
    assert f"- `{old.id}`: another frame than the newest record's" in render.render("nyudv2", [tmp_path])


def test_seeds_of_another_config_are_never_averaged(tmp_path):
    old = measured(tmp_path, "nyudv2/fcn32s_rgb", seed=1, config_sha256="1" * 64, when="01")
    new = measured(tmp_path, "nyudv2/fcn32s_rgb", seed=2, config_sha256="2" * 64, when="02")
    assert render.table("nyudv2", [tmp_path])["records"].max() == new.id
    assert f"- `{old.id}`: another config than the newest record's" in render.render("nyudv2", [tmp_path])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"recipe": "cvpr2015"}, "recipe cvpr2015"),
        ({"recipe": "changed"}, "recipe changed"),
        ({"dataset": "sample_nyudv2"}, "dataset sample_nyudv2"),
        ({"split": "val"}, "split val"),
        ({"dirty": True}, "scored from a dirty tree"),
        ({"found": confusions(ids=[*VALID[1:], "x"])}, "another list of images"),
        ({"found": {"geometric": confusions(classes=3)}}, "no semantic labels scored"),
    ],
)
def test_these_records_are_left_out_of_a_measured_table(tmp_path, changes, reason):
    refused = measured(tmp_path, "nyudv2/fcn32s_rgb", **changes)
    assert (render.table("nyudv2", [tmp_path])["seeds"] == 0).all()
    assert f"- `{refused.id}`: {reason}" in render.render("nyudv2", [tmp_path])


# SIFT Flow: two heads, two rules


def two_heads(seed):
    """Class 3 is predicted and never there: the two rules differ."""
    found = confusions(seed)
    matrices = found.by_image().toarray().reshape(-1, 4, 4)
    matrices[:, 3] = 0
    semantic = ImageConfusions.from_matrices(zip(found.ids, matrices, strict=True), 4)
    return {"semantic": semantic, "geometric": confusions(seed + 100, classes=3)}


def test_siftflow_by_both_rules_and_both_heads(tmp_path):
    found = two_heads(1)
    measured(tmp_path, "siftflow/fcn16s_vgg16", found=found)
    table = render.table("siftflow", [tmp_path]).set_index(["block", "net", "metric"])["ours"]
    present, union, both = [title for title in table.index.unique("block") if title.startswith("Measured")]
    semantic, geometric = found["semantic"].total(), found["geometric"].total()
    for metric in METRICS:
        expected = percent(semantic, metric, absent="present")
        assert table[present, "FCN-16s", metric] == table[both, "FCN-16s, both heads", metric] == expected
        if metric != "mean_iu":  # the union's block shows the one number that depends on the rule
            assert percent(semantic, metric, absent="union") == expected
    assert table[union, "FCN-16s", "mean_iu"] == pytest.approx(table[present, "FCN-16s", "mean_iu"] * 3 / 4)
    low = render.table("siftflow", [tmp_path]).set_index(["block", "net", "metric"])["low"]
    assert low[present, "FCN-16s", "mean_iu"] == 100 * bootstrap(found["semantic"]).low.mean_iu
    assert low[union, "FCN-16s", "mean_iu"] == 100 * bootstrap(found["semantic"], absent="union").low.mean_iu
    assert table[present, "FCN-16s", "geom_acc"] == 100 * np.trace(geometric) / geometric.sum()
    assert table[both, "FCN-16s, both heads", "geom_acc"] == table[present, "FCN-16s", "geom_acc"]


def test_a_net_of_one_task_fills_its_own_cells(tmp_path):
    found = two_heads(2)
    for head in HEADS:
        measured(tmp_path, f"siftflow/fcn16s_{head}_vgg16", found={head: found[head]})
    rows = parse(render.render("siftflow", [tmp_path]))["Measured: one net for both tasks, or a net for each"]
    semantic, geometric = (next(row for row in rows if row["net"] == f"FCN-16s, {head} alone") for head in HEADS)
    value = re.compile(r"\d+\.\d\d \[\d+\.\d\d, \d+\.\d\d\]")
    numbers = [HEADINGS[metric] for metric in METRICS]
    assert all(value.fullmatch(semantic[number]) and geometric[number] == "" for number in numbers)
    assert semantic[HEADINGS["geom_acc"]] == "" and value.fullmatch(geometric[HEADINGS["geom_acc"]])
    table = render.table("siftflow", [tmp_path])
    assert (table["seeds"] > 0).sum() == 4 + 1


def test_a_two_headed_net_scored_on_one_task_is_left_out(tmp_path):
    half = measured(tmp_path, "siftflow/fcn16s_vgg16", found=two_heads(1)["semantic"])
    text = render.render("siftflow", [tmp_path])
    assert text.count(f"- `{half.id}`: no geometric labels scored") == 2  # the union's block shows semantic IU alone
    table = render.table("siftflow", [tmp_path])
    assert set(table[table["seeds"] > 0]["block"]) == {"Measured: mean IU by the released scorer's rule"}


# PASCAL-Context: 59 of 60 classes, and 33

OTHERS = [f"other {n}" for n in range(26)]
NAMES = np.random.default_rng(0).permutation(["background", *CONTEXT_33, *OTHERS]).tolist()
KEPT = {
    "Measured: 59 classes": [n for n, name in enumerate(NAMES) if name != "background"],
    "Measured: 33 classes": [n for n, name in enumerate(NAMES) if name in CONTEXT_33],
}


def by_formula(matrix, kept):
    """The four numbers over the classes `kept`, from the rows of the matrix that are theirs."""
    rows = matrix[kept].astype(float)
    hit, truth = matrix.diagonal()[kept], rows.sum(1)
    iu = hit / (truth + rows.sum(0)[kept] - hit)
    return [100 * n for n in (hit.sum() / truth.sum(), (hit / truth).mean(), iu.mean(), truth @ iu / truth.sum())]


@pytest.mark.parametrize("block", KEPT)
def test_context_scores_a_subset_and_counts_the_rest_as_errors(tmp_path, block):
    found, kept = confusions(1, classes=60), KEPT[block]
    measured(tmp_path, "pascal_context/fcn8s_vgg16", found=found, classes={"semantic": NAMES})
    table = render.table("pascal_context", [tmp_path])
    filled = table[(table["seeds"] > 0) & (table["block"] == block)].set_index("metric")
    assert filled.loc[list(METRICS), "ours"].tolist() == pytest.approx(by_formula(found.total(), kept))
    estimate = bootstrap(found, classes=kept)
    assert filled.loc["mean_iu", "low"] == 100 * estimate.low.mean_iu
    assert filled.loc["mean_iu", "high"] == 100 * estimate.high.mean_iu


def test_the_subsets_are_of_the_datasets_classes():
    from repro.data.pascal_context import CLASSES

    assert CLASSES[0] == "background" and len(CLASSES) == 60
    assert len(CONTEXT_33) == 33 and set(CONTEXT_33) < set(CLASSES)
    # Mottaghi et al. leave these out of the 33 (their Table 1)
    assert set(CLASSES[1:]) - set(CONTEXT_33) == {
        *("bag", "bed", "bedcloth", "bench", "book", "cabinet", "clothes", "computer", "cup", "curtain", "door"),
        *("fence", "flower", "food", "light", "mouse", "plate", "platform", "rock", "shelves", "sidewalk", "sign"),
        *("snow", "truck", "window", "wood"),
    }


@pytest.mark.parametrize("absent", ["background", "keyboard"])
def test_a_record_that_lacks_a_class_is_left_out(tmp_path, absent):
    classes = {"semantic": [name if name != absent else "unknown" for name in NAMES]}
    refused = measured(tmp_path, "pascal_context/fcn8s_vgg16", found=confusions(classes=60), classes=classes)
    assert f"- `{refused.id}`: no class {absent}" in render.render("pascal_context", [tmp_path])


def test_a_record_of_other_classes_alone_is_left_out(tmp_path):
    matrix = np.diag([int(name == "background") for name in NAMES])
    found = ImageConfusions.from_matrices([(name, matrix) for name in VALID], 60)
    refused = measured(tmp_path, "pascal_context/fcn8s_vgg16", found=found, classes={"semantic": NAMES})
    text = render.render("pascal_context", [tmp_path])
    assert text.count(f"- `{refused.id}`: no pixel of these classes") == 2


# CamVid: what SegNet's authors trained, and what is trained here


def test_what_is_trained_on_camvid_stands_below_what_segnet_prints(tmp_path):
    measured(tmp_path, "camvid/fcn16s_vgg16")
    table = render.table("camvid", [tmp_path])
    filled = table[table["seeds"] > 0]
    assert set(filled["net"]) == {"FCN-16s"} and list(filled["metric"]) == list(METRICS)
    assert set(filled["verdict"]) == {"no claim"} and (filled["claim"] == "").all()
    as_printed, ours = parse(render.render("camvid", [tmp_path])).values()
    assert as_printed[2] == {
        "net": "FCN, best (200k)",
        "pixel acc.": "83.27",
        "mean acc.": "59.56",
        "mean IU": "49.83",
    }
    assert [row["seeds"] for row in ours] == ["—", "1", "—"]


# drawn images


@pytest.mark.parametrize("group", DRAWN)
def test_on_the_sample_every_measured_row_is_filled(tmp_path, group):
    draw(tmp_path, LAYOUTS[group], NAMES if group == "pascal_context" else "abcd")
    text = render.render(f"sample_{group}", [tmp_path])
    assert "No records yet" not in text and "Left out" not in text and "—" not in text
    assert f"repro reproduce {group} --sample" in text and "no claim of any paper" in text
    parsed = parse(text)
    assert {title: [row["net"] for row in rows] for title, rows in parsed.items()} == {
        block.title: [row.label for row in block.rows] for block in on_sample(LAYOUTS[group]).blocks
    }
    own = {
        (f"sample/{row.experiment}", metric)
        for block in LAYOUTS[group].blocks
        for row in block.rows
        for metric in block.columns(row)
        if (row.experiment or "").startswith(f"{group}/")
    }
    table = render.table(f"sample_{group}", [tmp_path])
    assert (table["seeds"] == 1).all() and set(table["verdict"]) == {"no claim"}
    assert (table["claim"] == "").all() and table["ours"].notna().all()
    assert set(zip(table["key"], table["metric"], strict=True)) == own
    for block in on_sample(LAYOUTS[group]).blocks:
        assert not block.printed_only and all(row.experiment in set(table["key"]) for row in block.rows)


def test_drawn_tables_speak_of_no_table_of_the_paper_and_say_no_number_twice():
    made = on_sample(LAYOUTS["voc2011"])
    assert not any(re.search("CVPR|Section|Re-impl|released nets on", block.title) for block in made.blocks)
    shown = [(row.experiment, metric) for block in made.blocks for row in block.rows for metric in block.columns(row)]
    assert len(shown) == len(set(shown))


@pytest.mark.parametrize("group", DRAWN)
def test_drawn_records_fill_no_row_of_the_paper(tmp_path, group):
    draw(tmp_path, LAYOUTS[group], NAMES if group == "pascal_context" else "abcd")
    assert (render.table(group, [tmp_path])["seeds"] == 0).all()
    missing = render.table(f"sample_{group}", [])
    assert len(missing) and (missing["seeds"] == 0).all() and (missing["claim"] == "").all()


@pytest.mark.parametrize("name", ["sample", "camvid"])
def test_what_is_drawn_already_and_what_nothing_is_drawn_like_have_no_sample(name):
    with pytest.raises(UserError, match=f"the table {name} has no other one on drawn images"):
        on_sample(LAYOUTS[name])
    with pytest.raises(UserError, match=f"no table named 'sample_{name}'"):
        render.render(f"sample_{name}", [])
