"""Claims, records and a layout become one tidy DataFrame: a line for each net and metric."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from repro.metrics import bootstrap
from repro.records import Record
from repro.report.claims import Claims, lookup
from repro.report.document import NOT_MEASURED
from repro.report.layouts import Block, Layout, Row
from repro.report.layouts.layout import source_of
from repro.report.layouts.selections import age, is_released

KEY = ["key", "metric"]
MEASURED = ["ours", "sd", "low", "high", "seeds", "images", "records"]


@dataclass(frozen=True)
class Built:
    """A layout with its numbers.

    Attributes:
        frame: a line for each net and metric.
        taken: the records of each row, by the block's title and the row's label.
        left_out: by the block's title, the records that would answer a row of it but that it does not take, with why.
    """

    layout: Layout
    frame: pd.DataFrame
    taken: dict[tuple[str, str], list[Record]]
    left_out: dict[str, list[tuple[Record, str]]]


def build(layout: Layout, claims: Claims, records: Sequence[Record]) -> Built:
    """Join a layout with its claims and with the records that its blocks take.

    Raises:
        UserError: the layout shows a claim that is not among `claims`.
    """
    lines, ours = [], []
    taken: dict[tuple[str, str], list[Record]] = {}
    left_out: dict[str, list[tuple[Record, str]]] = {block.title: [] for block in layout.blocks}
    for block in layout.blocks:
        for row in block.rows:
            for column in _shown(layout, block, row, claims):
                lines.append({"block": block.title, "net": row.label, "metric": column, "key": row.key})
            if block.shape == "printed":
                continue
            chosen, refused = _choose(row, block, records)
            taken[block.title, row.label] = chosen
            left_out[block.title] += refused
            if chosen:
                ours += [{"block": block.title, "key": row.key, **line} for line in _measure(block, row, chosen)]
    printed = pd.DataFrame(
        [(c.key, c.column, c.printed, c.value) for c in claims.values()], columns=[*KEY, "claim", "claim_value"]
    )
    measured = pd.DataFrame(ours, columns=["block", *KEY, *MEASURED])
    frame = pd.DataFrame(lines).merge(printed, on=KEY, how="left", validate="many_to_one")
    frame = frame.merge(measured, on=["block", *KEY], how="left", validate="many_to_one")
    frame["claim"] = frame["claim"].fillna("")
    frame["records"] = frame["records"].fillna("")
    for column in ("ours", "sd", "low", "high"):
        frame[column] = frame[column].astype(float)
    for column in ("seeds", "images"):
        frame[column] = frame[column].fillna(0).astype(int)
    frame["difference"] = frame["ours"] - frame["claim_value"]
    only = {(b.title, c) for b in layout.blocks for c in (b.metrics if b.shape == "printed" else b.printed_only)}
    frame["verdict"] = [
        "printed only" if (title, metric) in only else _verdict(claim, ours, low, high)
        for title, metric, claim, ours, low, high in frame[
            ["block", "metric", "claim_value", "ours", "low", "high"]
        ].itertuples(index=False, name=None)
    ]
    order = ["block", "net", "metric", "key", "claim", "claim_value", *MEASURED[:4], "difference", "verdict"]
    return Built(layout, frame[[*order, *MEASURED[4:]]], taken, left_out)


def _shown(layout: Layout, block: Block, row: Row, claims: Claims) -> list[str]:
    """The columns of a row: all that it has, but where it only stands as printed those that its source prints."""
    columns = [*block.printed_only, *block.columns(row)]
    if row.claim is None:
        return columns
    there = [column for column in columns if (row.claim, column) in claims]
    missing = [column for column in columns if column not in there]
    if missing and (block.shape != "printed" or not there):
        lookup(claims, layout.name, row.claim, missing[0])
    return there


def _choose(row: Row, block: Block, records: Sequence[Record]) -> tuple[list[Record], list[tuple[Record, str]]]:
    """The records of a row, one a seed, and those that would answer it but that the block does not take, with why."""
    reasons = [(record, block.refuses(record, row)) for record in records if row.answered_by(record)]
    refused = [(record, reason) for record, reason in reasons if reason]
    newest: dict[int | None, Record] = {}
    accepted = sorted((r for r, reason in reasons if not reason), key=age)
    trained = [record for record in accepted if not is_released(record)]
    refused += [(r, "released weights, where others were trained here") for r in accepted if trained and is_released(r)]
    for record in reversed(trained or accepted):
        other = _unlike(record, next(iter(newest.values()), record))
        if other:
            refused.append((record, f"another {other} than the newest record's"))
        elif record.training["seed"] in newest:
            refused.append((record, "a newer record of this seed"))
        else:
            newest[record.training["seed"]] = record
    return sorted(newest.values(), key=lambda r: r.id), refused


def _unlike(record: Record, first: Record) -> str | None:
    """What keeps two records of a row from being averaged."""
    if record.dataset.ids_sha256 != first.dataset.ids_sha256:
        return "list of images"
    if record.config_sha256 != first.config_sha256:
        return "config"
    if record.dataset.frame != first.dataset.frame:
        return "frame"
    if record.dataset.classes != first.dataset.classes:
        return "list of classes"
    # drawings of two seeds share their ids; all records of a row read the same kinds of files
    return "set of files" if record.dataset.content_sha256 != first.dataset.content_sha256 else None


def _measure(block: Block, row: Row, records: Sequence[Record]) -> list[dict[str, object]]:
    """One line a metric, in percent: mean over the records (seeds), sd, the ends of the interval."""
    sources = {metric: source_of(metric) for metric in block.columns(row)}
    joint, single = {}, {}
    for head in sorted({head for head, _ in sources.values()}):
        images = [record.images(head) for record in records]
        classes = block.class_ids(records[0]) if head == "semantic" else None
        joint[head] = bootstrap(*images, absent=block.absent, classes=classes)
        single[head] = [bootstrap(i, absent=block.absent, classes=classes, resamples=1).value for i in images]
    lines = []
    for metric, (head, number) in sources.items():
        values = [100 * getattr(scores, number) for scores in single[head]]
        lines.append(
            {
                "metric": metric,
                "ours": statistics.fmean(values),
                "sd": statistics.stdev(values) if len(values) > 1 else None,
                "low": 100 * getattr(joint[head].low, number),
                "high": 100 * getattr(joint[head].high, number),
                "seeds": len(records),
                "images": records[0].dataset.images,
                "records": " ".join(record.id for record in records),
            }
        )
    return lines


def _verdict(claim: float, ours: float, low: float, high: float) -> str:
    if pd.isna(ours):
        return NOT_MEASURED
    if pd.isna(claim):
        return "no claim"
    return "below" if claim < low else "above" if claim > high else "inside"
