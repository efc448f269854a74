"""Appendix A: what down- and upsampling leaves of the truth, by every procedure that was tried, beside the paper."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from repro.metrics import METRICS
from repro.records import AnyRecord, Bound, Bounds
from repro.report.claims import Claim, Claims, lookup, read_claims
from repro.report.document import MISSING, Cell, Column, Document, Section
from repro.report.layouts.selections import SELECTIONS, age
from repro.upper_bounds.procedures import FACTORS

CHOICES = ("down", "up", "void", "lattice", "written")  # of a procedure
BEFORE = "before measuring"  # when a procedure was written down
TOLERANCE = 0.3  # in points: how far the paper's procedure may be from the paper at any factor
RULE = SELECTIONS["full_split"]
COMMAND = "repro upper-bounds data/voc2011/SegmentationClass --ids data/voc2011/ImageSets/Segmentation/seg11valid.txt"
INTRODUCTION = (
    "The paper downsamples the truth by a factor, upsamples it again and prints the mean IU of what is left. It does "
    "not say how it resamples, nor which part of PASCAL VOC 2011 val it takes. `repro/upper_bounds/procedures.py` says "
    "what each choice means. *written*: whether a procedure was on the list before any was measured, or was added "
    "after a look at the results.",
    "Mean IU in percent. *off by*: the largest difference from the paper over the six factors, in points. A procedure "
    f"is called the paper's only if it is within {TOLERANCE} at all six.",
)

Printed = Mapping[int, Claim]


@dataclass(frozen=True)
class Candidate:
    """A procedure as measured.

    Attributes:
        choices: in the order of `CHOICES`.
        scores: the paper's four numbers in percent, by factor.
        differences: mean IU, ours - claim, by factor; none where there are no claims.
    """

    choices: tuple[str, ...]
    scores: dict[int, dict[str, float]]
    differences: dict[int, float]

    def off_by(self, factors: Sequence[int] = FACTORS) -> float:
        """The largest difference from the paper over some factors, in points; nan without claims."""
        return max((abs(self.differences[factor]) for factor in factors if self.differences), default=math.nan)


def document(claims: Claims, records: Sequence[AnyRecord]) -> Document:
    """The paper's row, every candidate's, how they spread, and whether one of them is the paper's procedure.

    The frame has a line for each procedure and factor: the choices, factor, key (of the claim), claim (as printed),
    claim_value, ours (mean IU), difference (ours - claim), the other three metrics, images, records (id). Scores are in
    percent, rounded to four decimals. Without a record it has the claims alone.

    Raises:
        UserError: a claim of Appendix A is not among `claims`.
    """
    printed = _printed(claims)
    record, left_out = _choose(records)
    candidates = rank(record.bounds, printed) if record else []
    return Document(
        name="upper_bounds",
        title="Upper bounds on IU",
        summary="Appendix A: the mean IU that is left of the truth when it is down- and upsampled",
        command=COMMAND,
        introduction=INTRODUCTION,
        sections=(
            Section(
                "Every procedure",
                *_table(candidates, printed, record),
                notes=(*_verdict(candidates), *_sources(record, left_out)),
            ),
            *([_spread(candidates, printed, record)] if record else []),
        ),
        frame=_frame(candidates, printed, record),
        measured=len(printed) if record else 0,
        cells=len(printed),
        answered=len(printed) if record else 0,
        claims=len(printed),
    )


def rank(bounds: Sequence[Bound], printed: Printed) -> list[Candidate]:
    """The procedures of a record, those nearest to the paper first; by name where that does not tell."""

    def choices_of(bound: Bound) -> tuple[str, ...]:
        return tuple(bound.procedure[name] for name in CHOICES)

    candidates = []
    for choices, group in groupby(sorted(bounds, key=choices_of), choices_of):
        found = {bound.factor: scores(bound) for bound in group}
        differences = {factor: found[factor]["mean_iu"] - claim.value for factor, claim in printed.items()}
        candidates.append(Candidate(choices, found, differences))
    return sorted(candidates, key=lambda candidate: round(candidate.off_by(), 4))


def scores(bound: Bound) -> dict[str, float]:
    """The paper's four numbers (section 5) in percent, over the classes that are present."""
    hit, truth, predicted = (np.array(counts, float) for counts in (bound.hit, bound.truth, bound.predicted))
    present = truth > 0
    hit, truth, predicted = hit[present], truth[present], predicted[present]
    iu = hit / (truth + predicted - hit)
    numbers = (hit.sum() / truth.sum(), (hit / truth).mean(), iu.mean(), (truth * iu).sum() / truth.sum())
    return {name: 100 * float(number) for name, number in zip(METRICS, numbers, strict=True)}


def show(record: Bounds) -> None:
    """Print every procedure's mean IU at every factor and, where the labels are the paper's, how near it comes."""
    same = _refuses(record, clean=False) is None
    printed = _printed(read_claims()) if same else {}
    candidates = rank(record.bounds, printed)
    columns, rows = _table(candidates, printed, record)
    found = Table(*(column.heading for column in columns), box=None, pad_edge=False)
    for row in rows:
        found.add_row(*(cell.text for cell in row))
    console = Console(width=None if Console().is_terminal else 200)
    console.print(found)
    for note in _verdict(candidates) if same else ():
        console.print(note.replace("*", ""))


def _printed(claims: Claims) -> dict[int, Claim]:
    return {factor: lookup(claims, "upper_bounds", f"cvpr2015/appendix_a/factor {factor}") for factor in FACTORS}


def _refuses(record: Bounds, clean: bool = True) -> str | None:
    """Why a record does not feed the table, in a few words; None when it does."""
    found = record.dataset
    if (found.name, found.split) != (RULE.dataset, RULE.split):
        return f"{found.name}, {found.split}"
    if found.images != RULE.images or found.ids_sha256 != RULE.ids_sha256:
        return "another list of images"
    if clean and record.provenance["dirty"] is not False:
        return "measured from a dirty tree" if record.provenance["dirty"] else "measured from an unknown commit"
    return None


def _choose(records: Sequence[AnyRecord]) -> tuple[Bounds | None, list[tuple[Bounds, str]]]:
    """The newest record that the rule takes, and the others, with why not."""
    reasons = [(record, _refuses(record)) for record in records if isinstance(record, Bounds)]
    accepted = sorted((r for r, reason in reasons if not reason), key=age)
    left_out = [(record, reason or "an older record") for record, reason in reasons if record not in accepted[-1:]]
    return (accepted[-1] if accepted else None), sorted(left_out, key=lambda item: item[0].id)


def _table(
    candidates: Sequence[Candidate], printed: Printed, record: Bounds | None
) -> tuple[tuple[Column, ...], tuple[tuple[Cell, ...], ...]]:
    """The paper's row, where there is one, and one for each procedure."""
    columns = [Column(name, "left") for name in CHOICES[:-1]]
    columns += [*(Column(f"{factor}") for factor in FACTORS), Column("off by"), Column("written", "left")]
    rows = []
    if printed:
        claims = (Cell(claim.printed, claim=claim.key) for claim in printed.values())
        rows.append((Cell("the paper"), *[Cell("")] * 3, *claims, Cell(""), Cell("")))
    if not candidates:
        rows.append((*[Cell(MISSING)] * len(columns),))
    ids = (record.id,) if record else ()
    for candidate in candidates:
        numbers = [*(candidate.scores[factor]["mean_iu"] for factor in FACTORS), candidate.off_by()]
        *choices, written = map(Cell, candidate.choices)
        rows.append((*choices, *(Cell(_text(number), records=ids) for number in numbers), written))
    return tuple(columns), tuple(rows)


def _verdict(candidates: Sequence[Candidate]) -> tuple[str, ...]:
    """Whether the paper's procedure is found, when, and what stays open."""
    if not candidates:
        return ("**Procedure unknown.**",)
    nearest = candidates[0]
    within = [candidate for candidate in candidates if candidate.off_by() <= TOLERANCE]
    if not within:
        return (
            f"**Procedure unknown.** None of {len(candidates)} procedures is within {TOLERANCE} at all six factors. "
            f"The nearest ({_choices([nearest])}) is off by {_text(nearest.off_by())}.",
        )
    late = all(candidate.choices[-1] != BEFORE for candidate in within)
    open_ = [name for name, values in _values(within).items() if len(values) > 1]
    heading = f"Procedure identified{' after a look at the results' * late}"
    heading += f", but for {' and '.join(open_)}" if open_ else ""
    coarsest = FACTORS[0]
    finer = [candidate for candidate in candidates if candidate.off_by(FACTORS[1:]) <= TOLERANCE]
    alike = [candidate for candidate in candidates if candidate.choices[:3] == nearest.choices[:3]]
    found = [candidate.scores[coarsest]["mean_iu"] for candidate in alike]
    return (
        f"**{heading}.** {len(within)} of {len(candidates)} procedures are within {TOLERANCE} at all six factors: "
        f"{_choices(within)}.",
        f"At {coarsest} a side has three or four coarse pixels and the edges decide: the {len(alike)} procedures that "
        f"differ from the nearest in nothing but the lattice range over {_text(min(found))} to {_text(max(found))} "
        f"there, so that a lattice can fit by chance. At the five finer factors {len(finer)} procedures are within "
        f"{TOLERANCE}: {_choices(finer)}.",
    )


def _values(candidates: Sequence[Candidate]) -> dict[str, list[str]]:
    """What they choose, by the name of the choice."""
    chosen = zip(*(candidate.choices[:-1] for candidate in candidates), strict=True)
    return {name: sorted(set(values)) for name, values in zip(CHOICES[:-1], chosen, strict=True)}


def _choices(candidates: Sequence[Candidate]) -> str:
    return "; ".join(f"{name} {_either(values)}" for name, values in _values(candidates).items())


def _either(values: Sequence[str]) -> str:
    return " or ".join(f"*{value}*" for value in values) if len(values) <= 2 else f"of {len(values)} kinds"


def _spread(candidates: Sequence[Candidate], printed: Printed, record: Bounds) -> Section:
    """For each factor, what the procedures range over and whether the claim lies within."""
    columns = (Column("factor"), Column("claim"), Column("smallest"), Column("largest"), Column("claim lies", "left"))
    rows = []
    for factor, claim in printed.items():
        found = [candidate.scores[factor]["mean_iu"] for candidate in candidates]
        where = "below" if claim.value < min(found) else "above" if claim.value > max(found) else "within"
        ours = (_text(min(found)), _text(max(found)), where)
        cells = (Cell(text, records=(record.id,)) for text in ours)
        rows.append((Cell(str(factor)), Cell(claim.printed, claim=claim.key), *cells))
    return Section("Spread", columns, tuple(rows))


def _sources(record: Bounds | None, left_out: Sequence[tuple[Bounds, str]]) -> list[str]:
    """Which record fed the table, by which rule, and which others there are."""
    rule = f"`{RULE.name}`: {RULE.text}"
    notes = [f"No record yet: run `{COMMAND}` (takes the newest of {rule})."]
    if record:
        where = f"commit {record.provenance['commit'][:10]}, {record.provenance['device']}"
        notes = [f"Record taken (the newest of {rule}):", f"- `{record.id}`: {where}, {record.dataset.images} images"]
    if left_out:
        notes += ["Left out:", "\n".join(f"- `{other.id}`: {reason}" for other, reason in left_out)]
    return notes


def _frame(candidates: Sequence[Candidate], printed: Printed, record: Bounds | None) -> pd.DataFrame:
    lines = []
    for candidate in candidates or [Candidate(("",) * len(CHOICES), {}, {})]:
        for factor, claim in printed.items():
            found = candidate.scores.get(factor, dict.fromkeys(METRICS, math.nan))
            rest = {name: found[name] for name in METRICS if name != "mean_iu"}
            lines.append(
                dict(zip(CHOICES, candidate.choices, strict=True))
                | {"factor": factor, "key": claim.key, "claim": claim.printed, "claim_value": claim.value}
                | {"ours": found["mean_iu"], "difference": candidate.differences.get(factor, math.nan), **rest}
                | {"images": record.dataset.images if record else 0, "records": record.id if record else ""}
            )
    return pd.DataFrame(lines).round(4)


def _text(number: float) -> str:
    return MISSING if math.isnan(number) else f"{number:.2f}"
