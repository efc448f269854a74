"""A table of timings: lines of values, printed or measured, and what becomes of them: a section, rows of the frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from repro.records import Timing
from repro.report.claims import Claim, Claims, lookup
from repro.report.document import MISSING, Cell, Column, Section
from repro.report.ranks import FAILS, HOLDS
from repro.report.timing.pool import Rule
from repro.report.timing.quantities import digits

VERDICT = "verdict"
COMPUTED = "from printed times"
NUMBERS = ("claim_value", "ours", "sd")
FRAME = ("section", "row", "settings", "device", "quantity", "key", "claim", *NUMBERS, "verdict", "records")


@dataclass(frozen=True)
class Value:
    """What one cell says, and its number, unrounded and in the unit of the cell's heading.

    Attributes:
        sd: standard deviation over the trials, where `number` is their mean.
        claim: that it prints.
        records: ids of the records that it was computed from.
    """

    text: str = MISSING
    number: float | None = None
    sd: float | None = None
    claim: Claim | None = None
    records: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One line of a table: what it is about, on which device, in which of the settings that its rule leaves open."""

    row: str
    values: Mapping[str, Value]
    device: str = MISSING
    settings: str = ""


@dataclass(frozen=True)
class Table:
    """Lines under headings: those of printed numbers first, then the device, then those of ours.

    Attributes:
        name: of the section in the frame.
        about: heading of what the lines are about.
        rule: for the records that it takes; None where all it holds is printed.
    """

    name: str
    title: str
    about: str
    lines: tuple[Line, ...]
    printed: tuple[str, ...] = ()
    ours: tuple[str, ...] = ()
    rule: Rule | None = None
    notes: tuple[str, ...] = ()

    @property
    def taken(self) -> set[str]:
        """Ids of the records that its values were computed from."""
        return {name for line in self.lines for value in line.values.values() for name in value.records}

    def section(self, records: Sequence[str]) -> Section:
        """The table as a section, `records` being its notes about what it took."""
        settings = any(line.settings for line in self.lines)
        words = {self.about, "settings", "device", VERDICT}
        headings = [self.about, *(["settings"] if settings else []), *self.printed]
        headings += ["device", *self.ours] if self.ours else []
        rows = []
        for line in self.lines:
            cells = [Cell(line.row), *([Cell(line.settings or MISSING)] if settings else [])]
            cells += [_cell(line.values.get(heading, Value())) for heading in self.printed]
            cells += [Cell(line.device)] if self.ours else []
            cells += [_cell(line.values.get(heading, Value())) for heading in self.ours]
            rows.append(tuple(cells))
        columns = tuple(Column(heading, "left" if heading in words else "right") for heading in headings)
        return Section(self.title, columns, tuple(rows), (*self.notes, *records))

    def numbers(self) -> list[dict[str, object]]:
        """Lines of the frame: one a number or verdict. What is printed stands once, under no device of ours."""
        found: list[dict[str, object]] = []
        for line in self.lines:
            for heading in (*self.printed, *self.ours):
                value = line.values.get(heading, Value())
                entry: dict[str, object] = {"section": self.name, "row": line.row, "quantity": heading}
                if heading in self.printed:
                    entry |= {"claim_value": value.number}
                    entry |= {"key": value.claim.key, "claim": value.claim.printed} if value.claim else {}
                else:
                    entry |= {"settings": line.settings, "device": line.device.replace(MISSING, "")}
                    entry |= {"ours": value.number, "sd": value.sd, "records": " ".join(value.records)}
                    entry |= {"verdict": value.text} if value.number is None and value.text != MISSING else {}
                found += [] if heading in self.printed and entry in found else [entry]
        return found

    def measured(self) -> tuple[int, int]:
        """How many of its numbers are measured, and how many it is to hold.

        What a device that was measured does not yield, as energy where there is no meter, is not missing.
        """
        done, missing = 0, 0
        for line in self.lines:
            numbers = [line.values.get(heading, Value()) for heading in self.ours if heading != VERDICT]
            done += sum(value.number is not None for value in numbers)
            missing += 0 if line.device != MISSING else len(numbers)
        return done, done + missing


def judge(holds: bool, *timings: Timing) -> Value:
    """A verdict, and the records that it rests on."""
    return Value(HOLDS if holds else FAILS, records=tuple(timing.id for timing in timings))


def claimed(claims: Claims, key: str, column: str) -> Value:
    """A claim as printed.

    Raises:
        UserError: it is not among the claims.
    """
    claim = lookup(claims, "timing", key, column)
    return Value(claim.printed, claim.value, claim=claim)


def quotient(slow: Value | None, fast: Value | None, times: int = 1) -> Value:
    """What two printed times come to: how many of the fast one are `times` the slow one."""
    if slow is None or fast is None or not slow.number or not fast.number:
        return Value()
    found = times * slow.number / fast.number
    return Value(digits(found), found)


def _cell(value: Value) -> Cell:
    return Cell(value.text, value.claim.key if value.claim else "", value.records)
