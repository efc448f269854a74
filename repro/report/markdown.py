"""Documents become Markdown. Deterministic to the byte: no times, paths or locale."""

from collections.abc import Mapping, Sequence

from tabulate import tabulate

from repro.report.document import MISSING, Document, Section

INDEX = ("table", "holds", "claims answered", "measured", "filled by")


def page(document: Document) -> str:
    """A document as a page: what it is, then each table and what stands under it."""
    parts = [f"# {document.title}", about(document), *document.introduction]
    for section in document.sections:
        parts.append(f"## {section.title}")
        parts += [_table(section)] if section.columns else []
        parts += section.notes
    return "\n\n".join(parts) + "\n"


def about(document: Document) -> str:
    """What a document is and what measures it: a paragraph of Markdown."""
    return f"{document.summary}." + (f" Measured by `{document.command}`." if document.command else "")


def index(groups: Mapping[str, Sequence[Document]]) -> str:
    """The README of the folder: under each heading its tables, how much of them is measured, and by which command."""
    parts = [
        "# Tables",
        "Rendered by `repro tables` from `baselines/claims/` and `records/`; not written by hand. Beside each page "
        "stand a CSV of its numbers, less the statements about order, and a LaTeX file of the same tables. `repro "
        "tables --check` says whether they are up to date.",
        "*claims answered*: of the printed claims that a record of their own recipe can answer, those that have one; "
        f"{MISSING} where no experiment repeats a recipe, so that what is measured answers no claim.",
    ]
    for title, documents in groups.items():
        lines = [
            [
                f"[{document.title}]({document.name}.md)",
                document.summary,
                f"{document.answered} of {document.claims}" if document.claims else MISSING,
                f"{document.measured} of {document.cells} cells" if document.cells else MISSING,
                f"`{document.command}`" if document.command else MISSING,
            ]
            for document in documents
        ]
        parts += [
            f"## {title}",
            tabulate(lines, INDEX, tablefmt="pipe", disable_numparse=True),
        ]
    parts.append(
        "`records/<machine>/` holds what this suite measured, as written: one JSON a measurement and, beside an "
        "evaluation's, its per-image confusion matrices. `repro publish` takes them in. Records are append-only."
    )
    return "\n\n".join(parts) + "\n"


def _table(section: Section) -> str:
    lines = [[cell.text.replace("|", "\\|") for cell in row] for row in section.rows]
    headings = [column.heading for column in section.columns]
    align = [column.align for column in section.columns]
    return tabulate(lines, headings, tablefmt="pipe", disable_numparse=True, colalign=align)
