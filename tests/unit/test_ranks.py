"""A statement about an order gets the verdict that the records give it, and none that they do not."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from written_records import VALID, confusions, copy_claims, put

from repro.metrics import ImageConfusions, paired_bootstrap, scores
from repro.records import Record
from repro.report import ranks
from repro.report.claims import read_claims
from repro.report.layouts import LAYOUTS, Block, Layout, Row
from repro.report.layouts.layout import Rank

CLAIMS = read_claims()
TABLE = "cvpr2015/table2"


def layout(rows=("FCN-16s", "FCN-32s"), metric="mean_iu", **changes):
    """A table with one statement: its rows in their order."""
    known = {"title": "Nets", "metrics": ("mean_iu", "pixel_acc", "geom_acc"), "selection": "full_split"}
    block = Block(**{**known, "rows": tuple(Row(label, f"{TABLE}/{label}", label) for label in rows), **changes})
    return Layout(
        "name", "Title", "Summary", "command", (block,), (Rank("as said", "Section 9", "Nets", rows, metric),)
    )


def verdicts(made, taken, claims=CLAIMS):
    """The statement's lines, as dicts of cells by heading."""
    section = ranks.section(made, claims, {("Nets", label): found for label, found in taken.items()})
    headings = [column.heading for column in section.columns]
    return [dict(zip(headings, row, strict=True)) for row in section.rows]


def nothing_taken(made) -> dict[tuple[str, str], list[Record]]:
    return {(block.title, row.label): [] for block in made.blocks if block.shape != "printed" for row in block.rows}


def worse(found, share, seed=0):
    """The same labels, of which a share that was right is predicted as the next class instead."""
    rng = np.random.default_rng(seed)
    matrices = found.by_image().toarray().reshape(len(found.ids), found.num_classes, found.num_classes)
    for matrix in matrices:
        for c in range(found.num_classes):
            lost = rng.binomial(matrix[c, c], share)
            matrix[c, c] -= lost
            matrix[c, (c + 1) % found.num_classes] += lost
    return ImageConfusions.from_matrices(zip(found.ids, matrices, strict=True), found.num_classes)


def gain(a, b, number="mean_iu"):
    found = paired_bootstrap(a, b)
    value, low, high = (100 * getattr(part, number) for part in (found.value, found.low, found.high))
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"


def test_an_order_that_the_images_show_holds_and_its_reverse_does_not(tmp_path):
    good, bad = confusions(1), worse(confusions(1), 0.2)
    first, second = put(tmp_path, found=good), put(tmp_path, found=bad, experiment="other")
    (line,) = verdicts(layout(), {"FCN-16s": [first], "FCN-32s": [second]})
    assert line["verdict"].text == "holds" and line["difference"].text == gain(good, bad)
    assert line["verdict"].records == line["difference"].records == (first.id, second.id)
    assert float(line["difference"].text.split()[0]) == pytest.approx(
        100 * (scores(good.total()).mean_iu - scores(bad.total()).mean_iu), abs=0.005
    )
    (line,) = verdicts(layout(), {"FCN-16s": [second], "FCN-32s": [first]})
    assert line["verdict"].text == "does not hold" and line["difference"].text == gain(bad, good)


def test_equal_nets_and_those_that_differ_by_chance_are_undecided(tmp_path):
    found = confusions(2)
    one = put(tmp_path, found=found)
    (line,) = verdicts(layout(), {"FCN-16s": [one], "FCN-32s": [one]})
    assert (line["verdict"].text, line["difference"].text) == ("undecided", "+0.00 [+0.00, +0.00]")
    a, b = (worse(found, 0.1, seed) for seed in (1, 2))
    low, high = (100 * end.mean_iu for end in (paired_bootstrap(a, b).low, paired_bootstrap(a, b).high))
    assert low < 0 < high
    records = [put(tmp_path, found=one, experiment=name) for one, name in ((a, "a"), (b, "b"))]
    for pair in (records, records[::-1]):
        (line,) = verdicts(layout(), dict(zip(("FCN-16s", "FCN-32s"), ([r] for r in pair), strict=True)))
        assert line["verdict"].text == "undecided"


def test_every_seed_has_to_agree(tmp_path):
    good = {seed: confusions(seed) for seed in (1, 2, 3)}
    bad = {seed: worse(found, 0.2) for seed, found in good.items()}
    first = [put(tmp_path, seed=seed, found=found) for seed, found in good.items()]
    second = [put(tmp_path, seed=seed, found=found, experiment="other") for seed, found in bad.items()]
    (line,) = verdicts(layout(), {"FCN-16s": first, "FCN-32s": second[::-1]})
    assert line["verdict"].text == "holds"
    assert line["difference"].text == "; ".join(gain(good[seed], bad[seed]) for seed in (1, 2, 3))
    reversed_third = put(tmp_path, seed=3, found=worse(good[3], 0.4), experiment="third")
    (line,) = verdicts(layout(), {"FCN-16s": [*first[:2], reversed_third], "FCN-32s": second})
    assert line["verdict"].text == "undecided"


def test_only_seeds_of_both_nets_count(tmp_path):
    good = {seed: confusions(seed) for seed in (1, 2)}
    first = [put(tmp_path, seed=seed, found=found) for seed, found in good.items()]
    second = put(tmp_path, seed=2, found=worse(good[2], 0.2), experiment="other")
    (line,) = verdicts(layout(), {"FCN-16s": first, "FCN-32s": [second]})
    assert line["difference"].text == gain(good[2], worse(good[2], 0.2))
    assert line["verdict"].records == (first[1].id, second.id)
    (line,) = verdicts(layout(), {"FCN-16s": first[:1], "FCN-32s": [second]})
    assert (line["verdict"].text, line["difference"].text, line["verdict"].records) == ("not measured", "—", ())


def test_a_pair_without_records_is_not_measured_and_its_neighbours_are(tmp_path):
    found = confusions(1)
    rows = ("FCN-8s", "FCN-16s", "FCN-32s", "FCN-32s-fixed")
    kept = {label: [put(tmp_path, found=worse(found, n / 5), experiment=label)] for n, label in enumerate(rows)}
    lines = verdicts(layout(rows), {**kept, "FCN-32s-fixed": []})
    assert [line["verdict"].text for line in lines] == ["holds", "holds", "not measured"]
    assert [(line["better"].text, line["worse"].text) for line in lines] == list(pairwise(rows))
    del kept["FCN-16s"]  # as a row that only stands as printed
    assert [v["verdict"].text for v in verdicts(layout(rows), kept)] == ["printed only", "printed only", "holds"]


@pytest.mark.parametrize(
    "other",
    [
        {"found": worse(confusions(1, ids=[*VALID[1:], "x"]), 0.2)},
        {"found": confusions(9)},  # other labels of the same ids, as another frame has
        {"found": worse(confusions(1), 0.2), "classes": {"semantic": list("abcz")}},
    ],
)
def test_records_over_other_labels_are_not_compared(tmp_path, other):
    records = {"FCN-16s": [put(tmp_path, found=confusions(1))], "FCN-32s": [put(tmp_path, experiment="x", **other)]}
    (line,) = verdicts(layout(), records)
    assert (line["verdict"].text, line["difference"].text) == ("not comparable", "—")


def test_depth_and_colour_are_compared_though_their_files_differ(tmp_path):
    first = put(tmp_path, found=confusions(1), content="1" * 64)
    second = put(tmp_path, found=worse(confusions(1), 0.2), content="2" * 64, experiment="other")
    (line,) = verdicts(layout(), {"FCN-16s": [first], "FCN-32s": [second]})
    assert line["verdict"].text == "holds"


def test_a_block_of_some_classes_is_ranked_by_them(tmp_path):
    """Without class a the order is another: class a is better in the net that loses on the rest."""
    base = confusions(4)
    matrices = base.by_image().toarray().reshape(-1, 4, 4)
    matrices[:, 0] *= 9
    rest, first_class = matrices.copy(), matrices.copy()
    for matrix in rest:
        matrix[0] = [0, matrix[0].sum(), 0, 0]
    for matrix in first_class:
        for c in (1, 2, 3):
            matrix[c, c], matrix[c, c % 3 + 1] = matrix[c, c] * 3 // 4, matrix[c, c % 3 + 1] + -(-matrix[c, c] // 4)
    found = [ImageConfusions.from_matrices(zip(VALID, m, strict=True), 4) for m in (rest, first_class)]
    records = [put(tmp_path, found=one, experiment=name) for one, name in zip(found, "xy", strict=True)]
    taken = {"FCN-16s": records[:1], "FCN-32s": records[1:]}
    (line,) = verdicts(layout(metric="pixel_acc"), taken)
    assert line["verdict"].text == "does not hold"
    (line,) = verdicts(layout(metric="pixel_acc", without=("a",)), taken)
    kept = [scores(one.total(), classes=[1, 2, 3]).pixel_acc for one in found]
    assert line["verdict"].text == "holds"
    assert float(line["difference"].text.split()[0]) == pytest.approx(100 * (kept[0] - kept[1]), abs=0.005)


def test_a_geometric_number_is_ranked_by_the_geometric_head(tmp_path):
    def heads(semantic, geometric):
        return {"semantic": worse(confusions(1), semantic), "geometric": worse(confusions(2, classes=3), geometric)}

    first, second = put(tmp_path, found=heads(0.4, 0)), put(tmp_path, found=heads(0, 0.2), experiment="other")
    taken = {"FCN-16s": [first], "FCN-32s": [second]}
    (line,) = verdicts(layout(metric="geom_acc"), taken)
    assert line["verdict"].text == "holds"
    # the classes of a block are semantic ones
    assert verdicts(layout(metric="geom_acc", without=("a",)), taken) == [line]
    assert verdicts(layout(), taken)[0]["verdict"].text == "does not hold"


def test_as_good_asks_for_no_difference_and_never_says_holds(tmp_path):
    made = layout()
    made = replace(made, ranks=(replace(made.ranks[0], as_good=True),))
    good, bad = confusions(1), worse(confusions(1), 0.2)
    first, second = put(tmp_path, found=good), put(tmp_path, found=bad, experiment="other")
    for one, other, word in (
        (first, second, "better"),
        (second, first, "worse"),
        (first, first, "no difference found"),
    ):
        (line,) = verdicts(made, {"FCN-16s": [one], "FCN-32s": [other]})
        assert line["verdict"].text == word
    again = put(tmp_path, seed=2, found=confusions(1))  # one seed says better, another nothing
    (line,) = verdicts(made, {"FCN-16s": [first, again], "FCN-32s": [second, again]})
    assert line["verdict"].text == "undecided"


# what is printed


@pytest.mark.parametrize(
    ("printed", "so"), [("62.4", "yes"), ("59.4", "equal"), ("59.3", "no")], ids=["above", "equal", "below"]
)
def test_the_printed_numbers_agree_with_the_statement_or_not(tmp_path, printed, so):
    change = ("table2,FCN-16s,mean_iu,62.4,62.4", f"table2,FCN-16s,mean_iu,{printed},{printed}")
    claims = read_claims(copy_claims(tmp_path / "claims", cvpr2015=change))
    (line,) = verdicts(layout(), {}, claims)
    assert line["printed so"].text == so
    better, worse_one = line["claim of the better"], line["claim of the worse"]
    assert (better.text, better.claim) == (printed, f"{TABLE}/FCN-16s")
    assert (worse_one.text, worse_one.claim) == ("59.4", f"{TABLE}/FCN-32s")
    assert "as said" in line["statement"].text and "Section 9" in line["statement"].text


def test_without_a_printed_number_nothing_is_said_of_it():
    (line,) = verdicts(layout(metric="geom_acc"), {})
    assert [line[name].text for name in ("claim of the better", "claim of the worse", "printed so")] == ["—"] * 3
    assert line["metric"].text == "geom. acc."


def test_the_claims_of_measured_rows_stand_in_the_block_above():
    """PASCAL-Context prints the same nets twice: each statement takes the numbers of its own classes."""
    made = LAYOUTS["pascal_context"]
    section = ranks.section(made, CLAIMS, nothing_taken(made))
    for row in section.rows:
        statement, claims = row[0].text, [cell for cell in row if cell.claim]
        table = "cvpr2015/table6_33/" if "33 classes" in statement else "cvpr2015/table6_59/"
        assert [cell.claim for cell in claims] == [table + row[2].text, table + row[4].text]
        assert all(cell.text == CLAIMS[cell.claim, "mean_iu"].printed for cell in claims)
        ours = {row[2].text, row[4].text} <= {"FCN-32s", "FCN-16s", "FCN-8s"}
        assert row[-1].text == ("not measured" if ours else "printed only")


@pytest.mark.parametrize("name", [name for name, made in LAYOUTS.items() if made.ranks])
def test_each_statement_of_the_tables_is_what_is_printed(name):
    made = LAYOUTS[name]
    section = ranks.section(made, CLAIMS, nothing_taken(made))
    assert len(section.rows) == sum(len(rank.rows) - 1 for rank in made.ranks)
    headings = [column.heading for column in section.columns]
    said = {row[headings.index("printed so")].text for row in section.rows}
    assert said == (
        {"—"} if name in ("siftflow", "sample") else {"yes"}
    )  # of separate or drawn nets nothing is printed
    assert any("another recipe" in note for note in section.notes) == (name in ("nyudv2", "pascal_context"))
