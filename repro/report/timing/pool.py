"""Which timings count, by named rules: clean ones, the newest of equal settings, ratios only within one run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from repro.records import AnyRecord, Timing
from repro.report.layouts.selections import age
from repro.report.timing.quantities import seconds_per_image

ORDER = {
    "precision": ("fp32", "tf32", "bf16"),
    "mode": ("eager", "channels_last", "fast", "compile", "cuda_graph"),
    "batch": (),
    "height": (),
    "width": (),
}


@dataclass(frozen=True)
class Rule:
    """A named rule for the timings that a row takes.

    Attributes:
        fixed: settings that a timing must have.
        open: whether it may have others too; the row's line names them. The device is always open, and named.
        subject: that was timed; None for any.
        command: measures what it takes.
    """

    name: str
    text: str
    case: str
    fixed: Mapping[str, str | int] = field(default_factory=dict)
    open: bool = False
    subject: str | None = None
    command: str = "tox -e timing"

    def on(self, subject: str | None = None, /, **settings: str | int) -> "Rule":
        """The rule of one row: this one, of a subject and with more settings fixed."""
        return replace(self, subject=subject or self.subject, fixed={**self.fixed, **settings})

    def takes(self, timing: Timing) -> bool:
        """Whether a timing is of the rule's case, subject and settings."""
        return (
            timing.case == self.case
            and self.subject in (None, timing.subject)
            and all(timing.settings.get(name) == value for name, value in self.fixed.items())
            and (self.open or not self._others(timing))
        )

    def describe(self, timing: Timing) -> str:
        """What of a timing the rule leaves open, such as `fast, bf16, batch 8`; heights stand before widths."""
        others = self._others(timing)
        words = [str(others.pop(name)) for name in ("mode", "precision") if name in others]
        words += [f"batch {others.pop('batch')}"] if "batch" in others else []
        words += [f"{others.pop('height')}x{others.pop('width')}"] if {"height", "width"} <= set(others) else []
        return ", ".join([*words, *(f"{name} {value}" for name, value in sorted(others.items()))])

    def _others(self, timing: Timing) -> dict[str, str | int]:
        return {name: value for name, value in timing.settings.items() if name not in {*self.fixed, "device"}}


def device_of(timing: Timing) -> str:
    """A timing's device as the tables name it: two numbers of threads of one processor are two devices."""
    threads = timing.provenance["threads"]
    if timing.settings.get("device") == "cuda" or not threads:
        return timing.device
    return f"{timing.device}, {threads} thread{'s' if threads > 1 else ''}"


def run_of(timing: Timing) -> tuple[str, str]:
    """The run that a timing belongs to, on one device; a record that names no `run` is one by itself."""
    return str(timing.provenance.get("run") or timing.id), device_of(timing)


def alike(timings: Iterable[Timing], *but: str) -> list[list[Timing]]:
    """Timings of one case, subject and device that share all settings but these."""
    groups: dict[tuple[object, ...], list[Timing]] = {}
    for timing in timings:
        groups.setdefault(_identity(timing, *but), []).append(timing)
    return list(groups.values())


class Pool:
    """The timings of a set of records, and those of them that count."""

    def __init__(self, records: Iterable[AnyRecord]) -> None:
        self.timings = sorted((r for r in records if isinstance(r, Timing)), key=age)
        self.clean = [timing for timing in self.timings if timing.provenance["dirty"] is False]

    @property
    def counted(self) -> list[Timing]:
        """The newest clean timing of each case, subject, settings and device."""
        return list({_identity(timing): timing for timing in self.clean}.values())

    def newest(self, rule: Rule) -> list[Timing]:
        """What a rule takes, by device and settings: the newest of equal case, subject, settings and device."""
        return sorted(filter(rule.takes, self.counted), key=lambda t: (device_of(t), t.subject, _order(t.settings)))

    def together(self, *rules: Rule) -> list[tuple[Timing, ...]]:
        """For each device one timing of every rule, all from the newest run that holds them all.

        Where a rule leaves settings open, it is the one that takes the least time an image.
        """
        runs: dict[tuple[str, str], list[Timing]] = {}
        for timing in self.clean:
            if timing.outcome == "measured":
                runs.setdefault(run_of(timing), []).append(timing)
        found = {}
        for (_, device), timings in sorted(runs.items(), key=lambda run: age(run[1][-1])):
            picked = [_quickest(timings, rule) for rule in rules]
            if all(picked):
                found[device] = tuple(timing for timing in picked if timing)
        return [found[device] for device in sorted(found)]

    def beside(self, timing: Timing, rule: Rule) -> Timing | None:
        """The newest timing of a rule in the run of another; None where that run has none."""
        found = [t for t in self.clean if rule.takes(t) and t.outcome == "measured" and run_of(t) == run_of(timing)]
        return found[-1] if found else None

    def left_out(self, taken: set[str]) -> dict[str, list[str]]:
        """Ids of the timings that no row took, by the reason."""
        reasons: dict[str, list[str]] = {}
        newest = {_identity(timing): timing for timing in self.clean}
        for timing in self.timings:
            if timing.provenance["dirty"] is not False:
                reason = "from a dirty tree" if timing.provenance["dirty"] else "from an unknown commit"
            elif newest[_identity(timing)] is not timing:
                reason = "a newer record has its settings"
            else:
                reason = "no row has its case and settings"
            if timing.id not in taken:
                reasons.setdefault(reason, []).append(timing.id)
        return {reason: sorted(ids) for reason, ids in sorted(reasons.items())}


def _identity(timing: Timing, *but: str) -> tuple[object, ...]:
    settings = sorted((name, value) for name, value in timing.settings.items() if name not in but)
    return timing.case, timing.subject, tuple(settings), device_of(timing)


def _quickest(timings: Sequence[Timing], rule: Rule) -> Timing | None:
    newest = {_identity(timing): timing for timing in timings if rule.takes(timing)}
    return min(newest.values(), key=seconds_per_image, default=None)


def _order(settings: Mapping[str, str | int]) -> list[tuple[str, int, int, str]]:
    """Sorts settings: precisions and modes from the plain to the special, numbers by their size."""
    names = [*ORDER, *sorted(set(settings) - set(ORDER))]
    return [(name, *_rank(settings[name], ORDER.get(name, ()))) for name in names if name in settings]


def _rank(value: str | int, known: Sequence[str]) -> tuple[int, int, str]:
    if isinstance(value, int):
        return 0, value, ""
    return 1, known.index(value) if value in known else len(known), value
