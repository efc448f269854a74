"""`tables/timing.md`: how long the nets take, beside what the paper prints.

Every table takes its records by a named rule (`rules`). A ratio is taken within one run on one device, and records of
two devices never share a line.
"""

from collections.abc import Iterator, Sequence

import pandas as pd

from repro.records import AnyRecord, Record, Timing
from repro.report.claims import Claims
from repro.report.document import Document, Section
from repro.report.timing import aims, comparisons, plans, rules, training, turns
from repro.report.timing.pool import Pool, device_of
from repro.report.timing.table import FRAME, NUMBERS, Table

INTRODUCTION = (
    "*printed*: as the paper prints it, of its GPU and framework. *device*: what ran ours; a processor with another "
    "number of threads is another device, and a time of ours never stands in a column of printed ones. Every record is "
    "from a clean tree; of those of equal settings and device the newest counts. A ratio of two records is of one "
    "`run` on one device.",
    "Times in milliseconds, numbers to three significant digits. Sizes are height x width. *settings*: what a rule "
    "leaves open; *fp32* is IEEE fp32.",
)


def document(claims: Claims, records: Sequence[AnyRecord]) -> Document:
    """All timings as a document.

    Its frame has a line for each number and verdict: section, row, settings, device, quantity (with its unit), key,
    claim and claim_value (of what is printed), ours and sd, verdict, records (ids).

    Raises:
        UserError: a claim is missing, or a record lacks what its case needs.
    """
    pool = Pool(records)
    tables = list(_tables(pool, claims, records))
    known = {record.id: record for record in records}
    counts = [table.measured() for table in tables]
    sections = [table.section(_sources(table, known)) for table in tables]
    return Document(
        name="timing",
        title="Timing",
        summary="Table 1's and section 3.1's times, peers, the floor, and what training takes",
        command=rules.UPDATE.command,
        introduction=INTRODUCTION,
        sections=(*sections, *_left_out(pool, {name for table in tables for name in table.taken})),
        frame=_frame(tables),
        measured=sum(done for done, _ in counts),
        cells=sum(wanted for _, wanted in counts),
    )


def _frame(tables: Sequence[Table]) -> pd.DataFrame:
    frame = pd.DataFrame([entry for table in tables for entry in table.numbers()], columns=list(FRAME))
    return frame.astype(dict.fromkeys(NUMBERS, float)).fillna(dict.fromkeys(set(FRAME) - set(NUMBERS), ""))


def _tables(pool: Pool, claims: Claims, records: Sequence[AnyRecord]) -> Iterator[Table]:
    yield plans.FORWARD.fill(pool, claims)
    yield comparisons.order(pool, claims)
    for plan in (plans.UPDATE, plans.MODES, plans.SECTION3_1):
        yield plan.fill(pool, claims)
    yield comparisons.naive(pool, claims)
    for plan in (turns.TASKS, turns.PEERS, turns.SIZES, plans.PEAKS, plans.FLOOR, plans.COST):
        yield plan.fill(pool, claims)
    yield comparisons.growth(pool, claims)
    yield plans.PARTS.fill(pool, claims)
    yield training.cost(records, claims)
    yield training.inference(claims)
    yield aims.aims(pool, claims)


def _sources(table: Table, known: dict[str, AnyRecord]) -> list[str]:
    """Notes of which records a table took, by device and commit, and by which rule."""
    if table.rule is None:
        return []
    rule = f"`{table.rule.name}`: {table.rule.text}"
    if not table.taken:
        return [f"No records yet: run `{table.rule.command}` (takes {rule})."]
    places: dict[str, list[str]] = {}
    for name in sorted(table.taken):
        where, what = _source(known[name])
        places.setdefault(where, []).append(f"`{name}` ({what})")
    lines = [f"- {where}: {', '.join(names)}" for where, names in sorted(places.items())]
    return [f"Records taken ({rule}):", "\n".join(lines)]


def _source(record: AnyRecord) -> tuple[str, str]:
    """Device and commit that a record is from, and how much it counted."""
    if isinstance(record, Record):
        trained = record.training["provenance"]
        return (
            f"{trained['device']}, commit {str(trained['commit'])[:10]}",
            f"{record.training['iterations']} iterations",
        )
    assert isinstance(record, Timing)
    count = max(map(len, record.seconds.values()), default=0)
    return (
        f"{device_of(record)}, commit {record.provenance['commit'][:10]}",
        f"{count} trials" if count else record.outcome,
    )


def _left_out(pool: Pool, taken: set[str]) -> list[Section]:
    reasons = pool.left_out(taken)
    lines = [f"- {reason}: {', '.join(f'`{name}`' for name in ids)}" for reason, ids in reasons.items()]
    return [Section("Left out", notes=("\n".join(lines),))] if lines else []
