"""The tables that lay several records side by side: order and ratio, and growth."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from repro.records import Timing
from repro.report.claims import Claims
from repro.report.document import NOT_MEASURED
from repro.report.ranks import UNDECIDED
from repro.report.timing import rules
from repro.report.timing.pool import Pool, Rule, alike, device_of
from repro.report.timing.quantities import (
    Number,
    digits,
    median,
    per_pixel,
    pixels,
    relative_error,
    seconds_per_image,
    taken_memory,
)
from repro.report.timing.table import COMPUTED, VERDICT, Line, Table, Value, claimed, judge, quotient

GROWTH = 10  # percent
SIZE = ("batch", "height", "width")
AXES = (("height", "width"), ("batch",))  # one curve along sizes, one along batches
ERRORS = 2  # standard errors that pass for noise
CROPS = 100  # of a grid of 10x10

Place = tuple[str, str]  # key and column of a claim


@dataclass(frozen=True)
class Ratio:
    """A printed statement that one thing takes more than `above` times as long as another.

    Attributes:
        statement: in words.
        slow, fast: the records of the two.
        printed: of each the claim that holds its time, where there is one.
        above: the ratio that it must exceed to hold; None where none is stated.
        times: how many of the slow ones stand against one of the fast.
        sentence: the claim that prints the ratio itself, where one does.
    """

    statement: str
    slow: Rule
    fast: Rule
    printed: tuple[Place | None, Place]
    above: float | None = 1
    times: int = 1
    sentence: Place | None = None


def _order(slow: str, fast: str) -> Ratio:
    first, second = (rules.TABLE1.on(rules.NETS[label]) for label in (slow, fast))
    return Ratio(f"{slow} / {fast}", first, second, (rules.time_of(slow), rules.time_of(fast)))


def _naive(subject: str, direction: str, how: str, above: float | None) -> Ratio:
    crops, dense = (rules.SECTION3_1.on(name, direction=direction, **rules.PLAIN) for name in (subject, "dense"))
    crop_time = rules.crop_time_of(subject, direction)
    sentence = (f"cvpr2015/section3_1/speed-up over naive, {how}", "forward")
    return Ratio(
        f"{CROPS} crops {how} / the image, {direction}",
        crops,
        dense,
        (None if (subject, direction) == rules.NOT_PRINTED else crop_time, rules.crop_time_of("dense", direction)),
        above,
        CROPS,
        sentence if direction == "forward" else None,
    )


ORDER = (
    _order("FCN-VGG16", "FCN-AlexNet"),
    _order("FCN-VGG16", "FCN-GoogLeNet"),
    _order("FCN-GoogLeNet", "FCN-AlexNet"),
    Ratio(
        "FCN-VGG16 / FCN-8s",
        rules.TABLE1.on(rules.NETS["FCN-VGG16"]),
        rules.TABLE1.on(rules.FCN8S.subject),
        (rules.time_of("FCN-VGG16"), ("cvpr2015/table3/FCN-8s", "inference_time")),
    ),
)
NAIVE = (
    _naive("crops_batched", "forward", "batched", 5),
    _naive("crops_batched", "backward", "batched", None),
    _naive("crops_alone", "forward", "one by one", 24.5),  # nearly 25, to the nearest
    _naive("crops_alone", "backward", "one by one", None),
)


def order(pool: Pool, claims: Claims) -> Table:
    """Which of Table 1's nets is faster, and how many times."""
    return Table(
        "order",
        "Table 1: order and ratio",
        "time / time",
        _compare(pool, claims, ORDER),
        (COMPUTED,),
        ("ours", VERDICT),
        rules.TABLE1,
        (
            f"*{COMPUTED}*: one printed time over the other. *ours*: the same of our means, both of one run. The order "
            f"*holds* where the first takes longer here too, and is *{UNDECIDED}* within {ERRORS} standard errors of "
            "1. Table 3's FCN-8s, finer than the FCN-VGG16 of Table 1, is printed as faster: of another size of image, "
            "or another implementation.",
        ),
    )


def naive(pool: Pool, claims: Claims) -> Table:
    """How many times faster one pass over the image is than a classifier on every crop."""
    return Table(
        "section3_1_speed_up",
        "Section 3.1: dense against naive",
        "time / time",
        _compare(pool, claims, NAIVE),
        ("printed", COMPUTED),
        ("ours", VERDICT),
        rules.SECTION3_1,
        (
            f"*{COMPUTED}*: {CROPS} times the printed time of a crop over that of the image. *ours*: the same of our "
            "means in fp32, both of one run, crops in the batch that is fastest. The verdict *holds* above 5 in "
            f'batches and above 24.5 ("nearly 25") one by one, and is *{UNDECIDED}* within {ERRORS} standard errors of '
            "these. Of the way back the paper says that its speed-up is similar, which sets no bound: no verdict.",
        ),
    )


def _compare(pool: Pool, claims: Claims, ratios: Sequence[Ratio]) -> tuple[Line, ...]:
    lines = []
    for ratio in ratios:
        values = {"printed": claimed(claims, *ratio.sentence)} if ratio.sentence else {}
        slow_time, fast_time = (claimed(claims, *place) if place else None for place in ratio.printed)
        values[COMPUTED] = quotient(slow_time, fast_time, ratio.times)
        pairs = pool.together(ratio.slow, ratio.fast)
        for slow, fast in pairs:
            found = ratio.times * seconds_per_image(slow) / seconds_per_image(fast)
            ours = Value(digits(found), found, records=(slow.id, fast.id))
            verdict = Value() if ratio.above is None else _above(found, ratio.above, slow, fast)
            lines.append(Line(ratio.statement, values | {"ours": ours, VERDICT: verdict}, device_of(slow)))
        if not pairs:
            unknown = {} if ratio.above is None else {VERDICT: Value(NOT_MEASURED)}
            lines.append(Line(ratio.statement, values | unknown))
    return tuple(lines)


def _above(found: float, bound: float, slow: Timing, fast: Timing) -> Value:
    """Whether a ratio of means exceeds a bound by more than the noise of its trials."""
    if abs(found - bound) <= ERRORS * found * math.hypot(relative_error(slow), relative_error(fast)):
        return Value(UNDECIDED, records=(slow.id, fast.id))
    return judge(found > bound, slow, fast)


def growth(pool: Pool, claims: Claims) -> Table:
    """Whether time or memory grows faster than the pixels, over sizes in batches of one number, and over batches."""
    measured = [timing for timing in pool.newest(rules.COST) if timing.outcome == "measured"]
    curves = [(along, curve) for along in AXES for curve in alike(measured, *along) if len(curve) > 1]
    headings = ("cases", "time a pixel (%)", "memory a pixel (%)", VERDICT)
    lines = []
    for along, timings in sorted(curves, key=lambda found: measured.index(found[1][0])):
        first = timings[0]
        rises = [_rise(timings, of) for of in (per_pixel(median), per_pixel(taken_memory))]
        known = [rise.number for rise in rises if rise.number is not None]
        verdict = judge(max(known) <= GROWTH, *timings) if known else Value(NOT_MEASURED)
        label = rules.FCN8S.label if first.subject == rules.FCN8S.subject else first.subject
        words = rules.COST.on(**{name: first.settings[name] for name in along}).describe(first)
        ends = (_words(choose(timings, key=pixels)) for choose in (min, max))
        over = Value(f"{len(timings)}, {' to '.join(ends)}", len(timings), records=tuple(t.id for t in timings))
        lines.append(Line(label, dict(zip(headings, (over, *rises, verdict), strict=True)), device_of(first), words))
    return Table(
        "growth",
        "Nothing grows faster than the pixels",
        "net",
        tuple(lines) or (Line(rules.FCN8S.label, {VERDICT: Value(NOT_MEASURED)}),),
        ours=headings,
        rule=rules.COST,
        notes=(
            "The largest rise of the time a pixel, and of the memory a pixel, from any case to any larger one: one at "
            "least as high, as wide and of as many images. Memory is what the passes took beyond what was held before "
            "them, weights for one; on a CPU *fast* also lays some out anew then, and its small images hide in that. "
            f"The verdict is of these cases alone and *holds* up to {GROWTH}%, which passes for "
            "noise. A pixel of a small image takes longer, for its part of the padding: so only a growth that outdoes "
            "the padding's share shows.",
        ),
    )


def _words(timing: Timing) -> str:
    batch, height, width = (timing.settings[name] for name in SIZE)
    return f"{batch} of {height}x{width}"


def _rise(timings: Sequence[Timing], of: Number) -> Value:
    """By how many percent a number rises at most, from a case to one that is larger."""
    found = []
    for small, large in permutations(timings, 2):
        below, above = of(small), of(large)
        if below and above and all(int(small.settings[name]) <= int(large.settings[name]) for name in SIZE):
            found.append((100 * (above / below - 1), small.id, large.id))
    if not found:
        return Value()
    rise, first, last = max(found)
    return Value(f"{rise:+.1f}", rise, records=(first, last))
