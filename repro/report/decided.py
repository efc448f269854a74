"""What this suite's records say of a contradiction: a sentence and the records that it is said by."""

from collections.abc import Sequence
from dataclasses import dataclass

from repro.errors import UserError
from repro.metrics import scores
from repro.records import AnyRecord, Bounds, Record
from repro.report.document import MISSING
from repro.report.layouts import SELECTIONS
from repro.report.layouts.selections import age
from repro.report.timing.pool import Pool, Rule, device_of
from repro.report.timing.quantities import median

VOID_SCORED = "background, scored"  # of a procedure of the upper bounds
# the paper's size of image, one at a time, by the plain net
PLAIN: dict[str, str | int] = {"precision": "fp32", "mode": "eager", "batch": 1, "height": 500, "width": 500}


@dataclass(frozen=True)
class Answer:
    """What was measured, in words; its number, in the unit that the words give it; and the records that say it."""

    text: str = MISSING
    value: float | None = None
    records: tuple[str, ...] = ()


def background(records: Sequence[AnyRecord]) -> Answer:
    """The background's share of the labelled pixels of seg11valid, by the newest clean record of upper bounds.

    Procedures that count the truth's void as background are left aside: void is no label.

    Raises:
        UserError: the other procedures count different truths, or the record has no class `background`.
    """
    rule = SELECTIONS["full_split"]
    found = [record for record in records if isinstance(record, Bounds) and rule.refuses(record) is None]
    if not found:
        return Answer()
    newest = max(found, key=age)
    names = newest.dataset.classes["semantic"]
    counts = {tuple(bound.truth) for bound in newest.bounds if bound.procedure.get("void") != VOID_SCORED}
    if len(counts) != 1 or "background" not in names:
        raise UserError(f"{newest.id} does not count one truth with a class `background`; measure it again")
    (truth,) = counts
    share = 100 * truth[names.index("background")] / sum(truth)
    text = f"{share:.2f}% of the labelled pixels of the {newest.dataset.images} masks of {newest.dataset.split}"
    return Answer(text, share, (newest.id,))


def share_of_mean_iu(records: Sequence[AnyRecord], part: str, whole: str) -> Answer:
    """One experiment's mean IU on seg11valid in percent of another's, by the newest clean record of each."""
    rule, newest = SELECTIONS["full_split"], {}
    for record in sorted((r for r in records if isinstance(r, Record)), key=age):
        if record.recipe == "cvpr2015" and rule.refuses(record) is None:
            newest[record.experiment] = record
    if part not in newest or whole not in newest:
        return Answer()
    one, other = (100 * scores(newest[name].confusion["semantic"]).mean_iu for name in (part, whole))
    share = 100 * one / other
    ids = newest[part].id, newest[whole].id
    return Answer(f"mean IU on seg11valid: {one:.2f} / {other:.2f} = {share:.1f}%", share, ids)


def forward(experiment: str) -> Rule:
    """One image of the paper's size through an experiment's net."""
    return Rule("forward_500", "one image of 500x500, plain, in fp32", "forward", PLAIN, subject=experiment)


def dense() -> Rule:
    """One image of the paper's size through the FCN-AlexNet of section 3.1, which has no padding."""
    rule = Rule("dense_500", "the dense net of section 3.1, plain, in fp32", "section3_1", PLAIN, subject="dense")
    return rule.on(direction="forward")


def times_as_long(records: Sequence[AnyRecord], one: Rule, other: Rule) -> Answer:
    """How many times as long one forward pass takes as another: on each device within one run, else by their FLOP.

    The number of the answer is that of the first device in alphabetical order.
    """
    pool = Pool(records)
    pairs = pool.together(one, other)
    ratios = [median(a) / median(b) for a, b in pairs]
    if pairs:
        texts = [f"{ratio:.2f} times as long on {device_of(a)}" for ratio, (a, _) in zip(ratios, pairs, strict=True)]
        return Answer("; ".join(texts), ratios[0], tuple(timing.id for pair in pairs for timing in pair))
    counted = [[timing for timing in pool.newest(rule) if "flop" in timing.work] for rule in (one, other)]
    if not all(counted):
        return Answer()
    a, b = (max(timings, key=age) for timings in counted)
    ratio = a.work["flop"] / b.work["flop"]
    return Answer(f"{ratio:.2f} times the FLOP; no run has the times of both", ratio, (a.id, b.id))
