"""Statements about an order, such as "8s is best on VOC 2011": what the printed numbers say, and what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np

from repro.metrics import ImageConfusions, paired_bootstrap
from repro.records import Record
from repro.report.claims import Claim
from repro.report.document import MISSING, Cell, Column, Section
from repro.report.layouts import HEADINGS, Block, Layout
from repro.report.layouts.layout import Rank, source_of

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"
NOT_MEASURED, NOT_COMPARABLE, PRINTED_ONLY = "not measured", "not comparable", "printed only"
WORDS = ("statement", "metric", "better", "worse", "printed so", "verdict")
HEADED = (*WORDS[:3], "claim of the better", "worse", "claim of the worse", "printed so", "difference", "verdict")
NOTES = (
    "Each line is two neighbours of an order. *printed so*: whether the printed numbers agree with the statement. "
    "*difference*: better - worse as measured, in points, with its 95% interval: a paired bootstrap over images, for "
    "each seed that both nets were trained with.",
    "*verdict*: the statement *holds* where the interval lies above 0 for every seed, *does not hold* where it lies "
    "below 0 for every seed, and is *undecided* where it is neither: no difference was found, or the seeds disagree. "
    "*not comparable*: the records are not over the same labels. *printed only*: no experiment repeats one of the two.",
)


class Gain(NamedTuple):
    """What one net gains on another, in points, with the ends of its 95% interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Verdict:
    """What records say of a pair: in a word, by how much for each seed, and which of them say it."""

    word: str
    gains: tuple[Gain, ...] = ()
    records: tuple[str, ...] = ()


def section(
    layout: Layout, claims: Mapping[tuple[str, str], Claim], taken: Mapping[tuple[str, str], Sequence[Record]]
) -> Section:
    """The verdicts on a layout's statements about order: a line for each pair of neighbours.

    Args:
        taken: by block title and row label, the records that fill a row: one a seed.

    Raises:
        UserError: a record's per-image file is missing or damaged.
    """
    blocks = {block.title: block for block in layout.blocks}
    rows = []
    for rank in layout.ranks:
        block = blocks[rank.block]
        for pair in pairwise(rank.rows):
            printed = [_claim(layout, block, label, rank.metric, claims) for label in pair]
            rows.append(_row(rank, pair, printed, _judge(block, rank.metric, pair, taken)))
    columns = tuple(Column(heading, "left" if heading in WORDS else "right") for heading in HEADED)
    return Section("Statements about order", columns, tuple(rows), NOTES)


def _row(rank: Rank, pair: tuple[str, str], printed: list[Claim | None], verdict: Verdict) -> tuple[Cell, ...]:
    better, worse = (Cell(claim.printed, claim=claim.key) if claim else Cell(MISSING) for claim in printed)
    texts = [f"{gain.value:+.2f} [{gain.low:+.2f}, {gain.high:+.2f}]" for gain in verdict.gains]
    return (
        Cell(f"{rank.statement} ({rank.locator})"),
        Cell(HEADINGS[rank.metric]),
        Cell(pair[0]),
        better,
        Cell(pair[1]),
        worse,
        Cell(_printed_so(*printed)),
        Cell("; ".join(texts) or MISSING, records=verdict.records),
        Cell(verdict.word, records=verdict.records),
    )


def _claim(
    layout: Layout, block: Block, label: str, metric: str, claims: Mapping[tuple[str, str], Claim]
) -> Claim | None:
    """What is printed for a row: in its own block, or in the nearest above it that prints claims."""
    above = layout.blocks[: layout.blocks.index(block) + 1]
    for candidate in reversed(above):
        keys = {row.label: row.claim for row in candidate.rows if row.claim}
        if keys:
            return claims.get((keys.get(label, ""), metric))
    return None


def _printed_so(better: Claim | None, worse: Claim | None) -> str:
    if better is None or worse is None:
        return MISSING
    return "equal" if better.value == worse.value else "yes" if better.value > worse.value else "no"


def _judge(
    block: Block, metric: str, pair: tuple[str, str], taken: Mapping[tuple[str, str], Sequence[Record]]
) -> Verdict:
    """What the records of two rows say of their order."""
    if not all((block.title, label) in taken for label in pair):
        return Verdict(PRINTED_ONLY)
    first, second = ({record.training["seed"]: record for record in taken[block.title, label]} for label in pair)
    both = [(first[seed], second[seed]) for seed in sorted(first.keys() & second.keys(), key=str)]
    if not both:
        return Verdict(NOT_MEASURED)
    head, number = source_of(metric)
    if not all(_same_labels(a, b, head) for a, b in both):
        return Verdict(NOT_COMPARABLE)
    gains = tuple(_gain(block, a, b, head, number) for a, b in both)
    word = HOLDS if min(g.low for g in gains) > 0 else FAILS if max(g.high for g in gains) < 0 else UNDECIDED
    return Verdict(word, gains, tuple(record.id for record in chain(*both)))


def _same_labels(a: Record, b: Record, head: str) -> bool:
    """Whether two records scored a head on the same labels. What else the nets saw of the images, as depth, differs."""
    if a.dataset.ids_sha256 != b.dataset.ids_sha256 or a.dataset.classes[head] != b.dataset.classes[head]:
        return False
    return np.array_equal(a.confusion[head].sum(axis=1), b.confusion[head].sum(axis=1))


def _gain(block: Block, a: Record, b: Record, head: str, number: str) -> Gain:
    classes = block.class_ids(a) if head == "semantic" else None
    found = paired_bootstrap(_of(a.images(head), classes), _of(b.images(head), classes), absent=block.absent)
    return Gain(*(100 * getattr(part, number) for part in (found.value, found.low, found.high)))


def _of(images: ImageConfusions, classes: Sequence[int] | None) -> ImageConfusions:
    """The pixels whose truth is one of the classes: what `scores` counts of them, with means over the present ones."""
    if classes is None:
        return images
    kept = np.isin(images.truth, classes)
    return replace(images, **{name: getattr(images, name)[kept] for name in ("image", "truth", "predicted", "count")})
