"""A table as data: the rows that it is to hold, the rule for their records, what is computed from each."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from repro.errors import UserError
from repro.records import Timing
from repro.report.claims import Claims
from repro.report.document import NOT_MEASURED
from repro.report.timing.pool import Pool, Rule, device_of
from repro.report.timing.quantities import Number, digits, median, trials
from repro.report.timing.table import VERDICT, Line, Table, Value, claimed

Quantity = Callable[[Timing, Pool], Value]


def _whole(timing: Timing) -> Iterable[tuple[str, Timing]]:
    return [("", timing)]


@dataclass(frozen=True)
class Row:
    """What a table is to hold, measured or not: it takes what the table's rule takes of its subject and settings.

    Attributes:
        printed: (key, column) of the claims that stand beside it, by heading.
    """

    label: str
    subject: str
    settings: Mapping[str, str | int] = field(default_factory=dict)
    printed: Mapping[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A table of which every line shows one record.

    Attributes:
        name, title, about, rule, notes: as a `Table` has them.
        quantities: what is computed from a timing, by heading.
        views: of a timing with several series, which of them make a line, and the words for it.
    """

    name: str
    title: str
    about: str
    rule: Rule
    rows: tuple[Row, ...]
    quantities: Mapping[str, Quantity]
    notes: tuple[str, ...]
    views: Callable[[Timing], Iterable[tuple[str, Timing]]] = _whole

    def fill(self, pool: Pool, claims: Claims) -> Table:
        """Of each row one line for every device and all settings that the rule leaves open.

        Rows that no record fills stay; subjects that no row names follow them, under their own names.

        Raises:
            UserError: a row shows a claim that is not there, or a record lacks what its case needs.
        """
        others = {timing.subject for timing in pool.newest(self.rule)} - {row.subject for row in self.rows}
        lines = []
        for row in (*self.rows, *(Row(subject, subject) for subject in sorted(others))):
            rule = self.rule.on(row.subject, **row.settings)
            printed = {heading: claimed(claims, *place) for heading, place in row.printed.items()}
            timings = pool.newest(rule)
            for timing in timings:
                for words, view in self.views(timing) if timing.outcome == "measured" else _whole(timing):
                    settings = "; ".join(filter(None, [words, rule.describe(timing)]))
                    lines.append(Line(row.label, printed | self._values(view, pool), device_of(timing), settings))
            if not timings:
                unknown = {VERDICT: Value(NOT_MEASURED)} if VERDICT in self.quantities else {}
                lines.append(Line(row.label, printed | unknown))
        headings = tuple(dict.fromkeys(heading for row in self.rows for heading in row.printed))
        ours = tuple(self.quantities)
        return Table(self.name, self.title, self.about, tuple(lines), headings, ours, self.rule, self.notes)

    def _values(self, timing: Timing, pool: Pool) -> dict[str, Value]:
        if timing.outcome != "measured":
            return {next(iter(self.quantities)): Value(timing.outcome, records=(timing.id,))}
        try:
            return {heading: of(timing, pool) for heading, of in self.quantities.items()}
        except KeyError as error:
            raise UserError(
                f"{timing.id}: a record of the case {timing.case} needs {error}; measure it again"
            ) from error


def number(of: Number, show: Callable[[float], str] = digits) -> Quantity:
    """A number of one timing, as a cell."""

    def value(timing: Timing, pool: Pool) -> Value:
        found = of(timing)
        return Value() if found is None else Value(show(found), found, records=(timing.id,))

    return value


def mean_and_sd(per: Callable[[Timing], int] = lambda timing: 1) -> Quantity:
    """Milliseconds a trial, or a part of one: mean and standard deviation over the trials."""

    def value(timing: Timing, pool: Pool) -> Value:
        found = 1e3 * trials(timing) / per(timing)
        mean, sd = float(found.mean()), float(found.std(ddof=1)) if len(found) > 1 else None
        return Value(digits(mean) + ("" if sd is None else f" ± {digits(sd, 2)}"), mean, sd, records=(timing.id,))

    return value


def against(rule: Rule, **settings: str) -> Quantity:
    """How many times as long the same takes in other settings, of one run: the ratio of the medians."""

    def value(timing: Timing, pool: Pool) -> Value:
        same = {name: setting for name, setting in timing.settings.items() if name != "device"}
        other = pool.beside(timing, replace(rule.on(timing.subject, **{**same, **settings}), open=False))
        if other is None:
            return Value()
        ratio = median(other) / median(timing)
        return Value(digits(ratio), ratio, records=tuple(dict.fromkeys((timing.id, other.id))))

    return value
