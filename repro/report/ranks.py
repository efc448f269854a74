"""Statements about an order, such as "8s is best on VOC 2011": what the printed numbers say, and what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np

from repro.metrics import ImageConfusions, paired_bootstrap
from repro.records import Record
from repro.report.claims import Claim, Claims
from repro.report.document import MISSING, NOT_MEASURED, Cell, Column, Section
from repro.report.layouts import HEADINGS, Block, Layout
from repro.report.layouts.layout import Rank, source_of

HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"
BETTER, WORSE, NO_DIFFERENCE = "better", "worse", "no difference found"
NOT_COMPARABLE, PRINTED_ONLY = "not comparable", "printed only"
WORDS = ("statement", "metric", "better", "worse", "printed so", "verdict")
HEADED = (*WORDS[:3], "claim of the better", "worse", "claim of the worse", "printed so", "difference", "verdict")
NOTES = (
    "Each line is two neighbours of an order. *printed so*: whether the printed numbers agree with the statement. "
    "*difference*: better - worse as measured, in points, with its 95% interval: a paired bootstrap over images, for "
    "each seed that both nets were trained with, seeds held fixed.",
    "*verdict*: the statement *holds* where the interval lies above 0 for every seed, *does not hold* where it lies "
    "below 0 for every seed, and is *undecided* where it is neither: no difference was found, or the seeds disagree. "
    "*not comparable*: the records are not over the same labels. *printed only*: no experiment repeats one of the two.",
)
AS_GOOD = (
    "Of a statement that one net is as good as another the verdict is *better* or *worse* where the interval of every "
    "seed says so, and *no difference found* where none does, which does not prove them equal."
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


def section(layout: Layout, claims: Claims, taken: Mapping[tuple[str, str], Sequence[Record]]) -> Section:
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
            rows.append(_row(rank, pair, printed, _judge(rank, block, pair, taken)))
    columns = tuple(Column(heading, "left" if heading in WORDS else "right") for heading in HEADED)
    notes = [*NOTES, *([AS_GOOD] if any(rank.as_good for rank in layout.ranks) else [])]
    recipes = {blocks[r.block].recipe for r in layout.ranks if _is_of_another_recipe(layout, blocks[r.block], claims)}
    notes += [
        f"The claims are of nets by another recipe than those measured here (`{recipe}`): a verdict says how these "
        "nets stand, and neither repeats nor refutes what is printed."
        for recipe in sorted(recipes)
    ]
    return Section("Statements about order", columns, tuple(rows), tuple(notes))


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


def _is_of_another_recipe(layout: Layout, block: Block, claims: Claims) -> bool:
    """Whether a block's rows are measured and the claims beside them are those of a block above, only printed."""
    if block.shape != "scores":
        return False
    return any(_claim(layout, block, row.label, metric, claims) for row in block.rows for metric in block.metrics)


def _claim(layout: Layout, block: Block, label: str, metric: str, claims: Claims) -> Claim | None:
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
    rank: Rank, block: Block, pair: tuple[str, str], taken: Mapping[tuple[str, str], Sequence[Record]]
) -> Verdict:
    """What the records of two rows say of their order."""
    if not all((block.title, label) in taken for label in pair):
        return Verdict(PRINTED_ONLY)
    first, second = ({record.training["seed"]: record for record in taken[block.title, label]} for label in pair)
    both = [(first[seed], second[seed]) for seed in sorted(first.keys() & second.keys(), key=str)]
    if not both:
        return Verdict(NOT_MEASURED)
    head, number = source_of(rank.metric)
    if not all(a.shares_labels(b, head) for a, b in both):
        return Verdict(NOT_COMPARABLE)
    gains = tuple(_gain(block, a, b, head, number) for a, b in both)
    return Verdict(_word(gains, rank.as_good), gains, tuple(record.id for record in chain(*both)))


def _word(gains: Sequence[Gain], as_good: bool) -> str:
    if min(gain.low for gain in gains) > 0:
        return BETTER if as_good else HOLDS
    if max(gain.high for gain in gains) < 0:
        return WORSE if as_good else FAILS
    none = all(gain.low <= 0 <= gain.high for gain in gains)
    return NO_DIFFERENCE if as_good and none else UNDECIDED


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
