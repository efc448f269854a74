"""The tables of scores: a layout, joined with claims and evaluations, as a document."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import pandas as pd

from repro.records import AnyRecord, Record
from repro.report import ranks
from repro.report.claims import Claims
from repro.report.document import MISSING, Cell, Column, Document, Section
from repro.report.frame import Built, build
from repro.report.layouts import HEADINGS, SELECTIONS, Block, Layout
from repro.report.layouts.selections import is_released

NOTES = {
    "printed": f"As printed, scores in percent; {MISSING} where the source prints no number.",
    "scores": "In percent: mean over seeds, ± standard deviation where there is more than one "
    "[95% bootstrap over images, seeds held fixed].",
}
CLAIMS = (
    "*claim*: as printed, in percent. *ours*: from this suite's records, ± standard deviation over seeds where "
    "there is more than one. *95% interval*: bootstrap over the test images, seeds held fixed. *difference*: ours - "
    "claim. *verdict*: where the claim lies against our interval."
)
Line = dict[Any, Any]  # one of the frame
TEXT = ("net", "metric", "verdict")  # columns of words


def document(layout: Layout, claims: Claims, records: Sequence[AnyRecord]) -> Document:
    """A layout as a document: its blocks with their footnotes and records, then its statements about order.

    Raises:
        UserError: the layout shows a claim that is not among `claims`, or a record lacks its per-image file.
    """
    built = build(layout, claims, [record for record in records if isinstance(record, Record)])
    numbers, answerable = _distinct(built), _distinct(built, claims=True)
    sections = [_section(built, block) for block in layout.blocks]
    if layout.ranks:
        sections.append(ranks.section(layout, claims, built.taken))
    return Document(
        name=layout.name,
        title=layout.title,
        summary=layout.summary,
        command=layout.command,
        introduction=(CLAIMS,) if any(block.shape == "claims" for block in layout.blocks) else (),
        sections=tuple(sections),
        frame=built.frame,
        measured=sum(numbers.values()),
        cells=len(numbers),
        answered=sum(answerable.values()),
        claims=len(answerable),
    )


def _distinct(built: Built, claims: bool = False) -> dict[Any, bool]:
    """Every number that this suite is to measure, once however many blocks show it, and whether it is measured.

    Args:
        claims: only numbers that answer a claim.
    """
    found: dict[Any, bool] = {}
    for block in (block for block in built.layout.blocks if block.shape != "printed"):
        for row in (row for row in block.rows if row.claim or not claims):
            for metric in block.columns(row):
                scored = (block.selection, block.absent, block.classes, block.without)
                key = (row.claim if claims else row.experiment, metric, *scored)
                found[key] = bool(built.taken[block.title, row.label])
    return found


def _section(built: Built, block: Block) -> Section:
    rows = built.frame[built.frame["block"] == block.title]
    headings, cells = _claims(block, rows) if block.shape == "claims" else _wide(block, rows)
    columns = tuple(Column(heading, "left" if heading in TEXT else "right") for heading in headings)
    notes = [NOTES[block.shape]] if block.shape in NOTES else []
    notes += block.footnotes
    if block.shape != "printed":
        notes += _sources(built, block)
    return Section(block.title, columns, tuple(map(tuple, cells)), tuple(notes))


def _claims(block: Block, rows: pd.DataFrame) -> tuple[list[str], list[list[Cell]]]:
    """A line for each net and metric: the claim beside the measurement."""
    headings = ["net", *(HEADINGS[column] for column in block.printed_only)]
    headings += ["metric", "claim", "ours", "95% interval", "difference", "verdict"]
    lines = []
    for key, found in _by_net(rows).items():
        for metric in block.metrics:
            line = found[metric]
            records = tuple(line["records"].split())
            cells = [Cell(line["net"]), *(Cell(found[c]["claim"], claim=key) for c in block.printed_only)]
            cells += [Cell(HEADINGS[metric]), Cell(line["claim"], claim=key)]
            measured = (_ours(line), _interval(line), _signed(line["difference"]), line["verdict"])
            lines.append([*cells, *(Cell(text, records=records) for text in measured)])
    return headings, lines


def _wide(block: Block, rows: pd.DataFrame) -> tuple[list[str], list[list[Cell]]]:
    """A line for each net, a column for each metric: all measured, or all as printed."""
    measured = block.shape == "scores"
    headings = ["net", *(["seeds"] if measured else []), *(HEADINGS[metric] for metric in block.metrics)]
    lines = []
    for key, found in _by_net(rows).items():
        first = next(iter(found.values()))
        records = tuple(first["records"].split())
        cells = [Cell(first["net"])]
        if measured:
            cells.append(Cell(str(first["seeds"] or MISSING), records=records))
        for metric in block.metrics:
            if metric not in found:  # the net has no such number, or its source prints none
                cells.append(Cell("" if measured else MISSING))
            elif measured:
                cells.append(Cell(_score(found[metric]), records=records))
            else:
                cells.append(Cell(found[metric]["claim"], claim=key))
        lines.append(cells)
    return headings, lines


def _by_net(rows: pd.DataFrame) -> dict[str, dict[str, Line]]:
    """The lines of each net: its key -> metric -> line."""
    found: dict[str, dict[str, Line]] = {}
    for line in rows.to_dict("records"):
        found.setdefault(line["key"], {})[line["metric"]] = line
    return found


def _ours(line: Line) -> str:
    if pd.isna(line["ours"]):
        return MISSING
    return f"{line['ours']:.2f}" + ("" if pd.isna(line["sd"]) else f" ± {line['sd']:.2f}")


def _score(line: Line) -> str:
    return MISSING if pd.isna(line["ours"]) else f"{_ours(line)} [{line['low']:.2f}, {line['high']:.2f}]"


def _interval(line: Line) -> str:
    return MISSING if pd.isna(line["low"]) else f"{line['low']:.2f} to {line['high']:.2f}"


def _signed(value: float) -> str:
    return MISSING if pd.isna(value) else f"{round(value, 2) + 0.0:+.2f}"


def _sources(built: Built, block: Block) -> list[str]:
    """Which records fed a block, by which rule, and which answered it but were left out."""
    rule = SELECTIONS[block.selection]
    taken = list(chain.from_iterable(built.taken[block.title, row.label] for row in block.rows))
    left_out = built.left_out[block.title]
    notes = [f"No records yet: run `{block.command or built.layout.command}` (takes `{rule.name}`: {rule.text})."]
    if taken:
        notes = [
            f"Records taken (`{rule.name}`: {rule.text}):",
            "\n".join(f"- `{r.id}`: {_commit(r)}, {r.provenance['device']}, {_images(r)}{_weights(r)}" for r in taken),
        ]
    if left_out:
        notes += ["Left out:", "\n".join(f"- `{record.id}`: {reason}" for record, reason in left_out)]
    return notes


def _commit(record: Record) -> str:
    commit, dirty = record.provenance["commit"], record.provenance["dirty"]
    return "no commit" if commit is None else f"commit {commit[:10]}" + (" with changes" if dirty else "")


def _images(record: Record) -> str:
    frame = record.dataset.frame
    return f"{record.dataset.images} images" + (f" of {frame}" if frame else "")


def _weights(record: Record) -> str:
    if not is_released(record):
        return ""
    proof = "" if record.training.get("checksum") == "published" else " (no published checksum to compare it with)"
    return f", released weights, file sha256 {record.training['sha256']}{proof}"
