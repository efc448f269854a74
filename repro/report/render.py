"""All tables, as DataFrames, Markdown, CSV and LaTeX: a pure function of claims and records, to the byte."""

import difflib
import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd

from repro.errors import UserError
from repro.files import atomic
from repro.records import AnyRecord, read_all_kinds
from repro.report import errata, latex, markdown, scores, timing, upper_bounds_table
from repro.report.claims import Claims, checkout, read_claims
from repro.report.document import Document
from repro.report.layouts import LAYOUTS, on_sample

Maker = Callable[[Claims, Sequence[AnyRecord]], Document]

ON_SAMPLE = {f"sample_{name}": on_sample(LAYOUTS[name]) for name in ("voc2011", "nyudv2", "siftflow", "pascal_context")}
MAKERS: dict[str, Maker] = {
    **{name: partial(scores.document, layout) for name, layout in {**LAYOUTS, **ON_SAMPLE}.items()},
    "upper_bounds": upper_bounds_table.document,
    "timing": timing.document,
    "errata": errata.document,
}
# as the index shows them
GROUPS = {
    "What papers print, and what this suite measures": (
        *("voc2011", "nyudv2", "siftflow", "pascal_context", "upper_bounds", "timing", "errata", "camvid"),
    ),
    "On drawn images": ("sample", *ON_SAMPLE),
}


def table(
    name: str,
    records_folders: Iterable[Path | str] | None = None,
    claims_folder: Path | str | None = None,
) -> pd.DataFrame:
    """A table as a tidy DataFrame, one line a number.

    Those of scores have the columns block, net, metric, key (of the claim, or the experiment), claim (as printed),
    claim_value, ours, sd (over seeds), low and high (95% bootstrap over images), difference (ours - claim; all in
    percent), verdict, seeds, images, records (ids). nan where unknown. The verdict says where the claim lies against
    low..high: inside, above, below; or not measured, no claim, printed only.

    Args:
        name: of a file in `tables/`, such as `voc2011`, or `sample_voc2011` for the same rows on drawn images.
        records_folders: where records lie; the default is the checkout's `tables/records`.
        claims_folder: the default is the checkout's `baselines/claims`.

    Raises:
        UserError: no such table, a record or claim that cannot be read, a claim of the table that no CSV holds.
    """
    return _document(name, records_folders, claims_folder).frame


def render(
    name: str,
    records_folders: Iterable[Path | str] | None = None,
    claims_folder: Path | str | None = None,
) -> str:
    """A table as Markdown; arguments and errors as for `table`."""
    return markdown.page(_document(name, records_folders, claims_folder))


def documents(
    records_folders: Iterable[Path | str] | None = None,
    claims_folder: Path | str | None = None,
) -> dict[str, list[Document]]:
    """Every document of `tables/` in the order of the index, by its headings; arguments and errors as for `table`.

    The tables that repeat another on drawn images are there where a record fills them.
    """
    return group(*inputs(records_folders, claims_folder))


def group(claims: Claims, records: Sequence[AnyRecord]) -> dict[str, list[Document]]:
    """The documents of claims and records that are read already; otherwise as `documents`."""
    made = {title: [MAKERS[name](claims, records) for name in names] for title, names in GROUPS.items()}
    return {title: [d for d in found if d.measured or d.name not in ON_SAMPLE] for title, found in made.items()}


def render_all(
    out: Path | str | None = None,
    check: bool = False,
    records_folders: Iterable[Path | str] | None = None,
    claims_folder: Path | str | None = None,
) -> list[Path]:
    """Write every table as Markdown, CSV and LaTeX, and the index `README.md`, each whole or not at all.

    Files of a table that no record fills any more are removed.

    Args:
        out: the folder; the default is the checkout's `tables`.
        check: write nothing, compare with what is there.

    Returns:
        The paths written or compared.

    Raises:
        UserError: as for `table`; with `check`, a file differs (the message ends in a unified diff).
    """
    out = checkout("tables") if out is None else Path(out)
    groups = documents(records_folders, claims_folder)
    texts = {"README.md": markdown.index(groups)}
    for document in (document for group in groups.values() for document in group):
        texts |= files(document)
    names = [f"{name}.{suffix}" for name in MAKERS for suffix in ("md", "csv", "tex")]
    left = [out / name for name in names if name not in texts and (out / name).exists()]
    if check:
        _compare(out, {**texts, **dict.fromkeys((path.name for path in left), "")})
        return [out / name for name in texts]
    for name, text in texts.items():
        with atomic(out / name) as temporary:
            temporary.write_bytes(text.encode())
    for path in left:
        path.unlink()
    return [out / name for name in texts]


def files(document: Document) -> dict[str, str]:
    """The files of a document in `tables/`: name -> text."""
    name = document.name
    return {
        f"{name}.md": markdown.page(document),
        f"{name}.csv": document.frame.map(_plain).to_csv(index=False, lineterminator="\n"),
        f"{name}.tex": latex.page(document),
    }


def _document(name: str, records_folders: Iterable[Path | str] | None, claims_folder: Path | str | None) -> Document:
    if name not in MAKERS:
        raise UserError(f"no table named {name!r}; there are {', '.join(MAKERS)}")
    return MAKERS[name](*inputs(records_folders, claims_folder))


def inputs(
    records_folders: Iterable[Path | str] | None, claims_folder: Path | str | None
) -> tuple[Claims, list[AnyRecord]]:
    """All claims and all records, of all kinds; arguments and errors as for `table`."""
    folders = [checkout("tables", "records")] if records_folders is None else list(records_folders)
    return read_claims(claims_folder), read_all_kinds(*folders)


def _plain(value: object) -> object:
    """A value for a CSV: of a float eight digits, none of them owed to the order in which a sum was taken."""
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{round(value, 12) + 0.0:.8g}"
    return value


def _compare(out: Path, texts: dict[str, str]) -> None:
    diffs: list[str] = []
    for name, text in texts.items():
        path = out / name
        try:
            there = path.read_bytes().decode() if path.exists() else ""
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read {path}: {error}") from error
        old, new = there.splitlines(keepends=True), text.splitlines(keepends=True)
        diffs += difflib.unified_diff(old, new, fromfile=f"{out.name}/{name}", tofile="rendered")
    if diffs:
        raise UserError("the tables are not up to date; run `repro tables`\n" + "".join(diffs).rstrip("\n"))
