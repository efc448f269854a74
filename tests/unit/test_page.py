"""The page shows every cell of the documents, leads each to where it comes from, and needs nothing but itself."""

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from drawn_timings import timing, written
from written_records import provenance, put

from repro.errors import UserError
from repro.records import Bound, Bounds, Dataset, read_all_kinds, read_any, write_plain
from repro.report import page, render
from repro.report.claims import checkout, read_claims, read_sources
from repro.report.document import Cell, Column, Document, Section
from repro.report.facts import facts
from repro.report.notes import code_spans, notes


class Page(HTMLParser):
    """The page's parts: tags with their attributes, ids, and the tables as rows of (text, attributes of the links)."""

    def __init__(self, text):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.tables: list[list[list[list]]] = []
        self.cell: list | None = None
        self.words: list[str] = []
        self.feed(text)
        self.ids = [attributes["id"] for _, attributes in self.tags if "id" in attributes]

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.cell = ["", [], attributes]
            self.tables[-1][-1].append(self.cell)
        elif tag == "a" and self.cell is not None:
            self.cell[1].append(attributes)

    def handle_endtag(self, tag):
        if tag in ("td", "th") and self.cell is not None:
            self.cell[0] = " ".join(self.cell[0].split())
            self.cell = None

    def handle_data(self, data):
        self.words.append(data)
        if self.cell is not None:
            self.cell[0] += data

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def document(*sections, name="drawn", verdicts=(), measured=0, cells=0):
    frame = pd.DataFrame({"verdict": list(verdicts)})
    return Document(name, f"About {name}", "What it holds", "repro time", sections, frame, measured, cells)


def section(rows, headings=("net", "claim", "ours"), notes=()):
    return Section("A table", tuple(map(Column, headings)), tuple(map(tuple, rows)), notes)


def shown(*documents, **more):
    return replace(page.Input({"All": documents}, read_claims(), read_sources()), **more)


@pytest.fixture(scope="module")
def committed():
    """The page of what is committed, without figures, and what went into it."""
    folder = checkout("tables", "records")
    groups = render.documents([folder])
    given = page.Input(groups, read_claims(), read_sources(), read_all_kinds(folder))
    return given, page.html(given)


def test_no_cell_is_lost_and_none_is_added(committed):
    given, text = committed
    tables = Page(text).tables[1:]  # the first is the summary
    sections = [s for group in given.groups.values() for d in group for s in d.sections if s.columns]
    assert len(tables) == len(sections) > 10
    for table, expected in zip(tables, sections, strict=True):
        width = len(expected.columns)
        plain = [[" ".join(cell.text.replace("`", "").split()) for cell in row] for row in expected.rows]
        assert [[cell[0] for cell in row[:width]] for row in table[1:]] == plain
        assert all(len(row) in (width, width + 1) for row in table)


def test_every_claim_leads_to_its_source_and_every_measurement_to_its_record(committed):
    given, text = committed
    found = Page(text)
    sections = [s for group in given.groups.values() for d in group for s in d.sections if s.columns]
    claims = measured = 0
    for table, expected in zip(found.tables[1:], sections, strict=True):
        for line, row in zip(table[1:], expected.rows, strict=True):
            for (_, links, _), cell in zip(line, row, strict=False):
                if cell.text in ("", "—"):
                    assert not links
                elif cell.claim:
                    claims += 1
                    source = given.sources[cell.claim.split("/")[0]]
                    assert links[0]["href"] in (source.address, f"#source-{source.name}")
                    assert source.citation in links[0]["title"]
                    where = [c.locator for (key, _), c in given.claims.items() if key == cell.claim]
                    assert any(locator in links[0]["title"] for locator in where)
                elif cell.records:
                    measured += 1
                    assert links[0]["href"] == f"#record-{cell.records[0]}"
            if len(line) > len(row):
                every = dict.fromkeys(record for cell in row for record in cell.records)
                assert [link["href"] for link in line[-1][1]] == [f"#record-{record}" for record in every]
    assert claims > 200 and measured > 20


def test_the_page_asks_for_nothing_and_its_anchors_exist(committed):
    _, text = committed
    found = Page(text)
    assert len(found.ids) == len(set(found.ids))
    for tag, attributes in found.tags:
        address = attributes.get("href", "")
        if tag == "a" and address:
            assert address.startswith("https://") or address[1:] in found.ids, address
        elif tag == "link":
            assert address == "data:,"
        assert attributes.get("src", "data:").startswith("data:")
        assert not {"srcset", "action", "style", "onclick", "onload"} & attributes.keys()
    policies = [a["content"] for tag, a in found.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1 and policies[0].startswith("default-src 'none'; img-src data:;")
    assert "@import" not in text and "url(" not in text and "fetch(" not in text


def test_equal_inputs_are_equal_bytes(committed):
    given, text = committed
    assert page.html(given) == text
    assert str(checkout()) not in text


def test_the_summary_counts_what_the_documents_say():
    verdicts = ["inside"] * 3 + ["above"] * 2 + ["below"] + ["not measured"] * 7 + ["no claim", "printed only"]
    first = document(name="first", verdicts=verdicts, measured=8, cells=15)
    second = document(name="second", verdicts=["inside"], measured=1, cells=4)
    found = Page(page.html(shown(first, second)))
    assert "measured 9 of the 19 numbers that it is to measure (all: 9 of 19)." in found.text
    assert "Of 7 printed claims with a measurement beside them, 4 lie inside our 95% interval, 2 above it" in found.text
    assert "and 1 below it; 7 are not measured." in found.text
    assert [cell[0] for cell in found.tables[0][1]] == ["About first", "8", "15", "3", "2", "1", "repro time"]
    nothing = Page(page.html(shown(document(verdicts=["not measured"], cells=1)))).text
    assert "measured 0 of the 1 numbers" in nothing and "No printed claim has a measurement beside it yet." in nothing


def test_what_is_written_is_shown_and_not_obeyed(tmp_path):
    hostile = "<script>alert(1)</script><img src=http://x.invalid/a.png>"
    note = f"{hostile} ![a](http://x.invalid/b.png) [c](javascript:alert(1)) [d](file:///etc/passwd) *e*"
    cited = {name: replace(source, citation=f'"{hostile}') for name, source in read_sources().items()}
    line = [Cell(hostile), Cell("`<b>`"), Cell("9", claim="cvpr2015/table2/FCN-8s")]
    made = replace(document(section([line], ("`<i>`", "b", hostile), notes=(note,))), title=hostile, summary=hostile)
    run = written(replace(timing(), provenance=provenance() | {"command": [hostile]}), tmp_path)
    text = page.html(shown(made, sources=cited, records=[run]))
    found = Page(text)
    assert [tag for tag, _ in found.tags].count("script") == 1 and not [1 for tag, _ in found.tags if tag == "img"]
    assert found.tables[1][1][0][0] == hostile and "<code>&lt;b&gt;</code>" in text and "<em>e</em>" in text
    assert found.text.count(hostile) > 8
    assert not [a for _, a in found.tags if re.match("javascript:|file:", a.get("href", ""))]


def test_notes_lead_to_documents_and_records_of_the_page():
    text = str(
        notes(["[VOC](voc2011.md), [no](gone.md), [web](https://a.invalid)", "- `r.1`\n- `x`"], ["voc2011"], ["r.1"])
    )
    assert '<a href="#voc2011">VOC</a>' in text and "<a>no</a>" in text and '<a href="https://a.invalid">' in text
    assert '<a class="ours" href="#record-r.1"><code>r.1</code></a>' in text and "<li><code>x</code></li>" in text
    assert code_spans("a_b `c*d*` <e>") == "a_b <code>c*d*</code> &lt;e&gt;"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("62.7", 62.7),
        ("-0.41", -0.41),
        ("+1.20", 1.2),
        ("−3", -3),
        ("1,234.5", 1234.5),
        ("42.70 ± 3.59 [40.79, 44.53]", 42.7),
        ("12%", 12),
        ("~175 ms", 175),
        ("1.54x", 1.54),
        ("57M", 57),
        ("1e-06", 1e-6),
        ("90.10 to 91.40", 90.1),
        ("20 of 171", 20),
        (".5", 0.5),
        ("—", None),
        ("", None),
        ("FCN-32s", None),
        ("only 70%", None),
        ("99b312c01c", None),
        ("2.11.0", None),
        ("not measured", None),
    ],
)
def test_the_number_that_a_cell_begins_with(text, value):
    assert page.number(text) == (None if value is None else pytest.approx(value))


def test_any_number_that_is_printed_is_read_back():
    rng = np.random.default_rng(0)
    for value in [*rng.normal(0, 1e4, 200), *rng.normal(0, 1, 200), *rng.integers(-9999, 9999, 50)]:
        for printed in (f"{value:,.2f}", f"{value:+.3f} ms", f"{value:.1f} ± 0.3", f"{value:.1f}%"):
            assert page.number(printed) == pytest.approx(value, abs=0.051)


def test_a_column_is_sorted_by_number_only_where_all_of_it_is_numbers():
    rows = [
        [Cell("32s"), Cell("—"), Cell("10")],
        [Cell("8s"), Cell("1,000"), Cell("ten")],
        [Cell("a"), Cell("9"), Cell("")],
    ]
    content = page.table(section(rows), read_claims(), read_sources(), set())
    assert [[cell["sort"] for cell in line["cells"]] for line in content["lines"]] == [
        [None, "", None],
        [None, 1000, None],
        [None, 9, ""],
    ]


def test_a_record_says_what_it_is(tmp_path):
    scored = put(tmp_path, seed=7, dirty=True)
    timed = written(timing(seconds={"forward": [0.1, 0.3, 0.2]}, work={"flop": 3.6e11}), tmp_path)
    spent = written(timing(seconds={}, batch=32), tmp_path)
    sizes = Bound({"down": "nearest"}, 8, [1, 2], [3, 4], [5, 6])
    data = Dataset("voc2011", "seg11valid", 736, "0" * 64, "0" * 64, {"semantic": ["a", "b"]})
    bounds = read_any(write_plain(Bounds(data, [sizes], timed.provenance), tmp_path))
    assert facts(scored)["commit"] == "0123456789abcdef, with changes" and facts(timed)["commit"] == "0123456789abcdef"
    assert facts(scored) | {
        "experiment": scored.experiment,
        "n": "40 images",
        "weights sha256": "b" * 64,
        "trained": "100 iterations, seed 7",
    } == facts(scored)
    assert facts(timed)["forward"] == "median 200 ms, n = 3 trials" and "batch 1" in facts(timed)["settings"]
    assert facts(spent)["outcome"] == "out of memory" and "flop 3.6e+11" in facts(timed)["beside the times"]
    assert facts(bounds)["n"] == "736 images"
    found = Page(page.html(shown(document(), records=[scored, timed, spent, bounds])))
    assert {f"record-{record.id}" for record in (scored, timed, spent, bounds)} < set(found.ids)
    for record in (scored, timed, spent, bounds):
        for name, words in facts(record).items():
            assert name in found.text and " ".join(words.split()) in found.text


def test_a_cell_of_a_record_that_the_page_lacks_has_no_link():
    made = document(section([[Cell("a"), Cell("1", claim="cvpr2015/table2/FCN-8s"), Cell("2", records=("gone",))]]))
    line = Page(page.html(shown(made))).tables[1][1]
    assert [len(cell[1]) for cell in line] == [0, 1, 0]


def test_the_whole_report_without_torch(tmp_path):
    """Twice the same, figures and all, in a process that has loaded neither torch nor mmseg."""
    put(tmp_path / "records")
    written(timing(), tmp_path / "records")
    code = (
        "import sys; from repro.report.page import report; "
        f"[report({str(tmp_path)!r} + '/' + out, {str(tmp_path)!r}, [{str(tmp_path / 'records')!r}]) for out in 'ab']; "
        "assert not {'torch', 'mmseg', 'mmengine'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
    made = {path.relative_to(tmp_path / "a"): path.read_bytes() for path in (tmp_path / "a").rglob("*.*")}
    assert made == {path.relative_to(tmp_path / "b"): path.read_bytes() for path in (tmp_path / "b").rglob("*.*")}
    assert sorted({path.suffix for path in made}) == [".html", ".png", ".svg"]
    assert (tmp_path / "a" / "index.html").read_text().count('<img src="data:image/svg+xml;base64,') == len(made) // 2


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        page.report(tmp_path / "file", tmp_path, [tmp_path / "none"])
