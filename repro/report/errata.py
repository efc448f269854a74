"""Where the paper or its retellings contradict themselves, and what our measurements say of it."""

from collections.abc import Sequence
from functools import partial

import pandas as pd

from repro.records import AnyRecord
from repro.report.claims import Claims, lookup
from repro.report.contradictions import Contradiction, of_its_sentences, of_retellings, of_the_paper
from repro.report.document import MISSING, Cell, Column, Document, Section
from repro.report.layouts import LAYOUTS
from repro.report.timing.rules import TABLE1
from repro.report.upper_bounds_table import COMMAND

INTRODUCTION = (
    "*printed*: the statement's own number, as printed. What contradicts it is computed from other printed numbers, "
    "which the last table lists, or stands in the paper's text. *what our measurement says*: from this suite's "
    f"records; {MISSING} where it has not been measured, empty where nothing that it measures decides it.",
)
SENTENCES = "Each is what the printed numbers give, whether or not the paper computed it so."
TIMES = (
    "Times are compared within one run on one device: the medians of the plain nets at 500x500, one image, fp32. A "
    "ratio says nothing of the paper's GPU."
)


def document(claims: Claims, records: Sequence[AnyRecord]) -> Document:
    """The errata: each statement, what contradicts it, and what was measured; then every claim that this takes.

    Raises:
        UserError: a claim that they show is not among `claims`, or a record of upper bounds contradicts itself.
    """
    find = partial(lookup, claims, "errata")
    groups = {
        "The paper against itself": (of_the_paper(find, records), "what contradicts it", TIMES),
        "Sentences of the paper, by the numbers of its tables": (
            of_its_sentences(find, records),
            "from its tables",
            SENTENCES,
        ),
        "Re-implementations and retellings against the paper": (of_retellings(find), "what contradicts it", ""),
    }
    found = [one for group, _, _ in groups.values() for one in group]
    decidable = [one for one in found if one.answer.records or one.answer.text == MISSING]
    return Document(
        name="errata",
        title="Errata",
        summary="Where the paper, its re-implementations or its retellings contradict what is printed or measured",
        command=f"{COMMAND}; {TABLE1.command}; {LAYOUTS['voc2011'].command}",
        introduction=INTRODUCTION,
        sections=(*(_section(title, *group) for title, group in groups.items()), _claims(found)),
        frame=_frame(found),
        measured=sum(bool(one.answer.records) for one in decidable),
        cells=len(decidable),
    )


def _section(title: str, found: Sequence[Contradiction], against: str, note: str) -> Section:
    rows = tuple(
        (
            Cell(one.statement),
            Cell(one.printed.printed, claim=one.printed.key) if one.printed else Cell(""),
            Cell(one.where),
            Cell(one.against),
            Cell(one.answer.text, records=one.answer.records),
        )
        for one in found
    )
    columns = _columns("statement", "printed", "where", against, "what our measurement says")
    return Section(title, columns, rows, (note,) if note else ())


def _claims(found: Sequence[Contradiction]) -> Section:
    """The claims that stand against the statements, each as printed and where."""
    rows = tuple(
        (Cell(one.statement), Cell(f"`{c.key}`"), Cell(c.column), Cell(c.printed, claim=c.key), Cell(c.locator))
        for one in found
        for c in one.others
    )
    return Section("The claims that this takes", _columns("statement", "claim", "column", "printed", "where"), rows)


def _columns(*headings: str) -> tuple[Column, ...]:
    return tuple(Column(heading, "right" if heading == "printed" else "left") for heading in headings)


def _frame(found: Sequence[Contradiction]) -> pd.DataFrame:
    """A line a number: printed, computed from printed ones, or measured (nan where it was not)."""
    lines: list[tuple[str, str, str, str, str, float | None, str]] = []
    for one in found:
        for claim in [one.printed, *one.others]:
            if claim:
                lines.append((one.statement, "printed", claim.column, claim.key, claim.printed, claim.value, ""))
        lines += [(one.statement, "computed", name, "", "", value, "") for name, value in one.computed.items()]
        if one.answer.records or one.answer.text == MISSING:
            lines.append((one.statement, "measured", "", "", "", one.answer.value, " ".join(one.answer.records)))
    frame = pd.DataFrame(lines, columns=["statement", "source", "name", "key", "claim", "value", "records"])
    return frame.astype({"value": float})
