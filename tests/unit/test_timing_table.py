"""`tables/timing.md`: drawn timings give the numbers that are computed again here, and what must not count does not."""

import statistics
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from written_records import put as put_evaluation

from repro import records
from repro.errors import UserError
from repro.records import Timing
from repro.report.claims import read_claims
from repro.report.document import MISSING
from repro.report.timing import document

CPU, GPU = "A processor, 2 threads", "A GPU"
FCN8S, VGG16, ALEXNET = "voc2011/fcn8s_vgg16", "voc2011/fcn32s_vgg16", "voc2011/fcn32s_alexnet"
PLAIN = {"precision": "fp32", "mode": "eager", "batch": 1, "height": 500, "width": 500}


@pytest.fixture
def drawn():
    """`drawn(10)`: trials of about ten seconds, no two alike."""
    rng = np.random.default_rng(0)
    return lambda seconds, count=20: (seconds * rng.uniform(0.9, 1.1, count)).tolist()


@pytest.fixture
def put(tmp_path):
    """`put(case, subject, seconds, ...)` writes a timing and returns its id."""

    def write(
        case, subject, seconds, work=None, *, device="cpu", name=None, when=1, run=None, outcome="measured", **more
    ):
        commit = more.pop("commit", "0123456789abcdef")
        provenance = {
            **dict.fromkeys(records.PROVENANCE),
            "commit": commit,
            "dirty": more.pop("dirty", False),
            "device": name or {"cpu": "A processor", "cuda": "A GPU"}[device],
            "threads": more.pop("threads", 2),
            "time": f"2026-01-{when:02}T00:00:00+00:00",
            "run": run or commit[:8],
            **({"sizes": more.pop("sizes")} if "sizes" in more else {}),
        }
        settings = {"device": device, **more}
        timing = Timing(case, subject, settings, seconds, work or {}, provenance, outcome)
        return records.write_plain(timing, tmp_path).stem

    return write


@pytest.fixture
def page(tmp_path):
    """The document of what was written."""
    return lambda: document(read_claims(), records.read_all_kinds(tmp_path))


def numbers(made, section, row, device=CPU, settings=None):
    """What the frame holds of one line: quantity -> number, or verdict."""
    frame = made.frame
    line = frame[(frame["section"] == section) & (frame["row"] == row) & (frame["device"] == device)]
    line = line if settings is None else line[line["settings"] == settings]
    assert line["quantity"].is_unique, "several lines"
    return {q: v if v else n for q, n, v in line[["quantity", "ours", "verdict"]].itertuples(index=False)}


def used(made):
    """Ids of all records in the cells, and in the frame."""
    cells = {name for s in made.sections for row in s.rows for cell in row for name in cell.records}
    assert cells == set(" ".join(made.frame["records"]).split())
    return cells


def section(made, title):
    return next(s for s in made.sections if s.title.startswith(title))


def test_without_records_every_claim_stands_and_nothing_is_measured(page):
    made, claims = page(), read_claims()
    timed = {"forward_time", "inference_time", "training_time"}
    wanted = {place for place in claims if "/section3_1/" in place[0] or place[1] in timed}
    wanted |= {place for place in claims if "/inference time reduced" in place[0]}
    assert len(wanted) == 3 + 7 + 3 + 2 + 2
    shown = [(cell.claim, cell.text) for s in made.sections for row in s.rows for cell in row if cell.claim]
    assert sorted(shown) == sorted((claims[place].key, claims[place].printed) for place in wanted)
    framed = made.frame[made.frame["claim"] != ""]
    assert sorted(zip(framed["key"], framed["claim"], framed["claim_value"], strict=True)) == sorted(
        (claims[place].key, claims[place].printed, claims[place].value) for place in wanted
    )
    assert made.frame["ours"].isna().all() and set(made.frame["verdict"]) == {"", "not measured"}
    assert (made.measured, made.cells > 100, used(made)) == (0, True, set())
    for s in made.sections:
        assert all(len(row) == len(s.columns) for row in s.rows)
        headings = [column.heading for column in s.columns]
        if "device" in headings:
            after = headings.index("device")
            assert {cell.text for row in s.rows for cell in row[after:]} <= {MISSING, "not measured"}
            assert s.notes[-1].startswith("No records yet: run `tox -e ")
    assert "Left out" not in [s.title for s in made.sections]


def test_forward_times(page, put, drawn):
    trials = drawn(0.2)
    work = {"flop": 3e11, "peak_flop_per_second": 2e12, "peak_memory_bytes": 3 * 2**30}
    name = put("forward", VGG16, {"forward": trials}, work, **PLAIN)
    made = page()
    found = numbers(made, "forward", "FCN-VGG16")
    assert found["mean ± sd (ms)"] == pytest.approx(1000 * statistics.fmean(trials))
    assert found["median (ms)"] == pytest.approx(1000 * statistics.median(trials))
    assert found["p90 (ms)"] == pytest.approx(1000 * np.percentile(trials, 90))
    assert found["p99 (ms)"] == pytest.approx(1000 * np.percentile(trials, 99))
    assert found["images/s"] == pytest.approx(1 / statistics.median(trials))
    assert found["peak memory (GiB)"] == 3
    assert found["FLOP/s of peak (%)"] == pytest.approx(100 * 3e11 / statistics.median(trials) / 2e12)
    assert made.frame["sd"].dropna().tolist() == [pytest.approx(1000 * statistics.stdev(trials))]
    row = next(row for row in section(made, "Table 1: forward").rows if row[0].text == "FCN-VGG16")
    assert row[1].text == "210 ms" and row[1].claim == "cvpr2015/table1/FCN-VGG16" and not row[1].records
    assert row[2].text == CPU and row[3].records == (name,) and row[3].claim == ""
    mean, spread = row[3].text.split(" ± ")
    assert float(mean) == pytest.approx(1000 * statistics.fmean(trials), rel=5e-3) and len(mean) == 3
    assert float(spread) == pytest.approx(1000 * statistics.stdev(trials), rel=5e-2)
    assert any(
        f"`{name}` (20 trials)" in note and "commit 0123456789" in note for note in section(made, "Table 1").notes
    )


def test_a_time_never_stands_in_a_printed_column_and_devices_never_share_a_line(page, put, drawn):
    names = {
        put("forward", VGG16, {"forward": drawn(0.2)}, **PLAIN): CPU,
        put("forward", VGG16, {"forward": drawn(0.1)}, **PLAIN, threads=16): "A processor, 16 threads",
        put("forward", VGG16, {"forward": drawn(0.01)}, **PLAIN, device="cuda"): GPU,
    }
    made = page()
    assert used(made) == set(names)
    for s in made.sections:
        headings = [column.heading for column in s.columns]
        place = headings.index("device") if "device" in headings else len(headings)
        for row in s.rows:
            assert not any(cell.records for cell in row[:place]) and not any(cell.claim for cell in row[place:])
            assert {names[name] for cell in row for name in cell.records} <= {
                row[place].text if place < len(row) else ""
            }
    printed = made.frame[(made.frame["claim"] != "")]
    assert set(printed["device"]) == {""} and not printed.duplicated(["section", "row", "quantity"]).any()
    assert (made.frame["ours"].notna() & made.frame["claim_value"].notna()).sum() == 0


@pytest.mark.parametrize(
    "change",
    [
        {"dirty": True},
        {"dirty": None},
        {"precision": "tf32"},
        {"mode": "compile"},
        {"batch": 8},
        {"height": 375},
        {"channels": 4},
    ],
    ids=str,
)
def test_what_is_dirty_or_of_other_settings_never_fills_table_1(page, put, drawn, change):
    name = put("forward", VGG16, {"forward": drawn(0.2)}, **{**PLAIN, **change})
    made = page()
    table = made.frame[made.frame["section"].isin(["forward", "order"])]
    assert table["ours"].isna().all() and not table["records"].any()
    if "dirty" in change:
        assert not used(made) and made.measured == 0
        reason = "from a dirty tree" if change["dirty"] else "from an unknown commit"
        assert section(made, "Left out").notes == (f"- {reason}: `{name}`",)


def test_the_newest_of_equal_settings_counts_and_the_older_is_named(page, put, drawn):
    new = put("forward", VGG16, {"forward": (trials := drawn(0.3))}, **PLAIN, when=2)
    old = put("forward", VGG16, {"forward": drawn(0.2)}, **PLAIN, when=1)
    dirty = put("forward", VGG16, {"forward": drawn(0.1)}, **PLAIN, when=3, dirty=True)
    stray = put("forward", VGG16, {"forward": drawn(0.1)}, **{**PLAIN, "height": 100})
    made = page()
    assert numbers(made, "forward", "FCN-VGG16")["median (ms)"] == pytest.approx(1000 * statistics.median(trials))
    assert used(made) == {new}
    assert section(made, "Left out").notes[0].splitlines() == [
        f"- a newer record has its settings: `{old}`",
        f"- from a dirty tree: `{dirty}`",
        f"- no row has its case and settings: `{stray}`",
    ]


def test_order_and_ratio_are_of_one_run(page, put, drawn):
    def both(slow, fast, **more):
        put("forward", VGG16, {"forward": slow}, **PLAIN, **more)
        put("forward", ALEXNET, {"forward": fast}, **PLAIN, **more)
        return statistics.fmean(slow) / statistics.fmean(fast)

    both(drawn(0.3), drawn(0.1), when=1, commit="e" * 16)
    expected = both(drawn(0.2), drawn(0.1), when=2)
    both(drawn(0.4), drawn(0.1), when=1, commit="d" * 16)
    put("forward", ALEXNET, {"forward": drawn(0.05)}, **PLAIN, when=3, commit="f" * 16)  # alone in its run
    backwards = both(drawn(0.1), drawn(0.2), device="cuda", run="a")
    put("forward", ALEXNET, {"forward": drawn(0.01)}, **PLAIN, device="cuda", run="b", when=2)
    made = page()
    found = numbers(made, "order", "FCN-VGG16 / FCN-AlexNet")
    assert found == {"ours": pytest.approx(expected), "verdict": "holds"}
    found = numbers(made, "order", "FCN-VGG16 / FCN-AlexNet", GPU)
    assert found == {"ours": pytest.approx(backwards), "verdict": "does not hold"}
    assert numbers(made, "order", "FCN-VGG16 / FCN-GoogLeNet", "")["verdict"] == "not measured"
    computed = made.frame[made.frame["quantity"] == "from printed times"].set_index("row")["claim_value"]
    assert computed["FCN-VGG16 / FCN-AlexNet"] == pytest.approx(210 / 50)
    assert computed["FCN-VGG16 / FCN-GoogLeNet"] == pytest.approx(210 / 59)
    assert computed["SDS / FCN-8s, overall"] == pytest.approx(50_000 / 175)


def test_an_order_within_the_noise_is_undecided(page, put, drawn):
    trials = drawn(0.2)
    for subject, longer in ((VGG16, 1.01), (ALEXNET, 1)):
        put("forward", subject, {"forward": [longer * t for t in trials]}, **PLAIN)
    assert numbers(page(), "order", "FCN-VGG16 / FCN-AlexNet") == {"ours": pytest.approx(1.01), "verdict": "undecided"}
    for subject, longer in ((VGG16, 1.01), (ALEXNET, 1)):
        put("forward", subject, {"forward": [longer + 1e-3 * t for t in trials]}, **PLAIN, when=2)
    assert numbers(page(), "order", "FCN-VGG16 / FCN-AlexNet")["verdict"] == "holds"


def test_modes_stand_beside_eager_fp32_of_their_own_run(page, put, drawn):
    def one(seconds, when, **settings):
        trials = drawn(seconds)
        put("forward", FCN8S, {"forward": trials}, {"largest_difference": 2e-6}, **{**PLAIN, **settings}, when=when)
        return statistics.median(trials)

    eager, fast = one(0.3, 1, commit="a" * 9), one(0.2, 2, commit="a" * 9, mode="fast")
    batch, bf16 = one(1.9, 3, commit="a" * 9, batch=8), one(0.7, 4, commit="a" * 9, batch=8, precision="bf16")
    later = one(0.1, 5, commit="b" * 9)  # the eager record that Table 1 shows; of another run than the rest
    lone = one(0.5, 6, commit="c" * 9, mode="channels_last")
    made, row = page(), "FCN-8s, VGG16"
    assert numbers(made, "forward", row)["median (ms)"] == pytest.approx(1000 * later)
    found = numbers(made, "modes", row, settings="fast, fp32, batch 1")
    assert found["eager fp32 / this"] == pytest.approx(eager / fast) and found["largest difference"] == 2e-6
    found = numbers(made, "modes", row, settings="eager, bf16, batch 8")
    assert found["eager fp32 / this"] == pytest.approx(batch / bf16) and found["images/s"] == pytest.approx(8 / bf16)
    found = numbers(made, "modes", row, settings="channels_last, fp32, batch 1")
    assert np.isnan(found["eager fp32 / this"]) and found["median (ms)"] == pytest.approx(1000 * lone)
    lines = [r[1].text for r in section(made, "Modes").rows if r[0].text == row]
    modes = ["channels_last, fp32, batch 1", "fast, fp32, batch 1", "eager, bf16, batch 8"]
    assert lines == ["eager, fp32, batch 1", "eager, fp32, batch 8", *modes]


@pytest.mark.parametrize(("alone", "verdict"), [(0.9, "holds"), (0.2, "does not hold")])
def test_dense_against_naive(page, put, drawn, alone, verdict):
    trials = {}
    for subject, batch, seconds in (("crops_alone", 1, alone), ("crops_batched", 50, 2.2), ("dense", 1, 1.0)):
        for direction, slower in (("forward", 1), ("backward", 2)):
            trials[subject, direction] = found = drawn(slower * seconds)
            settings = {**PLAIN, "direction": direction, "batch": batch, "height": 227, "width": 227}
            put("section3_1", subject, {direction: found}, **settings)
    put("section3_1", "crops_batched", {"forward": drawn(9)}, **PLAIN | {"direction": "forward", "batch": 2})  # slower
    put("section3_1", "dense", {"forward": drawn(0.1)}, **PLAIN | {"direction": "forward", "precision": "tf32"})
    made = page()
    for direction in ("forward", "backward"):
        crop = {s: statistics.fmean(trials[s, direction]) for s in ("crops_alone", "crops_batched", "dense")}
        found = numbers(made, "section3_1_speed_up", f"100 crops one by one / the image, {direction}")
        assert found["ours"] == pytest.approx(100 * crop["crops_alone"] / crop["dense"])
        one_by_one = found["verdict"]
        found = numbers(made, "section3_1_speed_up", f"100 crops batched / the image, {direction}")
        ratio = 100 * crop["crops_batched"] / 50 / crop["dense"]
        assert found["ours"] == pytest.approx(ratio) and ratio < 5
        if direction == "forward":
            assert (one_by_one, found["verdict"]) == (verdict, "does not hold")
        else:
            assert np.isnan(one_by_one) and np.isnan(found["verdict"]), "no bound is printed"
    found = numbers(made, "section3_1", "AlexNet, 227x227, batched, forward", settings="eager, fp32, batch 50, 227x227")
    assert found["median (ms)"] == pytest.approx(1000 * statistics.median(trials["crops_batched", "forward"]) / 50)
    computed = made.frame[made.frame["quantity"] == "from printed times"].set_index("row")["claim_value"]
    assert computed["100 crops batched / the image, forward"] == pytest.approx(100 * 1.2 / 22)
    assert computed["100 crops batched / the image, backward"] == pytest.approx(100 * 2.4 / 37)
    assert computed["100 crops one by one / the image, forward"] == pytest.approx(100 * 5.4 / 22)
    assert np.isnan(computed["100 crops one by one / the image, backward"])


@pytest.mark.parametrize(("longer", "verdict"), [(1.03, "holds"), (1.08, "does not hold")])
def test_two_heads_are_as_fast_as_the_slower_task(page, put, drawn, longer, verdict):
    geometric = drawn(1)
    semantic = [1.2 * seconds for seconds in geometric]
    two = [longer * seconds for seconds in semantic]
    put(
        "tasks",
        "siftflow/fcn16s",
        {"two heads": two, "semantic alone": semantic, "geometric alone": geometric},
        **PLAIN,
    )
    found = numbers(page(), "two_heads", "FCN-16s, SIFT Flow")
    assert found["two heads / slower alone"] == pytest.approx(longer) and found["verdict"] == verdict
    assert found["two heads / both alone"] == pytest.approx(longer * 1.2 / 2.2)
    assert found["semantic alone (ms)"] == pytest.approx(1000 * statistics.median(semantic))


def peers(drawn, count=11):
    series = {"torchfcn": 3, "torchfcn, channels_last": 2.5, "ours": 2, "ours, fast": 1.6}
    return {name: drawn(seconds, count) for name, seconds in series.items()}


def test_peers_pair_by_pair(page, put, drawn):
    seconds = peers(drawn)
    work = {"largest_difference": 3e-6, "flop_ours": 3.6e11, "flop_ours_fast": 2.6e11, "flop_peer": 3.7e11}
    put("peers", FCN8S, seconds, work, peer="torchfcn", **PLAIN)
    made = page()
    for peer in ("torchfcn", "torchfcn, channels_last"):
        for ours, flop in (("ours", 360), ("ours, fast", 260)):
            settings = f"{peer} / {ours}; eager, fp32, batch 1, 500x500"
            found = numbers(made, "peers", "FCN-8s, VGG16 and torchfcn", settings=settings)
            pairs = sorted(a / b for a, b in zip(seconds[peer], seconds[ours], strict=True))
            spread = [found[name] for name in ("least", "lower quartile", "median ratio", "upper quartile", "most")]
            assert spread == pytest.approx(np.percentile(pairs, [0, 25, 50, 75, 100]).tolist())
            assert found["median ratio"] != pytest.approx(np.median(seconds[peer]) / np.median(seconds[ours]))
            assert (found["pairs"], found["largest difference"]) == (11, 3e-6)
            assert (found["ours (GFLOP)"], found["peer (GFLOP)"]) == (pytest.approx(flop), pytest.approx(370))


@pytest.mark.parametrize(
    ("count", "difference", "precision", "verdict"),
    [
        (11, 3e-6, "fp32", "holds"),
        (11, 3e-5, "fp32", "does not hold"),
        (9, 3e-6, "fp32", "not measured"),
        (11, 3e-6, "bf16", "not measured"),
    ],
)
def test_aims_ask_for_equal_scores_and_ten_pairs(page, put, drawn, count, difference, precision, verdict):
    seconds = peers(drawn, count)
    put(
        "peers", FCN8S, seconds, {"largest_difference": difference}, peer="torchfcn", **PLAIN | {"precision": precision}
    )
    made, row = page(), "CPU, fp32: at least 1.5x torchfcn as it comes"
    found = numbers(made, "aims", row, CPU if verdict != "not measured" else "")
    assert found["verdict"] == verdict
    if verdict != "not measured":
        pairs = [a / b for a, b in zip(seconds["torchfcn"], seconds["ours, fast"], strict=True)]
        assert found["ours"] == pytest.approx(statistics.median(pairs))
    unmeasured = made.frame[(made.frame["section"] == "aims") & (made.frame["verdict"] == "not measured")]
    assert unmeasured["row"].str.startswith("CUDA").sum() == 3
    (note,) = (
        note for note in section(made, "What this suite").notes if note.startswith("No record is of a CUDA device")
    )
    assert all(f"at least {factor}x torchfcn in fp32, TF32 off" in note for factor in ("1.4", "2"))
    assert "at least 6x torchfcn in fp32, TF32 in convolutions, as torch runs it" in note


@pytest.mark.parametrize(("difference", "verdict"), [(9e-5, "holds"), (2e-4, "does not hold")])
def test_with_a_gpu_the_line_about_none_is_gone(page, put, drawn, difference, verdict):
    seconds = peers(drawn) | {"ours, cuda_graph": drawn(1, 11)}
    put("peers", FCN8S, seconds, {"largest_difference": difference}, peer="torchfcn", device="cuda", **PLAIN)
    made = page()
    assert not any("No record is of a CUDA device" in note for note in section(made, "What this suite").notes)
    for aim, ours in ((" (IEEE): at least 1.4x", "ours, fast"), (", the best mode: at least 2x", "ours, cuda_graph")):
        found = numbers(made, "aims", f"CUDA, fp32{aim} torchfcn in fp32, TF32 off", GPU)
        pairs = [a / b for a, b in zip(seconds["torchfcn"], seconds[ours], strict=True)]
        assert found["ours"] == pytest.approx(statistics.median(pairs)) and found["verdict"] == verdict
    assert numbers(made, "aims", "CPU, fp32: at least 1.5x torchfcn as it comes", "")["verdict"] == "not measured"


def test_a_ratio_below_an_aim_never_prints_as_if_it_reached_it(page, put):
    seconds = {"torchfcn": [1.4964] * 10, "torchfcn, channels_last": [1.0] * 10, "ours": [1.0] * 10}
    put("peers", FCN8S, seconds, {"largest_difference": 0.0}, peer="torchfcn", **PLAIN)
    rows = {row[0].text: [cell.text for cell in row] for row in section(page(), "What this suite").rows}
    cells = next(cells for name, cells in rows.items() if "1.5x torchfcn as it comes" in name)
    assert "1.496" in cells and "1.50" not in cells and "does not hold" in cells


SERIES = ("torchfcn", "ours", "ours, fast, first", "ours, fast, again")
SIZES = [[375, 500, 5], [500, 375, 3], [333, 500, 1]]


def over_sizes(drawn):
    return {name: drawn(seconds, 3) for name, seconds in zip(SERIES, (3, 2, 2.5, 1.5), strict=True)}


def test_over_real_sizes_the_cold_cache_counts(page, put, drawn):
    seconds = over_sizes(drawn)
    put("sizes", FCN8S, seconds, {"images": 9}, peer="torchfcn", sizes=SIZES, precision="fp32", mode="eager", batch=1)
    theirs = ours = plain = 0.0
    for size, (_, _, count) in enumerate(SIZES):
        for image in range(count):
            theirs += seconds["torchfcn"][size]
            plain += seconds["ours"][size]
            ours += seconds["ours, fast, again" if image else "ours, fast, first"][size]
    found = numbers(page(), "sizes", "FCN-8s, VGG16 and torchfcn")
    assert found["all images, fast"] == pytest.approx(theirs / ours)
    assert found["all images, plain"] == pytest.approx(theirs / plain)
    assert found["each size once, fast"] == pytest.approx(sum(seconds["torchfcn"]) / sum(seconds["ours, fast, first"]))
    assert (found["sizes"], found["images"]) == (3, 9)


def test_a_size_of_many_images_counts_by_its_medians(page, put):
    seconds = {
        "torchfcn": [3.0, 2.0, 9.0, 1.0],
        "ours": [1.0, 5.0, 2.0, 1.0],
        "ours, fast, first": [2.0, 1.0, 1.0, 1.25],
        "ours, fast, again": [1.0, 1.5, 9.0, 0.5],
    }
    sizes = [[375, 500, 7]] * 3 + [[333, 500, 1]]
    put("sizes", FCN8S, seconds, peer="torchfcn", sizes=sizes, precision="fp32", mode="eager", batch=1)
    found = numbers(page(), "sizes", "FCN-8s, VGG16 and torchfcn")
    assert (found["sizes"], found["images"]) == (2, 8)
    assert found["all images, fast"] == pytest.approx((7 * 3 + 1) / (2 + 6 * 1.5 + 1.25))
    assert found["all images, plain"] == pytest.approx((7 * 3 + 1) / (7 * 2 + 1))
    assert found["each size once, fast"] == pytest.approx((3 + 1) / (2 + 1.25))
    assert found["least"] == pytest.approx(1 / 1.25) and found["verdict"] == "does not hold"


@pytest.mark.parametrize("size", [165, 166])
def test_the_aim_over_real_sizes_takes_all_of_them(page, put, drawn, size):
    seconds = {name: drawn(t, size) for name, t in zip(SERIES, (3, 2, 2.5, 1.5), strict=True)}
    sizes = [[500, width, 2] for width in range(300, 300 + size)]
    put("sizes", FCN8S, seconds, peer="torchfcn", sizes=sizes, precision="fp32", mode="eager", batch=1)
    aim = "CPU, fp32, over the 166 sizes of seg11valid: at least 1.15x torchfcn as it comes"
    if size < 166:
        assert numbers(page(), "aims", aim, "") == {
            "ours": pytest.approx(np.nan, nan_ok=True),
            "largest difference": pytest.approx(np.nan, nan_ok=True),
            "verdict": "not measured",
        }
    else:
        ratio = 2 * sum(seconds[SERIES[0]]) / (sum(seconds[SERIES[2]]) + sum(seconds[SERIES[3]]))
        found = numbers(page(), "aims", aim)
        assert found["ours"] == pytest.approx(ratio) and found["verdict"] == "holds"


@pytest.mark.parametrize("sizes", [None, SIZES[:2], [[375, 500], [500, 375], [333, 500]]])
def test_sizes_that_do_not_match_the_trials_are_refused_by_name(page, put, drawn, sizes):
    name = put("sizes", FCN8S, over_sizes(drawn), peer="torchfcn", sizes=sizes)
    with pytest.raises(UserError, match=f"{name}: provenance.sizes"):
        page()


def test_a_record_without_what_its_case_needs_is_refused_by_name(page, put, drawn):
    name = put("tasks", "siftflow/fcn16s", {"two heads": drawn(1)}, **PLAIN)
    with pytest.raises(UserError, match=f"{name}: a record of the case tasks needs 'semantic alone'"):
        page()


def test_floor_is_the_longer_of_flop_and_bytes(page, put, drawn):
    trials = {VGG16: drawn(0.4), ALEXNET: drawn(0.4)}
    peaks = {"peak_flop_per_second": 1e12, "peak_bytes_per_second": 1e10}
    for subject, work in ((VGG16, {"flop": 2e11, "bytes": 1e9}), (ALEXNET, {"flop": 1e10, "bytes": 3e9})):
        put("forward", subject, {"forward": trials[subject]}, work | peaks, **PLAIN)
    made = page()
    for row, subject, floor in (("FCN-VGG16", VGG16, 200), ("FCN-AlexNet", ALEXNET, 300)):
        found = numbers(made, "floor", row)
        assert found["floor (ms)"] == pytest.approx(floor)
        assert found["floor / median (%)"] == pytest.approx(floor / 10 / statistics.median(trials[subject]))
    product = drawn(0.1)
    put("floor", "matrix_product", {"product": product}, {"flop": 5e10}, precision="fp32", height=2048, width=2048)
    found = numbers(page(), "peaks", "matrix product")
    assert found["GFLOP/s"] == pytest.approx(50 / min(product)) and np.isnan(found["GB/s"])


def cost(put, put_seconds, side, batch=1, memory=1.0, **more):
    pixels = side * side * batch
    work = {"held_memory_bytes": 5e8, "peak_memory_bytes": 5e8 + memory * pixels}
    settings = {**PLAIN, "batch": batch, "height": side, "width": side, **more}
    return put("cost", FCN8S, {"forward": [put_seconds * pixels] * 3}, work, **settings)


@pytest.mark.parametrize(
    ("nanoseconds", "memory", "verdict"),
    [
        ((9, 8, 7), (3, 2, 2), "holds"),
        ((9, 8, 8.5), (3, 2, 2), "holds"),
        ((9, 8, 9), (3, 2, 2), "does not hold"),
        ((8, 8.5, 9), (3, 2, 2), "does not hold"),  # a little at every step
        ((9, 8, 7), (2, 2, 3), "does not hold"),
    ],
)
def test_nothing_grows_faster_than_the_pixels(page, put, nanoseconds, memory, verdict):
    for side, time, space in zip((250, 500, 1000), nanoseconds, memory, strict=True):
        cost(put, 1e-9 * time, side, memory=space)
    # neither more nor less than the others: more images, of a smaller side
    cost(put, 1e-9 * 20, 249, batch=8, memory=9)
    made = page()
    found = numbers(made, "growth", "FCN-8s, VGG16", settings="eager, fp32, batch 1")
    assert found["verdict"] == verdict
    later = [b / a for n, a in enumerate(nanoseconds) for b in nanoseconds[n + 1 :]]
    assert found["time a pixel (%)"] == pytest.approx(100 * (max(later) - 1))
    later = [b / a for n, a in enumerate(memory) for b in memory[n + 1 :]]
    assert found["memory a pixel (%)"] == pytest.approx(100 * (max(later) - 1)), "the weights do not count"
    (row,) = section(made, "Nothing grows").rows
    assert row[3].text == "3, 1 of 250x250 to 1 of 1000x1000"
    found = numbers(made, "cost", "FCN-8s, VGG16", settings="eager, fp32, batch 1, 500x500")
    assert found["time a pixel (ns)"] == pytest.approx(nanoseconds[1])


def test_curves_of_two_modes_or_devices_are_not_joined(page, put):
    cost(put, 1e-9, 250, mode="fast")
    cost(put, 9e-9, 500)
    cost(put, 99e-9, 1000, device="cuda")
    assert numbers(page(), "growth", "FCN-8s, VGG16", "")["verdict"] == "not measured"


def test_sizes_and_batches_are_curves_of_their_own(page, put):
    for side, batch, nanoseconds in ((250, 1, 5), (500, 1, 4), (500, 8, 6), (1000, 1, 4)):
        cost(put, 1e-9 * nanoseconds, side, batch)
    made = page()
    assert numbers(made, "growth", "FCN-8s, VGG16", settings="eager, fp32, batch 1")["verdict"] == "holds"
    found = numbers(made, "growth", "FCN-8s, VGG16", settings="eager, fp32, 500x500")
    assert found["verdict"] == "does not hold" and found["time a pixel (%)"] == pytest.approx(50)


def test_out_of_memory_is_said_and_no_ratio_is_taken_of_it(page, put, drawn):
    put("forward", VGG16, {}, outcome="out of memory", **PLAIN)
    put("forward", ALEXNET, {"forward": drawn(1)}, **PLAIN)
    assert numbers(page(), "forward", "FCN-VGG16")["mean ± sd (ms)"] == "out of memory"
    assert numbers(page(), "order", "FCN-VGG16 / FCN-AlexNet", "")["verdict"] == "not measured"
    put("peers", FCN8S, {}, outcome="out of memory", peer="torchfcn", **PLAIN)
    assert numbers(page(), "peers", "FCN-8s, VGG16 and torchfcn")["median ratio"] == "out of memory"
    cost(put, 1e-9, 250)
    name = put("cost", FCN8S, {}, outcome="out of memory", **{**PLAIN, "height": 2000, "width": 2000})
    made = page()
    found = numbers(made, "cost", "FCN-8s, VGG16", settings="eager, fp32, batch 1, 2000x2000")
    assert found["median (ms)"] == "out of memory" and np.isnan(found["time a pixel (ns)"])
    assert name in used(made)


def test_parts_stand_beside_each_other_and_are_not_judged(page, put, drawn):
    trials = {"scorer": drawn(1), "loader": drawn(4), "forward": drawn(2)}
    for part, found in trials.items():
        put("parts", part, {"images": found}, images=40)
    made = page()
    for part, found in trials.items():
        line = numbers(made, "parts", {"forward": "FCN-8s, forward"}.get(part, part), settings="images 40")
        assert line["images/s"] == pytest.approx(40 / statistics.median(found)) and "verdict" not in line


def test_training_time_of_evaluations_that_say_it(page, tmp_path):
    provenance = {"dirty": False, "device": "A GPU", "commit": "0123456789abcdef"}
    training = {"iterations": 100, "seed": 1, "seconds": 90_000.0, "provenance": provenance}
    taken = put_evaluation(tmp_path, training=training)
    longer = training | {"seconds": 1e6}
    put_evaluation(tmp_path, seed=2, when="02", training=longer | {"provenance": provenance | {"dirty": True}})
    put_evaluation(tmp_path, seed=3, when="03", training=longer, recipe="changed", claims=[])
    put_evaluation(tmp_path, seed=4, when="04")  # does not say
    put_evaluation(tmp_path, seed=5, when="05", training=training | {"seconds": None})
    put_evaluation(tmp_path, seed=6, when="06", training=longer, experiment="voc2011/fcn16s_vgg16", claims=[])
    put_evaluation(tmp_path, seed=7, when="07", training=longer, dirty=True)
    made = page()
    found = numbers(made, "training_cost", "FCN-16s, after FCN-32s", GPU)
    assert found == {"training (h)": 25} and used(made) == {taken.id}
    assert made.measured == 1


def test_a_net_that_no_row_names_stands_under_its_own_name(page, put, drawn):
    put("update", "camvid/fcn8s_vgg16", {"update": drawn(1)}, **PLAIN)
    assert numbers(page(), "update", "camvid/fcn8s_vgg16")["mean ± sd (ms)"] == pytest.approx(1000, rel=0.1)


def test_the_same_records_in_another_order_make_the_same_document(tmp_path, put, drawn):
    for when in (1, 2):
        for subject in (FCN8S, VGG16, ALEXNET):
            put("forward", subject, {"forward": drawn(1)}, **PLAIN, when=when)
    put("peers", FCN8S, peers(drawn), {}, peer="torchfcn", **PLAIN)
    claims, found = read_claims(), records.read_all_kinds(tmp_path)
    one, other = document(claims, found), document(claims, found[::-1])
    pd.testing.assert_frame_equal(one.frame, other.frame)
    assert replace(one, frame=other.frame) == other


def test_a_missing_claim_is_named():
    claims = read_claims()
    del claims["cvpr2015/table1/FCN-VGG16", "forward_time"]
    with pytest.raises(
        UserError, match="shows forward_time of cvpr2015/table1/FCN-VGG16, which no CSV of claims holds"
    ):
        document(claims, [])


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(0.0012, "0.00120"), (9.996, "10.0"), (21, "21.0"), (210.4, "210"), (12345, "12300")]
)
def test_times_have_three_significant_digits(page, put, milliseconds, text):
    put("forward", VGG16, {"forward": [milliseconds / 1000] * 20}, **PLAIN)
    row = next(row for row in section(page(), "Table 1: forward").rows if row[2].text == CPU)
    assert row[4].text == text
