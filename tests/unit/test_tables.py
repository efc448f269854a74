"""`repro tables` in a checkout of its own, and every table parsed back: no claim lost, no change unseen."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from written_records import CLAIMS, draw, parse_lines, put, put_bounds, put_timing, raw_claims

import repro
from repro import records
from repro.cli import main
from repro.records import Bounds, Record
from repro.report import markdown, render
from repro.report.claims import checkout, read_claims
from repro.report.layouts import LAYOUTS
from repro.report.layouts.pascal_context import CONTEXT_33

ROOT = checkout()
SAMPLES = ("voc2011", "nyudv2", "siftflow", "pascal_context")
SUFFIXES = ("md", "csv", "tex")
UNSHOWN: dict[str, str] = {}  # keys of claims that no table shows, each with the reason


@pytest.fixture
def suite(tmp_path):
    """A checkout with this code and these claims, and without a record."""
    (tmp_path / "repro").symlink_to(ROOT / "repro")
    shutil.copytree(CLAIMS, tmp_path / "baselines" / "claims")
    (tmp_path / "tables" / "records").mkdir(parents=True)
    return tmp_path


@pytest.fixture
def tables(suite, monkeypatch, capsys):
    """Run `repro tables` in that checkout, in this process; returns what it says on stderr."""

    def run(*options, code=0):
        monkeypatch.setattr(repro, "__file__", str(suite / "repro" / "__init__.py"))
        monkeypatch.setattr(sys, "argv", ["repro", "tables", *options])
        with pytest.raises(SystemExit) as stop:
            main()
        assert (stop.value.code or 0) == code
        return capsys.readouterr().err

    return run


def run_alone(suite):
    """`repro tables` in a process of its own that says which of the heavy packages it loaded."""
    code = (
        "import sys\nfrom repro.cli import main\ntry:\n    main()\nfinally:\n"
        "    print(sorted({'torch', 'torchvision', 'mmseg', 'mmengine', 'mmcv'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, "tables"]
    done = subprocess.run(command, cwd=suite, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def files_of(suite):
    return {path.name for path in (suite / "tables").iterdir() if path.is_file()}


def draw_all(folder):
    for name in SAMPLES:
        draw(folder, LAYOUTS[name], ("background", *CONTEXT_33) if name == "pascal_context" else "abcd")


# from no record, from drawn ones


def test_without_records_every_table_stands_with_its_claims(suite):
    run_alone(suite)
    always = [name for name in render.MAKERS if name not in render.ON_SAMPLE]
    assert files_of(suite) == {"README.md", *(f"{name}.{suffix}" for name in always for suffix in SUFFIXES)}
    printed = raw_claims()
    for name in always:
        text = (suite / "tables" / f"{name}.md").read_text(encoding="utf-8")
        cells = [cell for lines in parse_lines(text).values() for line in lines for cell in line]
        assert "—" in cells
        document = render.MAKERS[name](read_claims(), [])
        shown = {cell.claim for section in document.sections for row in section.rows for cell in row if cell.claim}
        for key in shown:
            assert {value for (found, _), value in printed.items() if found == key} & set(cells)
    assert "0 of" in (suite / "tables" / "README.md").read_text(encoding="utf-8")


def test_records_of_the_four_samples_fill_four_tables_more(suite, tables):
    drawn = {f"{name}.{suffix}" for name in render.ON_SAMPLE for suffix in SUFFIXES}
    draw_all(suite / "tables" / "records" / "desk")
    run_alone(suite)
    assert drawn <= files_of(suite)
    index = (suite / "tables" / "README.md").read_text(encoding="utf-8")
    for name in render.ON_SAMPLE:
        assert f"]({name}.md)" in index
        text = (suite / "tables" / f"{name}.md").read_text(encoding="utf-8")
        assert "—" not in text and "no claim of any paper" in text
    # and go when their records go
    shutil.rmtree(suite / "tables" / "records" / "desk")
    assert "\n--- tables/sample_nyudv2.md\n" in tables("--check", code=2)
    assert drawn <= files_of(suite)
    tables()
    assert not drawn & files_of(suite)
    tables("--check")


def test_what_is_no_table_stays(suite, tables):
    """Only files that this command writes are removed."""
    kept = [suite / "tables" / name for name in ("notes.md", "sample_voc2011.png", "sample_of_mine.csv")]
    for path in kept:
        path.write_text("mine")
    tables()
    assert all(path.read_text() == "mine" for path in kept)


# records that are refused


def of_kind(kind, folder):
    """A written record of a kind; returns its file."""
    if kind == "evaluation":
        record = put(folder)
        return folder / f"{record.id}.json"
    return (put_timing if kind == "timing" else put_bounds)(folder)


NUMBER = {"evaluation": '"iterations": 100', "timing": '"batch": 1', "upper_bounds": '"factor": 128'}


@pytest.mark.parametrize("kind", NUMBER)
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("tampered", "does not match its digest"),
        ("newer", "schema 99 is newer"),
        ("twice", "keep one of the two"),
        ("NaN", "holds NaN"),
        ("-Infinity", "holds -Infinity"),
        ("1e999", "is not a finite number"),
    ],
)
def test_a_broken_record_is_refused_by_name_and_nothing_is_written(suite, tables, kind, fault, message):
    folder = suite / "tables" / "records"
    path = of_kind(kind, folder / "desk")
    text, name = path.read_text(encoding="utf-8"), NUMBER[kind]
    assert name in text
    if fault == "twice":
        shutil.copytree(folder / "desk", folder / "other")
    elif fault == "newer":
        path.write_text(json.dumps({**json.loads(text), "schema": 99}), encoding="utf-8")
    else:
        value = "101" if fault == "tampered" else fault
        path.write_text(text.replace(name, f"{name.split(':')[0]}: {value}", 1), encoding="utf-8")
    (line,) = tables(code=2).splitlines()
    assert path.stem in line and message in line
    assert files_of(suite) == set()


# every table, parsed back


@pytest.fixture(scope="module")
def committed():
    """The claims, the committed records and what they render: name -> (document, Markdown)."""
    claims, found = read_claims(), records.read_all_kinds(ROOT / "tables" / "records")
    documents = [make(claims, found) for make in render.MAKERS.values()]
    return claims, found, {document.name: (document, markdown.page(document)) for document in documents}


def test_every_cell_is_in_the_markdown_and_every_claim_as_printed(committed):
    _, _, pages = committed
    printed: dict[str, set[str]] = {}
    for (key, _), value in raw_claims().items():
        printed.setdefault(key, set()).add(value)
    for document, page in pages.values():
        parsed = parse_lines(page)
        assert list(parsed) == [section.title for section in document.sections]
        for section in document.sections:
            headings = [[column.heading for column in section.columns]] if section.columns else []
            assert parsed[section.title] == [*headings, *([cell.text for cell in row] for row in section.rows)]
            for cell in (cell for row in section.rows for cell in row if cell.claim):
                assert cell.text in printed[cell.claim]


def test_every_claim_stands_in_a_table(committed):
    _, _, pages = committed
    shown = {
        (cell.claim, cell.text)
        for document, _ in pages.values()
        for section in document.sections
        for row in section.rows
        for cell in row
        if cell.claim
    }
    missing = {key: column for (key, column), value in raw_claims().items() if (key, value) not in shown}
    assert missing.keys() == UNSHOWN.keys()
    in_frames = {key for document, _ in pages.values() for key in document.frame.get("key", [])}
    assert {key for key, _ in shown} <= in_frames | UNSHOWN.keys()


def test_a_change_to_any_claim_changes_a_table(committed):
    claims, _, _ = committed
    bare = {name: make(claims, []) for name, make in render.MAKERS.items()}
    pages = {name: markdown.page(document) for name, document in bare.items()}
    keys = {
        name: {cell.claim for section in document.sections for row in section.rows for cell in row}
        for name, document in bare.items()
    }
    for claim, found in claims.items():
        doctored = {**claims, claim: replace(found, printed=f"{found.printed}7")}
        changed = []
        for name in [name for name in pages if found.key in keys[name]]:
            page = markdown.page(render.MAKERS[name](doctored, []))
            if page != pages[name]:
                assert page.count(f"{found.printed}7") > pages[name].count(f"{found.printed}7")
                changed.append(name)
        assert changed or found.key in UNSHOWN, f"{claim} is in no table"


def reissue(record, folder):
    """The record as another measurement would have left it: one number changed, and written by the suite."""
    if isinstance(record, Record):
        images = {head: record.images(head) for head in record.confusion}
        head = sorted(images)[0]
        count = images[head].count + (np.arange(len(images[head].count)) == 0)
        images[head] = replace(images[head], count=count)
        totals = {name: found.total() for name, found in images.items()}
        return records.read(records.write(replace(record, confusion=totals), images, folder))
    if isinstance(record, Bounds):
        first = record.bounds[0]
        bounds = [replace(first, hit=[first.hit[0] - 1, *first.hit[1:]]), *record.bounds[1:]]
        return records.read_any(records.write_plain(replace(record, bounds=bounds), folder))
    seconds = {name: [1.01 * trial for trial in trials] for name, trials in record.seconds.items()}
    work = record.work | {"flop": record.work.get("flop", 0) + 1}
    return records.read_any(records.write_plain(replace(record, seconds=seconds, work=work), folder))


def test_a_change_to_any_committed_record_changes_a_table(committed, tmp_path):
    claims, found, pages = committed
    assert found
    for record in found:
        others = [reissue(record, tmp_path) if other is record else other for other in found]
        naming = [name for name, (_, page) in pages.items() if record.id in page]
        assert naming, f"{record.id} feeds no table, and none says why"
        assert any(markdown.page(render.MAKERS[name](claims, others)) != pages[name][1] for name in naming)


def test_a_change_to_a_record_fails_the_check(suite, tables):
    folder = suite / "tables" / "records"
    record = put(folder / "desk")
    plain = [put_timing(folder / "desk"), put_bounds(folder / "desk")]
    tables()
    tables("--check")
    for before in (record, *map(records.read_any, plain)):
        reissue(before, folder / "desk")
        for path in (folder / "desk").glob(f"{before.id}.*"):
            path.unlink()
        assert "not up to date" in tables("--check", code=2)
        tables()
