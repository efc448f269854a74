"""The tables of records whose series ran in turn, A B A B: two heads, peers, real sizes; as data."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from repro.records import Timing
from repro.report.timing import rules
from repro.report.timing.plan import Plan, Quantity, Row, number
from repro.report.timing.pool import Pool
from repro.report.timing.quantities import (
    over_distribution,
    over_each_size_once,
    over_sizes,
    plain_over_distribution,
    ratios,
    sizes,
    work,
)
from repro.report.timing.table import VERDICT, Value, judge

AS_FAST = 5  # percent


def slower_task(timing: Timing) -> str:
    """Which of the two nets of one task takes longer, by the medians."""
    return max(("semantic alone", "geometric alone"), key=lambda name: float(np.median(timing.seconds[name])))


def ratio_to_slower(timing: Timing) -> float:
    """Two heads / the slower of the nets of one task, median of the trials' ratios."""
    return float(np.median(ratios(timing, "two heads", slower_task(timing))))


def ratio_to_both(timing: Timing) -> float:
    """Two heads / both nets of one task, median of the trials' ratios."""
    both = np.add(timing.seconds["semantic alone"], timing.seconds["geometric alone"])
    return float(np.median(np.array(timing.seconds["two heads"]) / both))


def as_fast(timing: Timing, pool: Pool) -> Value:
    """Whether two heads take no longer than the slower of the nets of one task."""
    return judge(100 * (ratio_to_slower(timing) - 1) <= AS_FAST, timing)


def loses_at_no_size(timing: Timing, pool: Pool) -> Value:
    """Whether the fast net takes no longer than the peer at any size, as first met."""
    return judge((over_sizes(0)(timing) or 0) >= 1, timing)


def milliseconds_of(series: str) -> Quantity:
    """Median of one of several series."""
    return number(lambda timing: 1e3 * float(np.median(timing.seconds[series])))


def quantile(of: float) -> Quantity:
    """A quantile of the pairs' ratios, of a timing that `pairs` handed out."""
    return number(lambda timing: float(np.quantile(ratios(timing, "peer", "ours"), of)))


def pairs(timing: Timing) -> Iterable[tuple[str, Timing]]:
    """Every series of the peer beside every one of ours."""
    ours = [name for name in timing.seconds if name.startswith("ours")]
    for peer in (name for name in timing.seconds if name not in ours):
        for name in ours:
            seconds = {"peer": timing.seconds[peer], "ours": timing.seconds[name]}
            work = {what: value for what, value in timing.work.items() if not what.startswith("flop_ours")}
            if (flop := f"flop_{name.replace(', ', '_')}") in timing.work:
                work["flop_ours"] = timing.work[flop]
            yield f"{peer} / {name}", replace(timing, seconds=seconds, work=work)


TASKS = Plan(
    "two_heads",
    "Two heads against two nets",
    "net",
    rules.TASKS,
    (Row("FCN-16s, SIFT Flow", rules.TWO_HEADS),),
    {
        "two heads (ms)": milliseconds_of("two heads"),
        "semantic alone (ms)": milliseconds_of("semantic alone"),
        "geometric alone (ms)": milliseconds_of("geometric alone"),
        "two heads / slower alone": number(ratio_to_slower),
        "two heads / both alone": number(ratio_to_both),
        VERDICT: as_fast,
    },
    (
        "One net for both tasks, as fast as either net of one task (section 5): the verdict *holds* where the two "
        f"heads take at most {AS_FAST}% longer than the slower of the two. The three ran in turn; ratios are "
        "medians over trials.",
    ),
)
PEERS = Plan(
    "peers",
    "Peers",
    "ours and peer",
    rules.PEERS,
    tuple(Row(f"{net.label} and {peer}", net.subject, {"peer": peer}) for peer, net in rules.PEERS_OF),
    {
        "median ratio": quantile(0.5),
        "least": quantile(0),
        "lower quartile": quantile(0.25),
        "upper quartile": quantile(0.75),
        "most": quantile(1),
        "pairs": number(lambda timing: len(timing.seconds["ours"]), "{:.0f}".format),
        "largest difference": number(work("largest_difference"), "{:.1e}".format),
        "ours (GFLOP)": number(work("flop_ours", 1e-9)),
        "peer (GFLOP)": number(work("flop_peer", 1e-9)),
    },
    (
        "Seconds of the peer / seconds of ours, pair by pair: both ran in turn on the same image. Above 1 ours is "
        "faster. *largest difference*: of the scores, as a share of their largest, where both carry the same weights.",
    ),
    pairs,
)
SIZES = Plan(
    "sizes",
    "Over the sizes of real images",
    "ours and peer",
    rules.SIZES,
    (Row(f"{rules.FCN8S.label} and torchfcn", rules.FCN8S.subject, {"peer": "torchfcn"}),),
    {
        "sizes": number(lambda timing: len(sizes(timing)), "{:.0f}".format),
        "images": number(lambda timing: sum(size.count for size in sizes(timing)), "{:.0f}".format),
        "all images, plain": number(plain_over_distribution),
        "all images, fast": number(over_distribution),
        "each size once, fast": number(over_each_size_once),
        "least": number(over_sizes(0)),
        "lower quartile": number(over_sizes(0.25)),
        "upper quartile": number(over_sizes(0.75)),
        "first call (s)": number(work("first_call_seconds")),
        VERDICT: loses_at_no_size,
    },
    (
        "Seconds of the peer / seconds of ours. *all images*: each size as often as it occurs; for *fast* total(peer) "
        "/ total(first + (count - 1) x again). *each size once*: total(peer) / total(first); *least* and the "
        "quartiles: of these ratios size by size. The cache begins empty; a size finds it filled only where one of "
        "the same remainder by 32 was met before. A size of many images was timed several times, and medians count, "
        "but for its first pass. The verdict *holds* where *fast* loses at no size, as first met. Laying out the "
        "weights, once a net, stands apart as *first call*. On a GPU a new size also pays for what cuDNN prepares for "
        "it.",
    ),
)
