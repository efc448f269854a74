"""Built tables become Markdown. Deterministic to the byte: no times, paths or locale."""

from collections.abc import Sequence

import pandas as pd
from tabulate import tabulate

from repro.records import Record
from repro.report.frame import Built
from repro.report.layouts import HEADINGS, SELECTIONS, Block, Layout
from repro.report.layouts.selections import is_released

MISSING = "—"
NOTES = {
    "printed": f"In percent, as printed; {MISSING} where the source prints no number.",
    "scores": "In percent: mean over seeds, ± standard deviation where there is more than one "
    "[95% bootstrap over images].",
}


def page(built: Built) -> str:
    """One table of the paper as a page: its blocks, their footnotes, and the records under each."""
    layout = built.layout
    parts = [f"# {layout.title}", f"{layout.summary}. Measured by `{layout.command}`."]
    if any(block.shape == "claims" for block in layout.blocks):
        parts.append(
            "*claim*: as printed, in percent. *ours*: from this suite's records, ± standard deviation over seeds where "
            "there is more than one. *95% interval*: bootstrap over the test images. *difference*: ours - claim. "
            "*verdict*: where the claim lies against our interval."
        )
    for block, taken, left_out in zip(layout.blocks, built.taken, built.left_out, strict=True):
        rows = built.frame[built.frame["block"] == block.title]
        parts += [f"## {block.title}", _claims(block, rows) if block.shape == "claims" else _wide(block, rows)]
        parts += [NOTES[block.shape]] if block.shape in NOTES else []
        parts += block.footnotes
        if block.shape != "printed":
            parts.append(_sources(layout, block, taken, left_out))
    return "\n\n".join(parts) + "\n"


def index(tables: Sequence[Built]) -> str:
    """The README of the folder: each table, how much of it is measured, and the command that fills it."""
    lines = []
    for built in tables:
        cells = built.frame[built.frame["verdict"] != "printed only"]
        measured = f"{int((cells['seeds'] > 0).sum())} of {len(cells)} cells"
        link = f"[{built.layout.title}]({built.layout.name}.md)"
        lines.append([link, built.layout.summary, measured, f"`{built.layout.command}`"])
    return "\n\n".join(
        (
            "# Tables",
            "Rendered by `repro tables` from `baselines/claims/` and `records/`; not written by hand. Each has a CSV "
            "beside it with the same cells. `repro tables --check` says whether they are up to date.",
            tabulate(lines, ["table", "holds", "measured", "filled by"], tablefmt="pipe", disable_numparse=True),
            "`records/<machine>/` holds what this suite measured, as written: one JSON a measurement, its per-image "
            "confusion matrices beside it. `repro publish` takes them in. Records are append-only.\n",
        )
    )


def _claims(block: Block, rows: pd.DataFrame) -> str:
    """A line for each net and metric: the claim beside the measurement."""
    header = ["net", *(HEADINGS[column] for column in block.printed_only)]
    header += ["metric", "claim", "ours", "95% interval", "difference", "verdict"]
    lines: list[list[str]] = []
    for _, group in rows.groupby("key", sort=False):
        cells = {cell["metric"]: cell for _, cell in group.iterrows()}
        for metric in block.metrics:
            cell = cells[metric]
            lines.append([cell["net"], *(cells[column]["claim"] for column in block.printed_only), HEADINGS[metric]])
            lines[-1] += [cell["claim"], _ours(cell), _interval(cell), _signed(cell["difference"]), cell["verdict"]]
    return _pipe(lines, header)


def _wide(block: Block, rows: pd.DataFrame) -> str:
    """A line for each net, a column for each metric: all measured, or all as printed."""
    measured = block.shape == "scores"
    lines: list[list[str]] = []
    for _, group in rows.groupby("key", sort=False):
        cells = {cell["metric"]: cell for _, cell in group.iterrows()}
        first = group.iloc[0]
        lines.append([first["net"], *([str(first["seeds"] or MISSING)] if measured else [])])
        for metric in block.metrics:
            if metric not in cells:  # the net has no such number, or its source prints none
                lines[-1].append("" if measured else MISSING)
            else:
                lines[-1].append(_score(cells[metric]) if measured else cells[metric]["claim"])
    header = ["net", *(["seeds"] if measured else []), *(HEADINGS[metric] for metric in block.metrics)]
    return _pipe(lines, header)


def _pipe(lines: list[list[str]], header: list[str]) -> str:
    lines = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    align = ["left" if name in ("net", "metric", "verdict") else "right" for name in header]
    return tabulate(lines, header, tablefmt="pipe", disable_numparse=True, colalign=align)


def _ours(cell: pd.Series) -> str:
    if pd.isna(cell["ours"]):
        return MISSING
    return f"{cell['ours']:.2f}" + ("" if pd.isna(cell["sd"]) else f" ± {cell['sd']:.2f}")


def _score(cell: pd.Series) -> str:
    return MISSING if pd.isna(cell["ours"]) else f"{_ours(cell)} [{cell['low']:.2f}, {cell['high']:.2f}]"


def _interval(cell: pd.Series) -> str:
    return MISSING if pd.isna(cell["low"]) else f"{cell['low']:.2f} to {cell['high']:.2f}"


def _signed(value: float) -> str:
    return MISSING if pd.isna(value) else f"{round(value, 2) + 0.0:+.2f}"


def _sources(layout: Layout, block: Block, taken: list[Record], left_out: list[tuple[Record, str]]) -> str:
    """Which records fed a block, by which rule, and which answered it but were left out."""
    rule = SELECTIONS[block.selection]
    lines = [f"Records taken (`{rule.name}`: {rule.text}):", ""]
    lines += [f"- `{r.id}`: {_commit(r)}, {r.provenance['device']}, {_images(r)}{_weights(r)}" for r in taken]
    if not taken:
        lines = [f"No records yet: run `{block.command or layout.command}` (takes `{rule.name}`: {rule.text})."]
    if left_out:
        lines += ["", "Left out:", "", *(f"- `{record.id}`: {reason}" for record, reason in left_out)]
    return "\n".join(lines)


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
