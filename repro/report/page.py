"""The documents of `tables/` and the figures as one HTML page that needs nothing but itself."""

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from repro.files import atomic
from repro.records import AnyRecord
from repro.report import gallery, render
from repro.report.claims import Claims, Source, read_sources
from repro.report.document import MISSING, NOT_MEASURED, Cell, Document, Section
from repro.report.facts import facts
from repro.report.gallery import Drawn
from repro.report.notes import code_spans, notes

VERDICTS = ("inside", "above", "below")
STATES = (
    *VERDICTS,
    NOT_MEASURED,
    "holds",
    "does not hold",
    "undecided",
)  # words that a cell shows as a mark
LONG = 32  # characters from which a cell's text runs over several lines
MEDIA = {".svg": "image/svg+xml", ".png": "image/png"}
NUMBER = re.compile(
    r"[~≈<>≤≥]?\s*([+\-−]?(?:\d[\d,]*)?\.?\d+(?:e[+-]?\d+)?)\s?[A-Za-zµ%×]{0,3}(?![\w.])", re.IGNORECASE
)


@dataclass(frozen=True)
class Input:
    """All that the page shows.

    Attributes:
        groups: documents by headings, as `repro.report.render.documents` gives them.
        claims, sources: what the documents' claims are, and who printed them.
        records: of all kinds; every one gets an entry that cells link to.
        figures: by headings, as `repro.report.gallery.draw` gives them.
    """

    groups: Mapping[str, Sequence[Document]]
    claims: Claims
    sources: Mapping[str, Source]
    records: Sequence[AnyRecord] = ()
    figures: Mapping[str, Sequence[Drawn]] = field(default_factory=dict)


def report(
    out: Path | str,
    work_dirs: Path | str,
    records_folders: Iterable[Path | str] | None = None,
    claims_folder: Path | str | None = None,
) -> Path:
    """Write `<out>/index.html`, and each of its figures to `<out>/figures`.

    Args:
        work_dirs: folder of runs, for training curves and predictions; need not exist.
        records_folders: where records lie; the default is the checkout's `tables/records`.
        claims_folder: the default is the checkout's `baselines/claims`.

    Returns:
        The path of the page.

    Raises:
        UserError: a claim, a record or a run cannot be read, or the folder cannot be written.
    """
    path = Path(out) / "index.html"
    text = html(gather(out, work_dirs, records_folders, claims_folder))
    with atomic(path) as temporary:
        temporary.write_bytes(text.encode())
    return path


def gather(
    out: Path | str,
    work_dirs: Path | str,
    records_folders: Iterable[Path | str] | None = None,
    claims_folder: Path | str | None = None,
) -> Input:
    """What the page shows; draws the figures. Arguments and errors as for `report`."""
    claims, records = render.inputs(records_folders, claims_folder)
    return Input(
        groups=render.group(claims, records),
        claims=claims,
        sources=read_sources(claims_folder),
        records=records,
        figures=gallery.draw(records, work_dirs, Path(out) / "figures"),
    )


def html(shown: Input) -> str:
    """The page as text, the same for the same input."""
    ids = {record.id for record in shown.records}
    documents = [document for group in shown.groups.values() for document in group]
    pages = {document.name for document in documents}
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"notes": partial(notes, pages=pages, records=ids), "code_spans": code_spans}
    environment.filters["data_uri"] = data_uri
    counts = {document.name: verdicts(document) for document in documents}
    script = (Path(__file__).parent / "page.js").read_text(encoding="utf-8")
    return environment.get_template("page.html.j2").render(
        groups=shown.groups,
        counts=counts,
        totals={name: sum(count[name] for count in counts.values()) for name in (*VERDICTS, NOT_MEASURED)},
        covered={heading: covered(group) for heading, group in shown.groups.items()},
        measured=covered(documents)[0],
        cells=covered(documents)[1],
        table=lambda section: table(section, shown.claims, shown.sources, ids),
        figures=shown.figures,
        records=[(record, facts(record)) for record in shown.records],
        sources=shown.sources,
        style=Markup((Path(__file__).parent / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_sha256=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def covered(documents: Sequence[Document]) -> tuple[int, int]:
    """How many of their numbers are measured, and how many there are."""
    return sum(document.measured for document in documents), sum(document.cells for document in documents)


def verdicts(document: Document) -> dict[str, int]:
    """How many of a document's claims lie inside, above and below what was measured, and how many are not measured."""
    found = document.frame["verdict"].tolist() if "verdict" in document.frame else []
    return {verdict: found.count(verdict) for verdict in (*VERDICTS, NOT_MEASURED)}


def table(section: Section, claims: Claims, sources: Mapping[str, Source], records: set[str]) -> dict[str, Any]:
    """What the template needs of a section's table: headings, lines of cells, and each line's records.

    A column is numeric where every cell that says something begins with a number, and is sorted by it.
    """
    numeric = [
        all(number(row[index].text) is not None for row in section.rows if not is_missing(row[index].text))
        for index in range(len(section.columns))
    ]
    lines: list[dict[str, list[Any]]] = []
    for row in section.rows:
        cells = [_cell(*pair, claims, sources, records) for pair in zip(row, numeric, strict=True)]
        named = dict.fromkeys(record for cell in row for record in cell.records if record in records)
        lines.append({"cells": cells, "records": list(named)})
    several = any(len(line["records"]) > 1 for line in lines)  # else every cell leads to its one record
    return {"columns": section.columns, "lines": lines, "several": several}


def _cell(
    cell: Cell,
    numeric: bool,
    claims: Claims,
    sources: Mapping[str, Source],
    records: set[str],
) -> dict[str, Any]:
    """A cell, what it links to, and what it is sorted by: None for its text, nothing for a missing one."""
    found: dict[str, Any] = {"text": cell.text, "href": "", "title": "", "kind": ""}
    found["sort"] = "" if is_missing(cell.text) else number(cell.text) if numeric else None
    found["state"] = cell.text if cell.text in STATES else ""
    found["long"] = len(cell.text) > LONG
    known = [record for record in cell.records if record in records]
    if is_missing(cell.text):
        return found
    if cell.claim:
        source = sources[cell.claim.split("/")[0]]
        external = source.address.startswith(("https://", "http://"))
        found |= {"kind": "claim", "href": source.address if external else f"#source-{source.name}"}
        found["title"] = "\n".join(filter(None, (source.citation, *_where(cell, claims))))
    elif known:
        found |= {"kind": "ours", "href": f"#record-{known[0]}", "title": "\n".join(known)}
    return found


def _where(cell: Cell, claims: Claims) -> tuple[str, ...]:
    """Place, condition and note of the claim that a cell prints."""
    of_row = [claim for (key, _), claim in claims.items() if key == cell.claim]
    for claim in sorted(of_row, key=lambda claim: claim.printed != cell.text):
        return claim.locator, claim.condition, claim.note
    return ()


def is_missing(text: str) -> bool:
    """Whether a cell says nothing."""
    return text.strip() in ("", MISSING)


def number(text: str) -> float | None:
    """The number that a cell begins with, as 1234.5 of `1,234.5 ± 0.3 ms`; None where it begins with none."""
    match = NUMBER.match(text.strip())
    return float(match[1].replace(",", "").replace("−", "-")) if match else None


def data_uri(path: Path) -> str:
    """A picture as an address that holds it."""
    return f"data:{MEDIA[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode()}"
