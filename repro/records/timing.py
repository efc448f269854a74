"""How long something takes: one case of `tests/timing`, every trial of it."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from repro.records.checks import PATH, WORD, Check
from repro.records.parsing import begin, check_digest, parse_provenance
from repro.records.schema import SCHEMA, digest_of

Outcome = Literal["measured", "out of memory"]


@dataclass(frozen=True, eq=False)
class Timing:
    """One timing. `write_plain` fills in `id` and `digest`; leave them out.

    Attributes:
        case: the protocol that was followed, such as `forward`, `update`, `peers`, `sizes`.
        subject: what was timed: an experiment such as `voc2011/fcn8s_vgg16`, or another thing's name.
        settings: by name, all that two timings of a case may differ in: `device`, `precision`, `mode`, `batch`,
            `height`, `width` and so on; strings and integers.
        seconds: every trial in the order of measuring, in seconds, by the name of what ran. Several names ran in turn,
            A B A B: trial i of each belongs together. Without a trial where the outcome is not `measured`.
        work: numbers beside the times, by name with their unit in it: `flop`, `bytes`, `peak_flop_per_second`,
            `peak_memory_bytes`, `joules`, `compile_seconds`, `largest_difference` and so on.
        outcome: whether the trials were run to their end.
        claims: keys `source/table/row` of the claims that it repeats, on whatever machine.
        provenance: what `repro.provenance.collect` returns, and more.
        folder: where it was read from or written to; not part of the content.
    """

    case: str
    subject: str
    settings: dict[str, str | int]
    seconds: dict[str, list[float]]
    work: dict[str, float]
    provenance: dict[str, Any]
    outcome: Outcome = "measured"
    claims: list[str] = field(default_factory=list)
    kind: str = "timing"
    schema: int = SCHEMA
    id: str = ""
    digest: str = ""
    folder: Path | None = None

    @property
    def device(self) -> str:
        """Name of the processor or GPU that did the work."""
        return str(self.provenance["device"])

    @property
    def floor(self) -> float | None:
        """The least seconds that the device's peaks allow: for its FLOP or for its bytes, whichever takes longer.

        The peaks are those of a matrix product and of a copy; None where a peak or a count is not known.
        """
        work = self.work
        if not {"flop", "peak_flop_per_second", "bytes", "peak_bytes_per_second"} <= set(work):
            return None
        return max(work[name] / work[f"peak_{name}_per_second"] for name in ("flop", "bytes"))

    def to_json(self) -> dict[str, Any]:
        """The timing as plain values."""
        return {name: value for name, value in asdict(self).items() if name != "folder"}

    def name(self, digest: str) -> str:
        """Its id: case, subject, and the beginning of its digest."""
        return f"{self.case}.{self.subject.replace('/', '-')}.{digest[:8]}"


def parse(data: Any, where: str) -> Timing:
    """Build a timing from parsed JSON; arguments and errors as for `repro.records.parsing.parse`."""
    check = begin(data, Timing, where)
    check.text(data["case"], WORD, "case")
    check.text(data["subject"], PATH, "subject")
    for name, value in check.kind(data["settings"], dict, "settings").items():
        check.kind(value, (str, int), f"settings.{name}")
    for name, value in check.kind(data["work"], dict, "work").items():
        check.kind(value, (int, float), f"work.{name}")
    for claim in check.kind(data["claims"], list, "claims"):
        check.text(claim, "[^/]+/[^/]+/.+", "a claim")
    if data["outcome"] not in get_args(Outcome):
        raise check.refuse(f"unknown outcome {data['outcome']!r}")
    _check_seconds(data, check)
    parse_provenance(data["provenance"], check)
    timing = Timing(**data)
    check_digest(data, timing.name(digest_of(data)), check)
    return timing


def _check_seconds(data: dict[str, Any], check: Check) -> None:
    series = check.kind(data["seconds"], dict, "seconds")
    for name, trials in series.items():
        for trial in check.kind(trials, list, f"seconds.{name}"):
            if check.kind(trial, (int, float), f"seconds.{name}") <= 0:
                raise check.refuse(f"seconds.{name} holds a trial of {trial} s")
    lengths = {len(trials) for trials in series.values()}
    if len(lengths) > 1 or (data["outcome"] == "measured") != bool(sum(lengths)):
        raise check.refuse("seconds holds series of different lengths, or none where it was measured")
