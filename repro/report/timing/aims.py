"""What this suite set out to reach with FCN-8s, and where it stands."""

from dataclasses import dataclass

from repro.records import Timing
from repro.report.claims import Claims
from repro.report.document import NOT_MEASURED
from repro.report.timing import rules
from repro.report.timing.pool import Pool, Rule, device_of
from repro.report.timing.quantities import Number, digits, fastest, over_distribution, sizes
from repro.report.timing.table import VERDICT, Line, Table, Value, judge

# scores in fp32, as a share of their largest; cuDNN has several algorithms, which round differently
EXACT = {"cpu": 1e-5, "cuda": 1e-4}
ALL_SIZES = 166  # distinct ones of the 736 images of seg11valid


@dataclass(frozen=True)
class Aim:
    """What this suite set out to reach.

    Attributes:
        where: device, precision and so on, in words.
        at_least: how many times as fast as `peer`.
        of: the ratio of a timing; None where the timing does not tell.
        exact: how far the scores may lie from the peer's, as a share of their largest; None where it does not matter.
    """

    where: str
    at_least: float
    peer: str
    rule: Rule
    of: Number
    exact: float | None = None

    @property
    def statement(self) -> str:
        return f"{self.where}: at least {self.at_least:g}x {self.peer}"


def _aim(where: str, at_least: float, device: str, precision: str, peer: str = "torchfcn", ours: str = "") -> Aim:
    words = f"{peer} as it comes" if peer == "torchfcn" else peer
    if device == "cuda":
        words = f"torchfcn in fp32, TF32 {'in convolutions, as torch runs it' if precision == 'bf16' else 'off'}"
    settings = {"peer": "torchfcn", "device": device, "precision": precision}
    rule = rules.PEERS.on(rules.FCN8S.subject, **settings, **rules.SIZE, batch=1)
    return Aim(where, at_least, words, rule, fastest(peer, ours), exact=EXACT[device] if precision == "fp32" else None)


def over_all_sizes(timing: Timing) -> float | None:
    """The ratio over all images of seg11valid; None where some of their sizes were left out."""
    return over_distribution(timing) if len(sizes(timing)) == ALL_SIZES else None


AIMS = (
    _aim("CPU, fp32", 1.5, "cpu", "fp32"),
    _aim("CPU, fp32", 1.3, "cpu", "fp32", "torchfcn, channels_last"),
    Aim(
        f"CPU, fp32, over the {ALL_SIZES} sizes of seg11valid",
        1.15,
        "torchfcn as it comes",
        rules.SIZES.on(rules.FCN8S.subject, device="cpu", precision="fp32"),
        over_all_sizes,
    ),
    _aim("CUDA, fp32 (IEEE)", 1.4, "cuda", "fp32", ours="ours, fast"),
    _aim("CUDA, fp32, the best mode", 2, "cuda", "fp32"),
    _aim("CUDA, bf16", 6, "cuda", "bf16"),
)


def aims(pool: Pool, claims: Claims) -> Table:
    """What this suite set out to reach with FCN-8s, and where it stands; what has no device is named."""
    lines: list[Line] = []
    for aim in AIMS:
        best: dict[str, tuple[float, Timing]] = {}
        for timing in pool.newest(aim.rule):
            found = aim.of(timing) if timing.outcome == "measured" else None
            if found is not None and found > best.get(device_of(timing), (0,))[0]:
                best[device_of(timing)] = found, timing
        for device, (ratio, timing) in best.items():
            difference = timing.work.get("largest_difference")
            shown = Value() if difference is None else Value(f"{difference:.1e}", difference, records=(timing.id,))
            equal = aim.exact is None or (difference is not None and difference <= aim.exact)
            values = {
                "ours": Value(_digits(ratio, aim.at_least), ratio, records=(timing.id,)),
                "largest difference": shown,
            }
            values[VERDICT] = judge(ratio >= aim.at_least and equal, timing)
            lines.append(Line(aim.statement, values, device))
        if not best:
            lines.append(Line(aim.statement, {VERDICT: Value(NOT_MEASURED)}))
    without = [] if any(timing.settings.get("device") == "cuda" for timing in pool.clean) else [_without_cuda()]
    return Table(
        "aims",
        "What this suite set out to reach",
        "FCN-8s, 500x500",
        tuple(lines),
        ours=("ours", "largest difference", VERDICT),
        rule=rules.AIMS,
        notes=(
            "*ours*: the median ratio of ten pairs or more, peer / the fastest of ours, pair by pair (the table of "
            "peers); over all sizes the ratio of the total times, the cache empty at first. In fp32 the verdict asks "
            f"also that the scores are equal: to {EXACT['cpu']:g} on a CPU, to {EXACT['cuda']:g} on CUDA. An aim on a "
            "CPU is judged for every number of threads, which *device* names.",
            *without,
        ),
    )


def _digits(ratio: float, at_least: float) -> str:
    """Three significant digits, or more where a ratio below an aim would print as if it reached it."""
    count = 3
    while ratio < at_least <= float(digits(ratio, count)):
        count += 1
    return digits(ratio, count)


def _without_cuda() -> str:
    waiting = "; ".join(aim.statement for aim in AIMS if aim.rule.fixed["device"] == "cuda")
    return f"No record is of a CUDA device, so these stand as not measured: {waiting}."
