"""Claims, records and layouts become DataFrames, Markdown and CSV: a pure function of their files, to the byte."""

import difflib
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from repro.errors import UserError
from repro.files import atomic
from repro.metrics import bootstrap
from repro.records import Record, read_all
from repro.report.claims import Claim, checkout, read_claims
from repro.report.layouts import HEADINGS, LAYOUTS, SELECTIONS, Block, Layout, Row

MISSING = "—"
KEY = ["key", "metric"]


@dataclass(frozen=True)
class _Table:
    """A layout with its numbers: a line for each net and metric, and for each block the records it took or left out."""

    layout: Layout
    frame: pd.DataFrame
    taken: list[list[Record]]
    left_out: list[list[tuple[Record, str]]]


def table(
    name: str,
    records_folders: Iterable[Path | str] | None = None,
    claims_folder: Path | str | None = None,
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

    Raises:
        UserError: no such table, a record or claim that cannot be read, a layout's claim that no CSV holds.
    """
    return _build(_layout(name), *_inputs(records_folders, claims_folder)).frame


def render(
    name: str,
    records_folders: Iterable[Path | str] | None = None,
    claims_folder: Path | str | None = None,
) -> str:
    """A table as Markdown; arguments and errors as for `table`."""
    return _markdown(_build(_layout(name), *_inputs(records_folders, claims_folder)))


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
    tables = [_build(layout, *inputs) for layout in LAYOUTS.values()]
    texts = {"README.md": _index(tables)}
    for built in tables:
        texts[f"{built.layout.name}.md"] = _markdown(built)
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


def _layout(name: str) -> Layout:
    if name not in LAYOUTS:
        raise UserError(f"no table named {name!r}; there are {', '.join(LAYOUTS)}")
    return LAYOUTS[name]


def _build(layout: Layout, claims: dict[tuple[str, str], Claim], records: Sequence[Record]) -> _Table:
    lines, ours = [], []
    taken: list[list[Record]] = []
    left_out: list[list[tuple[Record, str]]] = []
    for block in layout.blocks:
        taken.append([])
        left_out.append([])
        for row in block.rows:
            chosen, refused = _choose(row, block, records)
            taken[-1] += chosen
            left_out[-1] += refused
            key = row.claim or row.experiment
            for column in (*block.printed_only, *block.metrics):
                lines.append({"block": block.title, "net": row.label, "metric": column, "key": key})
                if row.claim and (row.claim, column) not in claims:
                    raise UserError(
                        f"the table {layout.name} shows {column} of {row.claim}, which no CSV of claims holds"
                    )
            if chosen:
                ours += [{"block": block.title, "key": key, **line} for line in _measure(block, chosen)]
    printed = pd.DataFrame(
        [(c.key, c.column, c.printed, c.value) for c in claims.values()], columns=[*KEY, "claim", "claim_value"]
    )
    columns = ["ours", "sd", "low", "high", "seeds", "images", "records"]
    measured = pd.DataFrame(ours, columns=["block", *KEY, *columns])
    frame = pd.DataFrame(lines).merge(printed, on=KEY, how="left", validate="many_to_one")
    frame = frame.merge(measured, on=["block", *KEY], how="left", validate="many_to_one")
    frame["claim"] = frame["claim"].fillna("")
    frame["records"] = frame["records"].fillna("")
    for column in ("ours", "sd", "low", "high"):
        frame[column] = frame[column].astype(float)
    for column in ("seeds", "images"):
        frame[column] = frame[column].fillna(0).astype(int)
    frame["difference"] = frame["ours"] - frame["claim_value"]
    only = {(block.title, column) for block in layout.blocks for column in block.printed_only}
    frame["verdict"] = [
        "printed only" if (title, metric) in only else _verdict(claim, ours, low, high)
        for title, metric, claim, ours, low, high in frame[
            ["block", "metric", "claim_value", "ours", "low", "high"]
        ].itertuples(index=False, name=None)
    ]
    order = ["block", "net", "metric", "key", "claim", "claim_value", "ours", "sd", "low", "high"]
    return _Table(layout, frame[[*order, "difference", "verdict", "seeds", "images", "records"]], taken, left_out)


def _choose(row: Row, block: Block, records: Sequence[Record]) -> tuple[list[Record], list[tuple[Record, str]]]:
    """The records of a row, one a seed, and those that would answer it but that the block does not take, with why."""
    answers = [r for r in records if (row.claim in r.claims if row.claim else r.experiment == row.experiment)]
    reasons = [(record, block.refuses(record)) for record in answers]
    refused = [(record, reason) for record, reason in reasons if reason]
    newest: dict[int | None, Record] = {}
    accepted = sorted((r for r, reason in reasons if not reason), key=lambda r: (r.provenance["time"], r.id))
    if len({record.experiment for record in accepted}) > 1:
        names = ", ".join(sorted({record.experiment for record in accepted}))
        raise UserError(f"{names} all answer {row.claim}; one experiment answers a claim: mend the configs' claims")
    for record in reversed(accepted):
        first = next(iter(newest.values()), record)
        if record.dataset.ids_sha256 != first.dataset.ids_sha256:
            refused.append((record, "another list of images than the newest record's"))
        elif record.training["seed"] in newest:
            refused.append((record, "a newer record of this seed"))
        else:
            newest[record.training["seed"]] = record
    return sorted(newest.values(), key=lambda r: r.id), refused


def _measure(block: Block, records: Sequence[Record]) -> list[dict[str, object]]:
    """One line a metric, in percent: mean over the records (seeds), sd, the ends of the interval."""
    images = [record.images() for record in records]
    joint = bootstrap(*images, absent=block.absent)
    single = [bootstrap(one, absent=block.absent, resamples=1).value for one in images]
    lines = []
    for metric in block.metrics:
        values = [100 * getattr(scores, metric) for scores in single]
        lines.append(
            {
                "metric": metric,
                "ours": statistics.fmean(values),
                "sd": statistics.stdev(values) if len(values) > 1 else None,
                "low": 100 * getattr(joint.low, metric),
                "high": 100 * getattr(joint.high, metric),
                "seeds": len(records),
                "images": records[0].dataset.images,
                "records": " ".join(record.id for record in records),
            }
        )
    return lines


def _verdict(claim: float, ours: float, low: float, high: float) -> str:
    if pd.isna(ours):
        return "unmeasured"
    if pd.isna(claim):
        return "no claim"
    return "below" if claim < low else "above" if claim > high else "inside"


def _markdown(built: _Table) -> str:
    layout = built.layout
    parts = [
        f"# {layout.title}",
        layout.summary + f". Measured by `{layout.command}`, taken in by `repro publish`, rendered by `repro tables`.",
    ]
    if any(block.shape == "claims" for block in layout.blocks):
        parts.append(
            "*claim*: as printed, in percent. *ours*: from this suite's records, ± standard deviation over seeds where "
            "there is more than one. *95% interval*: bootstrap over the test images. *difference*: ours - claim. "
            "*verdict*: where the claim lies against our interval."
        )
    for block, taken, left_out in zip(layout.blocks, built.taken, built.left_out, strict=True):
        rows = built.frame[built.frame["block"] == block.title]
        parts += [f"## {block.title}", _scores(block, rows) if block.shape == "scores" else _claims(block, rows)]
        parts += block.footnotes
        parts.append(_sources(layout, block, taken, left_out))
    return "\n\n".join(parts) + "\n"


def _claims(block: Block, rows: pd.DataFrame) -> str:
    header = ["net", *(HEADINGS[column] for column in block.printed_only)]
    header += ["metric", "claim", "ours", "95% interval", "difference", "verdict"]
    lines: list[list[str]] = []
    for _, group in rows.groupby("key", sort=False):
        printed = group.set_index("metric")["claim"]
        for metric in block.metrics:
            cell = group[group["metric"] == metric].iloc[0]
            lines.append([cell["net"], *(printed[column] for column in block.printed_only), HEADINGS[metric]])
            lines[-1] += [cell["claim"], _ours(cell), _interval(cell), _signed(cell["difference"]), cell["verdict"]]
    return _pipe(lines, header)


def _scores(block: Block, rows: pd.DataFrame) -> str:
    lines: list[list[str]] = []
    for _, group in rows.groupby("key", sort=False):
        cells = [group[group["metric"] == metric].iloc[0] for metric in block.metrics]
        both = [MISSING if pd.isna(c["ours"]) else f"{_ours(c)} [{c['low']:.2f}, {c['high']:.2f}]" for c in cells]
        lines.append([cells[0]["net"], str(cells[0]["seeds"] or MISSING), *both])
    header = ["net", "seeds", *(HEADINGS[metric] for metric in block.metrics)]
    note = "In percent: mean over seeds, ± standard deviation where there is more than one [95% bootstrap over images]."
    return _pipe(lines, header) + "\n\n" + note


def _pipe(lines: list[list[str]], header: list[str]) -> str:
    lines = [[cell.replace("|", "\\|") for cell in line] for line in lines]
    align = ["left" if name in ("net", "metric", "verdict") else "right" for name in header]
    return tabulate(lines, header, tablefmt="pipe", disable_numparse=True, colalign=align)


def _ours(cell: pd.Series) -> str:
    if pd.isna(cell["ours"]):
        return MISSING
    return f"{cell['ours']:.2f}" + ("" if pd.isna(cell["sd"]) else f" ± {cell['sd']:.2f}")


def _interval(cell: pd.Series) -> str:
    return MISSING if pd.isna(cell["low"]) else f"{cell['low']:.2f} to {cell['high']:.2f}"


def _signed(value: float) -> str:
    return MISSING if pd.isna(value) else f"{round(value, 2) + 0.0:+.2f}"


def _sources(layout: Layout, block: Block, taken: list[Record], left_out: list[tuple[Record, str]]) -> str:
    """Which records fed a block, by which rule, and which answered it but were left out."""
    rule = SELECTIONS[block.selection]
    lines = [f"Records taken (`{rule.name}`: {rule.text}):", ""]
    lines += [f"- `{r.id}`: {_commit(r)}, {r.provenance['device']}, {r.dataset.images} images" for r in taken]
    if not taken:
        lines = [f"No records yet: run `{block.command or layout.command}` (takes `{rule.name}`: {rule.text})."]
    if left_out:
        lines += ["", "Left out:", "", *(f"- `{record.id}`: {reason}" for record, reason in left_out)]
    return "\n".join(lines)


def _commit(record: Record) -> str:
    commit, dirty = record.provenance["commit"], record.provenance["dirty"]
    return "no commit" if commit is None else f"commit {commit[:10]}" + (" with changes" if dirty else "")


def _csv(frame: pd.DataFrame) -> str:
    numbers = ["ours", "sd", "low", "high", "difference"]
    values = ["" if pd.isna(value) else f"{value:.15g}" for value in frame["claim_value"]]
    rounded = frame.assign(claim_value=values, **{name: frame[name].round(4) + 0.0 for name in numbers})
    return rounded.to_csv(index=False, lineterminator="\n", float_format="%.4f")


def _index(tables: Sequence[_Table]) -> str:
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
            "confusion matrices beside it. Records are append-only.\n",
        )
    )


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
