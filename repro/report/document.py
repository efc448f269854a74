"""What a page of `tables/` holds, whatever it is printed as: Markdown, LaTeX, HTML."""

from dataclasses import dataclass, field
from typing import Literal

import pandas as pd

MISSING = "—"
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Cell:
    """What one cell says, and what it says it by.

    Attributes:
        text: as printed.
        claim: the key `source/table/row` of the claim that it prints; empty where it prints none.
        records: ids of the records that it was computed from.
    """

    text: str
    claim: str = ""
    records: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column:
    """A column's heading, and the side that its cells keep to: numbers to the right."""

    heading: str
    align: Literal["left", "right"] = "right"


@dataclass(frozen=True)
class Section:
    """A heading, a table, and what stands under it.

    Attributes:
        rows: as many cells each as there are columns; a section without columns is text alone.
        notes: paragraphs of Markdown: emphasis, `code`, [links](address), and lists of lines that begin with "- ".
    """

    title: str
    columns: tuple[Column, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Document:
    """A file of `tables/`: what it is called, its sections, and all its numbers as a tidy frame.

    Attributes:
        name: of the file, without its ending.
        title, summary: for the page and for the index.
        command: what measures it.
        introduction: paragraphs above the sections, as a section's notes.
        frame: one line a number, for the CSV and for `repro.report.table`.
        measured, cells: how many of the numbers this suite is to measure it has measured.
        answered, claims: of how many printed claims that a record of their own recipe can answer there is one.
    """

    name: str
    title: str
    summary: str
    command: str
    sections: tuple[Section, ...]
    frame: pd.DataFrame = field(repr=False)
    measured: int
    cells: int
    answered: int = 0
    claims: int = 0
    introduction: tuple[str, ...] = ()
