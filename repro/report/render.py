"""The tables of the paper, as DataFrames, Markdown and CSV: a pure function of claims and records, to the byte."""

import difflib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from repro.errors import UserError
from repro.files import atomic
from repro.records import Record, read_all
from repro.report import markdown
from repro.report.claims import Claim, checkout, read_claims
from repro.report.frame import build
from repro.report.layouts import LAYOUTS, Layout, on_sample


def table(
    name: str,
    records_folders: Iterable[Path | str] | None = None,
    claims_folder: Path | str | None = None,
    sample: bool = False,
) -> pd.DataFrame:
    """A table of the paper as a tidy DataFrame, one line a net and metric.

    Columns: block, net, metric, key (of the claim, or the experiment), claim (as printed), claim_value, ours, sd (over
    seeds), low and high (95% bootstrap over images), difference (ours - claim; all in percent), verdict, seeds, images,
    records (ids). nan where unknown. The verdict says where the claim lies against low..high: inside, above, below; or
    unmeasured, no claim, printed only.

    Args:
        name: of a layout, such as `voc2011`.
        records_folders: where records lie; the default is the checkout's `tables/records`.
        claims_folder: the default is the checkout's `baselines/claims`.
        sample: the same rows, filled by the same experiments on drawn images.

    Raises:
        UserError: no such table, a record or claim that cannot be read, a layout's claim that no CSV holds.
    """
    return build(_layout(name, sample), *_inputs(records_folders, claims_folder)).frame


def render(
    name: str,
    records_folders: Iterable[Path | str] | None = None,
    claims_folder: Path | str | None = None,
    sample: bool = False,
) -> str:
    """A table as Markdown; arguments and errors as for `table`."""
    return markdown.page(build(_layout(name, sample), *_inputs(records_folders, claims_folder)))


def render_all(
    out: Path | str | None = None,
    check: bool = False,
    records_folders: Iterable[Path | str] | None = None,
    claims_folder: Path | str | None = None,
) -> list[Path]:
    """Write every table as Markdown and CSV, and the index `README.md`, each whole or not at all.

    Args:
        out: the folder; the default is the checkout's `tables`.
        check: write nothing, compare with what is there.

    Returns:
        The paths written or compared.

    Raises:
        UserError: as for `table`; with `check`, a file differs (the message ends in a unified diff).
    """
    out = checkout("tables") if out is None else Path(out)
    inputs = _inputs(records_folders, claims_folder)
    tables = [build(layout, *inputs) for layout in LAYOUTS.values()]
    texts = {"README.md": markdown.index(tables)}
    for built in tables:
        texts[f"{built.layout.name}.md"] = markdown.page(built)
        texts[f"{built.layout.name}.csv"] = _csv(built.frame)
    if check:
        _compare(out, texts)
    else:
        for name, text in texts.items():
            with atomic(out / name) as temporary:
                temporary.write_bytes(text.encode())
    return [out / name for name in texts]


def _inputs(
    records_folders: Iterable[Path | str] | None, claims_folder: Path | str | None
) -> tuple[dict[tuple[str, str], Claim], list[Record]]:
    folders = [checkout("tables", "records")] if records_folders is None else list(records_folders)
    return read_claims(claims_folder), read_all(*folders)


def _layout(name: str, sample: bool) -> Layout:
    if name not in LAYOUTS:
        raise UserError(f"no table named {name!r}; there are {', '.join(LAYOUTS)}")
    return on_sample(LAYOUTS[name]) if sample else LAYOUTS[name]


def _csv(frame: pd.DataFrame) -> str:
    numbers = ["ours", "sd", "low", "high", "difference"]
    values = ["" if pd.isna(value) else f"{value:.15g}" for value in frame["claim_value"]]
    rounded = frame.assign(claim_value=values, **{name: frame[name].round(4) + 0.0 for name in numbers})
    return rounded.to_csv(index=False, lineterminator="\n", float_format="%.4f")


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
