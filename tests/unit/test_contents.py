"""What the tables hold: no claim is lost, statements name rows that are there, the numbers to beat are as printed."""

import re

import pytest
from written_records import CLAIMS, raw_claims

from repro.report import errata
from repro.report.claims import read_claims, read_sources
from repro.report.layouts import HEADINGS, LAYOUTS
from repro.report.layouts.layout import source_of

RANKS = [(layout, rank) for layout in LAYOUTS.values() for rank in layout.ranks]
README = (CLAIMS.parent / "README.md").read_text(encoding="utf-8")
# the headings of the numbers to beat that are not those of the tables
COLUMNS = {heading: column for column, heading in HEADINGS.items()} | {
    "VOC 2011": "mean_iu_voc2011_test",
    "VOC 2012": "mean_iu_voc2012_test",
    "forward": "forward",
    "backward": "backward",
    "training time": "training_time",
}


def shown_by_layouts():
    """(key, column) of every claim that a table of scores prints."""
    raw = raw_claims()
    cells = {
        (row.claim, column)
        for layout in LAYOUTS.values()
        for block in layout.blocks
        for row in block.rows
        for column in (*block.printed_only, *block.columns(row))
    }
    return {cell for cell in cells if cell in raw}


def test_what_no_table_of_scores_shows_is_of_times_and_bounds_alone():
    sections = errata.document(read_claims(), []).sections
    in_errata = {cell.claim for section in sections for row in section.rows for cell in row}
    left = {key for key, column in set(raw_claims()) - shown_by_layouts() if key not in in_errata}
    tables = {key.split("/")[1] for key in left}
    assert tables == {"section3_1", "training_cost", "appendix_a"}


def test_a_table_of_the_paper_shows_all_that_it_prints():
    """Tables 1 to 6, the release and every re-implementation, with every column of every row."""
    shown = shown_by_layouts()
    tables = re.compile("cvpr2015/table|caffe_release/|wkentaro_fcn/|pytorch_fcn/|matconvnet_fcn/|segnet2017/")
    there = {claim for claim in raw_claims() if tables.match(claim[0])}
    assert len(there) == 193 and there <= shown


@pytest.mark.parametrize(("layout", "rank"), RANKS, ids=[f"{x.name}: {r.statement}" for x, r in RANKS])
def test_a_statement_about_order_names_rows_and_a_number_of_theirs(layout, rank):
    block = next(block for block in layout.blocks if block.title == rank.block)
    assert rank.metric in block.metrics and rank.locator
    assert len(rank.rows) == len(set(rank.rows)) >= 2
    printed = {row.label for other in layout.blocks if other.shape == "printed" for row in other.rows}
    assert set(rank.rows) <= {row.label for row in block.rows} | printed
    ours = [row for row in block.rows if row.label in rank.rows]
    assert all(rank.metric in block.columns(row) for row in ours)
    assert source_of(rank.metric)[0] in ("semantic", "geometric")


def test_the_statements_that_the_paper_makes_are_there():
    ends = {(layout.name, rank.rows[0], rank.rows[-1]) for layout, rank in RANKS}
    assert ends >= {
        ("voc2011", "FCN-8s", "FCN-32s-fixed"),
        ("voc2011", "FCN-VGG16", "FCN-AlexNet"),
        ("voc2011", "FCN-8s", "FCN-AlexNet"),
        ("voc2011", "FCN-8s", "R-CNN"),
        ("nyudv2", "FCN-16s RGB-HHA", "FCN-32s HHA"),
        ("siftflow", "FCN-16s, both heads", "FCN-16s, geometric alone"),
        ("pascal_context", "FCN-8s", "O2P"),
    }


# the numbers to beat


def tables_of(markdown):
    """The tables of a page: each a list of dicts by heading."""
    tables, lines = [], []
    for line in [*markdown.splitlines(), ""]:
        if line.startswith("|"):
            lines.append([cell.strip() for cell in line.strip("|").split("|")])
        elif lines:
            tables.append([dict(zip(lines[0], cells, strict=True)) for cells in lines[2:]])
            lines = []
    return tables


def numbers_of(row):
    """(cell, key, column) of each number of a row, by the key that the row names."""
    if "claims" in row:  # a table of claims, with a column for each of its rows
        table = row["claims"].strip("`")
        rows = {key.removeprefix(f"{table}/"): key for key, _ in raw_claims() if key.startswith(f"{table}/")}
        own = {re.sub(r" \(own \d+s\)", "", name): key for name, key in rows.items()}
        for heading, cell in row.items():
            if re.match("FCN-|factor ", heading):
                yield cell, own.get(heading, ""), "mean_iu"
        return
    for heading, cell in row.items():
        if heading in COLUMNS and heading != "net":
            yield cell, row["claim"].strip("`"), COLUMNS[heading]


def differing(markdown):
    """The numbers of a page that are not what the CSVs print, and how many were compared."""
    raw, wrong, compared = raw_claims(), [], 0
    for table in tables_of(markdown):
        for row in table:
            for cell, key, column in numbers_of(row):
                compared += cell != "—"
                if cell != raw.get((key, column), "—"):
                    wrong.append((key, column, cell))
    return wrong, compared


def test_the_numbers_to_beat_are_printed_so():
    wrong, compared = differing(README)
    assert wrong == []
    in_cells = sum(bool(re.search(r"\d", cell)) for cell in re.findall(r"\| (~?[\d.]+M?(?: m?s)?) (?=\|)", README))
    assert compared == in_cells + 5  # what stands in words: two factors and three days
    prose = [line for line in README.splitlines() if not line.startswith("|")]
    decimals = re.findall(r"(?<![\w.])\d+\.\d+", " ".join(prose).replace("section 3.1", ""))
    assert decimals == ["67.2"] == [raw_claims()["caffe_release/voc2012_test/FCN-8s", "mean_iu"]]
    assert all(f"`{stem}/" in README for stem in read_sources())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("| 62.4 |", "| 62.5 |"),
        ("| 65.3628 |", "| 65.0911 |"),
        ("| 1.2 ms |", "| 2.4 ms |"),
        ("| 134M |", "| — |"),
        ("| — | 28.6 |", "| 28.6 | — |"),
        ("three days", "two days"),
    ],
)
def test_another_number_to_beat_is_seen(old, new):
    assert README.count(old) == 1
    assert differing(README.replace(old, new))[0]


def test_the_numbers_to_beat_name_every_system_and_time():
    keys = {key for table in tables_of(README) for row in table for _, key, _ in numbers_of(row)}
    systems = ("Gupta", "Liu", "Tighe", "Farabet", "Pinheiro", "O2P", "CFM", "SDS", "R-CNN")
    assert all(any(f"/{name}" in key for key in keys) for name in systems)
    complete = ("table1/FCN-A", "table1/FCN-G", "table3/", "section3_1/", "training_cost/", "appendix_a/")
    for start in complete:
        wanted = {key for key, _ in raw_claims() if key.startswith(f"cvpr2015/{start}")}
        assert wanted and wanted <= keys
