"""The page of upper bounds: the paper's row, every candidate's, and whether one of them is the paper's procedure."""

from dataclasses import replace

import numpy as np
import pytest

from repro import records
from repro.errors import UserError
from repro.metrics import METRICS
from repro.metrics import scores as scores_of_matrix
from repro.records import Bound, Bounds, Dataset
from repro.report.claims import read_claims
from repro.report.document import MISSING
from repro.report.layouts.selections import SELECTIONS
from repro.report.upper_bounds_table import FACTORS, document, scores

PAPER = (50.9, 73.3, 86.1, 92.8, 96.4, 98.5)
RULE = SELECTIONS["full_split"]
SEG11VALID = Dataset("voc2011", "seg11valid", 736, str(RULE.ids_sha256), "0" * 64, {"semantic": ["background", "cat"]})
PROVENANCE = {
    **dict.fromkeys(records.PROVENANCE),
    "commit": "0123456789abcdef",
    "dirty": False,
    "device": "A processor",
    "time": "2026-01-01T00:00:00+00:00",
}


def procedure(lattice="steps, ceil", down="area", written="before measuring"):
    return {"down": down, "up": "bilinear", "void": "background", "lattice": lattice, "written": written}


def bounds(values, **choices):
    """A procedure with these mean IUs, in percent: both classes are equally large and lose alike."""
    found = []
    for factor, value in zip(FACTORS, values, strict=True):
        hit = [round(10**7 * value / 100)] * 2
        found.append(Bound(procedure(**choices), factor, hit, [10**7] * 2, hit))
    return found


def write(folder, found, dataset=SEG11VALID, **changes):
    record = Bounds(dataset, found, {**PROVENANCE, **changes})
    return records.read_any(records.write_plain(record, folder))


def off(*by):
    return [value + difference for value, difference in zip(PAPER, by, strict=True)]


def texts(section):
    return [[cell.text for cell in row] for row in section.rows]


@pytest.fixture(scope="module")
def claims():
    return read_claims()


def test_scores_are_those_of_a_confusion_matrix():
    matrix = np.random.default_rng(0).integers(1, 1000, (5, 5))
    matrix[3] = 0  # absent, but predicted
    bound = Bound({}, 8, *([int(n) for n in counts] for counts in (np.diag(matrix), matrix.sum(1), matrix.sum(0))))
    expected = scores_of_matrix(matrix)
    assert scores(bound) == pytest.approx({name: 100 * getattr(expected, name) for name in METRICS})


def test_without_a_record_the_claims_stand_alone(claims):
    page = document(claims, [])
    assert (page.measured, page.cells) == (0, 6)
    assert texts(page.sections[0]) == [
        ["the paper", "", "", "", "50.9", "73.3", "86.1", "92.8", "96.4", "98.5", "", ""],
        ["—"] * 12,
    ]
    assert [cell.claim for cell in page.sections[0].rows[0][4:10]] == [
        f"cvpr2015/appendix_a/factor {f}" for f in FACTORS
    ]
    assert page.sections[0].notes[0] == "**Procedure unknown.**" and page.command in page.sections[0].notes[1]
    assert page.frame["claim"].tolist() == ["50.9", "73.3", "86.1", "92.8", "96.4", "98.5"]
    assert page.frame["ours"].isna().all() and (page.frame["images"] == 0).all()


def test_candidates_are_sorted_by_their_largest_difference(claims, tmp_path):
    near, far, middle = off(0.5, 0, 0, 0, 0, 0), off(0, 0, 0, 0, 0, -3), off(-1, 0.9, 0, 0, 0, 0)
    found = [
        *bounds(far, lattice="resized, ceil"),
        *bounds(near),
        *bounds(middle, lattice="FCN", written="after a look"),
        *bounds(middle, lattice="FCN", down="majority"),
    ]
    record = write(tmp_path, found)
    page = document(claims, [record])
    rows = texts(page.sections[0])
    assert [(row[0], row[3], row[-2], row[-1]) for row in rows[1:]] == [
        ("area", "steps, ceil", "0.50", "before measuring"),
        ("area", "FCN", "1.00", "after a look"),
        ("majority", "FCN", "1.00", "before measuring"),
        ("area", "resized, ceil", "3.00", "before measuring"),
    ]
    assert rows[1][4:10] == ["51.40", "73.30", "86.10", "92.80", "96.40", "98.50"]
    assert all(cell.records == (record.id,) for row in page.sections[0].rows[1:] for cell in row[4:11])
    assert (page.measured, page.cells) == (6, 6)
    note = page.sections[0].notes[0]
    assert note.startswith("**Procedure unknown.** None of 4 procedures is within 0.3") and note.endswith(
        "off by 0.50."
    )


def test_the_spread_says_where_each_claim_lies(claims, tmp_path):
    record = write(tmp_path, [*bounds(off(1, -1, 2, 1, 0, 0)), *bounds(off(2, -2, -2, 2, 1, -1), lattice="FCN")])
    rows = texts(document(claims, [record]).sections[1])
    assert rows[0] == ["128", "50.9", "51.90", "52.90", "below"]
    assert rows[1] == ["64", "73.3", "71.30", "72.30", "above"]
    assert rows[2] == ["32", "86.1", "84.10", "88.10", "within"]
    assert [row[-1] for row in rows] == ["below", "above", "within", "below", "within", "within"]


@pytest.mark.parametrize(("difference", "found"), [(0.299, True), (0.31, False), (-0.299, True), (-0.31, False)])
def test_identified_means_all_six_within_the_tolerance(claims, tmp_path, difference, found):
    for place in range(6):
        by = [0.0] * 6
        by[place] = difference
        note = document(claims, [write(tmp_path, bounds(off(*by)))]).sections[0].notes[0]
        assert note.startswith("**Procedure identified.**") == found
        assert note.startswith("**Procedure unknown.**") != found


def test_what_stays_open_and_was_added_later_is_said(claims, tmp_path):
    found = [
        *bounds(off(0.1, 0, 0, 0, 0, 0), lattice="FCN", written="after a look"),
        *bounds(off(0.2, 0, 0, 0, 0, 0), written="after a look"),
        *bounds(off(4, 0, 0, 0, 0, 0), lattice="resized, ceil"),
    ]
    notes = document(claims, [write(tmp_path, found)]).sections[0].notes
    common = "down *area*; up *bilinear*; void *background*"
    assert notes[0] == (
        "**Procedure identified after a look at the results, but for lattice.** 2 of 3 procedures are within 0.3 at "
        f"all six factors: {common}; lattice *FCN* or *steps, ceil*."
    )
    assert "the 3 procedures that differ" in notes[1] and "51.00 to 54.90" in notes[1]
    assert notes[1].endswith(f"3 procedures are within 0.3: {common}; lattice of 3 kinds.")


def test_only_the_newest_clean_record_of_the_whole_split_counts(claims, tmp_path):
    old = write(tmp_path, bounds(off(1, 0, 0, 0, 0, 0)))
    new = write(tmp_path, bounds(off(2, 0, 0, 0, 0, 0)), time="2026-02-01T00:00:00+00:00")
    others = {
        "measured from a dirty tree": write(tmp_path, bounds(PAPER), dirty=True, time="2027"),
        "measured from an unknown commit": write(tmp_path, bounds(PAPER), dirty=None, time="2027"),
        "labels, all": write(tmp_path, bounds(PAPER), replace(SEG11VALID, name="labels", split="all"), time="2027"),
        "another list of images": write(tmp_path, bounds(PAPER), replace(SEG11VALID, ids_sha256="1" * 64), time="2027"),
        "an older record": old,
    }
    for order in ([old, new, *others.values()], [*others.values(), new]):
        page = document(claims, order)
        assert set(page.frame["records"]) == {new.id}
        notes = "\n".join(page.sections[0].notes)
        assert f"- `{new.id}`: commit 0123456789, A processor, 736 images" in notes
        for reason, record in others.items():
            assert f"- `{record.id}`: {reason}" in notes
    without = document(claims, [record for reason, record in others.items() if record is not old])
    assert without.measured == 0 and "No record yet" in without.sections[0].notes[1]


def test_the_frame_has_every_number(claims, tmp_path):
    record = write(tmp_path, [*bounds(off(1, 0, 0, 0, 0, -1)), *bounds(off(2, 0, 0, 0, 0, 0), lattice="FCN")])
    frame = document(claims, [record]).frame
    assert len(frame) == 12 and frame["factor"].tolist() == [*FACTORS, *FACTORS]
    first = frame.iloc[0]
    assert (first["lattice"], first["key"], first["claim"]) == ("steps, ceil", "cvpr2015/appendix_a/factor 128", "50.9")
    assert first["ours"] == 51.9 and first["difference"] == 1.0
    assert frame.iloc[5]["difference"] == -1.0
    assert frame[["pixel_acc", "mean_acc", "fw_iu"]].notna().all().all()
    assert not frame.isin([MISSING]).any().any()


def test_a_missing_claim_is_named(claims):
    short = {key: claim for key, claim in claims.items() if key[0] != "cvpr2015/appendix_a/factor 16"}
    with pytest.raises(UserError, match="cvpr2015/appendix_a/factor 16"):
        document(short, [])
