"""The errata compute what the printed numbers give, and say what records decide."""

from dataclasses import replace

import numpy as np
import pytest
from written_records import VALID, confusions, copy_claims, put, raw_claims

from repro import records
from repro.data.splits import ids_sha256
from repro.errors import UserError
from repro.metrics import scores
from repro.records import Bound, Bounds, Dataset, Timing
from repro.report import errata, layouts
from repro.report.claims import read_claims
from repro.report.layouts import SELECTIONS
from repro.upper_bounds.counting import count
from repro.upper_bounds.procedures import PROCEDURES

CLAIMS = read_claims()
BACKGROUND = "this share of the labels is background"
EIGHT, ALEXNET = "FCN-8s takes this long an image", "FCN-AlexNet takes this long for 500x500"
NETS = {EIGHT: ("voc2011/fcn8s_vgg16", "voc2011/fcn32s_vgg16")}
NAMES = ("background", "a", "b")
RNG = np.random.default_rng()


@pytest.fixture(autouse=True)
def short_split(monkeypatch):
    """Let 40 drawn ids pass for seg11valid."""
    rule = replace(SELECTIONS["full_split"], images=len(VALID), ids_sha256=ids_sha256(VALID))
    monkeypatch.setitem(layouts.SELECTIONS, "full_split", rule)


def provenance(device="A GPU", dirty=False, when="01", commit="0123456789abcdef", threads=None, run="0123abcd"):
    known = {"commit": commit, "dirty": dirty, "device": device, "time": f"2026-01-{when}T00:00:00+00:00"}
    return {**dict.fromkeys(records.PROVENANCE), **known, "threads": threads, "run": run}


def written(record, folder):
    return records.read_any(records.write_plain(record, folder))


def bounds(folder, truths, ids=VALID, split="seg11valid", names=NAMES, **where):
    dataset = Dataset("voc2011", split, len(ids), ids_sha256(ids), "0" * 64, {"semantic": list(names)})
    found = [Bound({"down": str(n)}, 32, truth, truth, truth) for n, truth in enumerate(truths)]
    return written(Bounds(dataset, found, provenance(**where)), folder)


def timing(folder, subject, seconds, case="forward", work=None, changes=None, **where):
    settings: dict[str, str | int] = {"device": "cuda", "precision": "fp32", "mode": "eager", "batch": 1}
    settings |= {"height": 500, "width": 500} | ({"direction": "forward"} if case == "section3_1" else {})
    settings |= changes or {}
    made = Timing(case, subject, settings, {"forward": seconds}, work or {}, provenance(**where))
    if not seconds:
        made = replace(made, outcome="out of memory")
    return written(made, folder)


def rows(found, claims=CLAIMS):
    """statement -> its row, by heading, of the tables of statements."""
    lines = {}
    for section in errata.document(claims, found).sections[:-1]:
        headings = [column.heading for column in section.columns]
        headings[3] = "against"
        for row in section.rows:
            lines[row[0].text] = dict(zip(headings, row, strict=True))
    return lines


def ours(statement, found):
    return rows(found)[statement]["what our measurement says"]


# what the printed numbers give


def printed(table, row, column="mean_iu"):
    return CLAIMS[f"cvpr2015/{table}/{row}", column].value


@pytest.mark.parametrize(
    ("start", "says"),
    [
        ("tuning the classifier's last", [100 * printed("table2", "FCN-32s-fixed") / printed("table2", "FCN-32s")]),
        ("FCN-8s takes this long", [175 / 210]),
        ("FCN-AlexNet takes this long", [50 / 22]),
        ("training on SBD", [59.4 - 56.0]),
        ("the worst FCN", [100 * 39.8 / 52.6]),
        ("FCN-8s leads on VOC test", [100 * (62.7 / 52.6 - 1), 100 * (62.2 / 51.6 - 1)]),
        ("inference is this many times as fast as SDS's, by the convnet alone", [114 * 0.175]),
        ("inference is this many times as fast as SDS's, overall", [50 / 0.175]),
        ("FCN-8s gains this much on CFM's", [100 * (35.1 / 31.5 - 1), 100 * (53.5 / 46.1 - 1)]),
    ],
)
def test_the_sums_are_those_of_the_printed_numbers(start, says):
    frame = errata.document(CLAIMS, []).frame
    lines = frame[frame["statement"].str.startswith(start) & (frame["source"] == "computed")]
    assert lines["value"].tolist() == pytest.approx(says)
    (text,) = [row["against"].text for statement, row in rows([]).items() if statement.startswith(start)]
    for value in says:
        assert f"{value:.1f}" in text or f"{value:.2f}" in text


def test_another_printed_number_gives_another_sum(tmp_path):
    change = ("table2,FCN-32s-fixed,mean_iu,45.4,45.4", "table2,FCN-32s-fixed,mean_iu,41.58,41.58")
    claims = read_claims(copy_claims(tmp_path / "claims", cvpr2015=change))
    statement = next(one for one in rows([]) if one.startswith("tuning"))
    assert rows([], claims)[statement]["against"].text == "Table 2: 41.58 / 59.4 = 70.0%"


def test_every_printed_cell_is_a_claim_and_every_sentence_has_one():
    raw, seen = raw_claims(), set()
    for section in errata.document(CLAIMS, []).sections:
        for row in section.rows:
            for cell in row:
                if cell.claim:
                    assert cell.text in {text for (key, _), text in raw.items() if key == cell.claim}
                    seen.add(cell.claim)
    assert {key for key, _ in raw if key.startswith("cvpr2015/sentences/")} <= seen
    frame = errata.document(CLAIMS, []).frame
    lines = frame[frame["source"] == "printed"]
    assert set(lines["key"]) == seen
    assert all(raw[line["key"], line["name"]] == line["claim"] for _, line in lines.iterrows())


def test_a_claim_that_is_missing_is_named(tmp_path):
    change = ("sentences,relative margin on VOC test", "sentences,margin")
    with pytest.raises(UserError, match="errata shows gain of cvpr2015/sentences/relative margin on VOC test"):
        errata.document(read_claims(copy_claims(tmp_path / "claims", cvpr2015=change)), [])


def test_what_the_text_says_of_the_claims_is_so():
    """Headings exchanged: every net of Table 2 fits when they are sorted, and none as they were headed."""
    for net in ("FCN-32s", "FCN-16s", "FCN-8s"):
        pixel, mean = (
            CLAIMS[f"matconvnet_fcn/voc2011_cvpr_rescored/{net}", m].value for m in ("pixel_acc", "mean_acc")
        )
        assert pixel == pytest.approx(printed("table2", net, "pixel_acc"), abs=0.051)
        assert mean == pytest.approx(printed("table2", net, "mean_acc"), abs=0.051)
        assert abs(pixel - printed("table2", net, "mean_acc")) > 10
    assert "2488 train" in CLAIMS["cvpr2015/table5/FCN-16s", "mean_iu"].condition
    assert not any("table4/FCN-8s" in key or "table5/FCN-8s" in key for key, _ in CLAIMS)


# the background's share


def test_the_backgrounds_share_is_that_of_the_labelled_pixels(tmp_path):
    truth = RNG.integers(1, 10**7, 3).tolist()
    record = bounds(tmp_path, [truth, truth], names=("a", "background", "b"))
    cell = ours(BACKGROUND, [record])
    assert cell.text == f"{100 * truth[1] / sum(truth):.2f}% of the labelled pixels of the 40 masks of seg11valid"
    assert cell.records == (record.id,)
    frame = errata.document(CLAIMS, [record]).frame.query("source == 'measured' and records != ''")
    assert frame["value"].tolist() == pytest.approx([100 * truth[1] / sum(truth)])
    assert frame["records"].tolist() == [record.id]


@pytest.mark.parametrize(
    "changes",
    [
        {"dirty": True},
        {"dirty": None},
        {"split": "val"},
        {"ids": VALID[1:]},
        {"ids": [*VALID[1:], "x"]},
    ],
)
def test_these_bounds_say_nothing_of_the_background(tmp_path, changes):
    cell = ours(BACKGROUND, [bounds(tmp_path, [[3, 1, 1]], **changes)])
    assert (cell.text, cell.records) == ("—", ())


def test_the_newest_bounds_count_and_their_procedures_agree(tmp_path):
    found = [bounds(tmp_path, [[n, 1, 1]], when=when) for n, when in ((1, "01"), (2, "03"), (3, "02"))]
    assert ours(BACKGROUND, found).records == (found[1].id,)
    with pytest.raises(UserError, match="does not count one truth"):
        rows([bounds(tmp_path, [[3, 1, 1], [3, 1, 2]], when="04")])


def test_the_background_by_the_procedures_that_are_measured(tmp_path):
    """Some of them count void as background: the share is of the labelled pixels all the same."""
    label = RNG.integers(0, 3, (37, 41)).astype(np.uint8)
    label[3:9, 5:30] = 255
    counts = count(label, PROCEDURES, (8,), 3)[:, 0].tolist()
    found = [Bound(procedure.choices(), 8, *three) for procedure, three in zip(PROCEDURES, counts, strict=True)]
    assert len({tuple(bound.truth) for bound in found}) == 2
    dataset = Dataset(
        "voc2011", "seg11valid", len(VALID), ids_sha256(VALID), "0" * 64, {"semantic": ["background", "a", "b"]}
    )
    cell = ours(BACKGROUND, [written(Bounds(dataset, found, provenance()), tmp_path)])
    share = 100 * (label == 0).sum() / (label != 255).sum()
    assert cell.text.startswith(f"{share:.2f}% of the labelled pixels")


# the share of fine-tuning


def test_the_share_of_full_fine_tuning_is_that_of_both_nets(tmp_path):
    def net(name, seed, **changes):
        return put(tmp_path, found=confusions(seed), experiment=f"voc2011/{name}_vgg16_cvpr", claims=[], **changes)

    full, fixed = net("fcn32s", 1), net("fcn32s_fixed", 2)
    statement = next(one for one in rows([]) if one.startswith("tuning"))
    assert ours(statement, []).text == ours(statement, [full]).text == "—"
    dirty, heavy = net("fcn32s_fixed", 3, dirty=True), net("fcn32s_fixed", 4, recipe="release")
    assert ours(statement, [full, dirty, heavy]).text == "—"
    cell = ours(statement, [full, dirty, heavy, fixed])
    one, other = (100 * scores(record.confusion["semantic"]).mean_iu for record in (fixed, full))
    assert cell.text == f"mean IU on seg11valid: {one:.2f} / {other:.2f} = {100 * one / other:.1f}%"
    assert cell.records == (fixed.id, full.id)


# times


def test_a_ratio_of_medians_on_each_device(tmp_path):
    found, expected = [], []
    for device, threads in (("B GPU", None), ("A processor", 2)):
        one, other = RNG.uniform(0.1, 0.3, 7), RNG.uniform(0.1, 0.3, 9)
        expected.append(f"{np.median(one) / np.median(other):.2f} times as long on {device}")
        for net, seconds in zip(NETS[EIGHT], (one, other), strict=True):
            changes = {"device": "cpu" if threads else "cuda"}
            found.append(timing(tmp_path, net, seconds.tolist(), device=device, threads=threads, changes=changes))
    cell = ours(EIGHT, found)
    assert cell.text == f"{expected[1]}, 2 threads; {expected[0]}"
    assert set(cell.records) == {record.id for record in found}


@pytest.mark.parametrize(
    "changes",
    [
        {"device": "Another GPU"},
        {"dirty": True},
        {"run": "ffffffff"},
        {"run": None},
        {"changes": {"height": 375}},
        {"changes": {"precision": "tf32"}},
        {"changes": {"mode": "fast"}},
        {"changes": {"batch": 2}},
        {"case": "update"},
    ],
)
def test_times_of_two_runs_or_settings_are_not_compared(tmp_path, changes):
    one, other = NETS[EIGHT]
    found = [timing(tmp_path, one, [0.1, 0.2]), timing(tmp_path, other, [0.2, 0.3], **changes)]
    assert ours(EIGHT, found).text == "—"


def test_alexnet_with_its_padding_against_without(tmp_path):
    padded, plain = RNG.uniform(0.2, 0.3, 5), RNG.uniform(0.1, 0.2, 5)
    found = [
        timing(tmp_path, "voc2011/fcn32s_alexnet", padded.tolist()),
        timing(tmp_path, "dense", plain.tolist(), case="section3_1"),
        timing(tmp_path, "crops_batched", [1.0], case="section3_1", changes={"batch": 100}),
        timing(tmp_path, "dense", [9.0], case="section3_1", changes={"direction": "backward"}),
    ]
    cell = ours(ALEXNET, found)
    assert cell.text == f"{np.median(padded) / np.median(plain):.2f} times as long on A GPU"
    assert cell.records == (found[0].id, found[1].id)


def test_without_times_in_one_run_the_work_is_compared(tmp_path):
    found = [
        timing(tmp_path, "voc2011/fcn32s_alexnet", [0.3], work={"flop": 5e9}, device="A GPU"),
        timing(tmp_path, "dense", [], case="section3_1", work={"flop": 2e9}, device="B GPU"),
    ]
    cell = ours(ALEXNET, found)
    assert cell.text == "2.50 times the FLOP; no run has the times of both"
    assert cell.records == tuple(record.id for record in found)
    assert ours(ALEXNET, found[:1]).text == "—"


def test_what_was_measured_is_counted(tmp_path):
    empty = errata.document(CLAIMS, [])
    assert (empty.measured, empty.cells) == (0, 4)
    one = errata.document(CLAIMS, [bounds(tmp_path, [[3, 1, 1]])])
    assert (one.measured, one.cells) == (1, 4)
    both = [timing(tmp_path, net, [0.1]) for net in NETS[EIGHT]]
    assert errata.document(CLAIMS, both).measured == 1
