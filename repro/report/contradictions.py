"""Where the paper, its re-implementations or its retellings contradict what is printed or measured.

Every printed number is taken from the claims, and every other one is computed from them or comes from a record.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from repro.records import AnyRecord
from repro.report import decided
from repro.report.claims import Claim
from repro.report.decided import Answer

NOTHING = Answer("")  # what no record of this suite can decide
Find = Callable[..., Claim]  # by key and column; `lookup` in the claims of this table


@dataclass(frozen=True)
class Contradiction:
    """A statement, and what stands against it.

    Attributes:
        statement: in a few words.
        where: it stands.
        against: what the printed numbers, or the paper's text, say instead.
        printed: the claim that makes the statement, where a CSV holds it.
        others: the claims that stand against it.
        computed: from the claims, name -> number, in the unit that `against` gives it.
        answer: what was measured: `NOTHING` where there is nothing to measure.
    """

    statement: str
    where: str
    against: str
    printed: Claim | None = None
    others: tuple[Claim, ...] = ()
    computed: Mapping[str, float] = field(default_factory=dict)
    answer: Answer = NOTHING


def share(part: Claim, whole: Claim) -> tuple[str, float]:
    """One printed number in percent of another: the sum as text, and its result."""
    value = 100 * part.value / whole.value
    return f"{part.printed} / {whole.printed} = {value:.1f}%", value


def gain(ours: Claim, theirs: Claim) -> tuple[str, float]:
    """What one printed number gains on another, in percent of it."""
    value = 100 * (ours.value / theirs.value - 1)
    return f"{ours.printed} / {theirs.printed} - 1 = {value:.1f}%", value


def of_the_paper(find: Find, records: Sequence[AnyRecord]) -> list[Contradiction]:
    """Where the paper contradicts itself."""
    alone = find("cvpr2015/sentences/fine-tuning the classifier only, share of full fine-tuning", "share")
    fixed, full = find("cvpr2015/table2/FCN-32s-fixed"), find("cvpr2015/table2/FCN-32s")
    alone_sum, alone_share = share(fixed, full)
    eight, coarse = find("cvpr2015/table3/FCN-8s", "inference_time"), find("cvpr2015/table1/FCN-VGG16", "forward_time")
    small = find("cvpr2015/section3_1/FCN-AlexNet, 500x500 to a 10x10 grid", "forward")
    padded = find("cvpr2015/table1/FCN-AlexNet", "forward_time")
    sbd, voc = find("cvpr2015/table1/FCN-VGG16 with SBD"), find("cvpr2015/table1/FCN-VGG16")
    field_of_view = find("cvpr2015/table1/FCN-GoogLeNet", "rf_size")
    sift_flow = find("cvpr2015/table5/FCN-16s")
    return [
        Contradiction(
            "tuning the classifier's last layer alone gives this share of full fine-tuning",
            alone.locator,
            f"Table 2: {alone_sum}",
            alone,
            (fixed, full),
            {"share": alone_share},
            decided.share_of_mean_iu(records, "voc2011/fcn32s_fixed_vgg16_cvpr", "voc2011/fcn32s_vgg16_cvpr"),
        ),
        Contradiction(
            "FCN-8s takes this long an image",
            eight.locator,
            f"FCN-32s, which FCN-8s contains, takes {coarse.printed} ({coarse.locator}): "
            f"{eight.printed} / {coarse.printed} = {eight.value / coarse.value:.2f}",
            eight,
            (coarse,),
            {"ratio": eight.value / coarse.value},
            decided.times_as_long(
                records, decided.forward("voc2011/fcn8s_vgg16"), decided.forward("voc2011/fcn32s_vgg16")
            ),
        ),
        Contradiction(
            "FCN-AlexNet takes this long for 500x500",
            small.locator,
            f"{padded.printed} ({padded.locator}): {padded.printed} / {small.printed} = "
            f"{padded.value / small.value:.2f}. They are two nets: the first has no padding, the second pads 100",
            small,
            (padded,),
            {"ratio": padded.value / small.value},
            decided.times_as_long(records, decided.forward("voc2011/fcn32s_alexnet"), decided.dense()),
        ),
        Contradiction(
            "training on SBD improves FCN-VGG16 from Table 1's score to this one",
            sbd.locator,
            f"{sbd.printed} - {voc.printed} = {sbd.value - voc.value:.1f} points, but of two validation sets: the "
            "second score is on VOC 2011 val, the first on seg11valid, the part of it that SBD does not train on",
            sbd,
            (voc,),
            {"difference": sbd.value - voc.value},
        ),
        Contradiction(
            "FCN-GoogLeNet's receptive field has this many pixels",
            field_of_view.locator,
            "Only with the average pool that the net discards; without it 715",
            field_of_view,
            answer=Answer("Both follow from the layers (`tests/unit/test_geometry.py`)"),
        ),
        Contradiction(
            "SIFT Flow has 2488 images to train on",
            sift_flow.locator,
            "Two of them have no annotation; 2486 can be trained on",
            answer=Answer("`repro data check siftflow` counts them and compares the list's hash"),
        ),
        Contradiction(
            "the weight decay is 5^-4 or 2^-4",
            "Section 4.3",
            "5^-4 = 0.0016 and 2^-4 = 0.0625; the released nets were trained with 5e-4 = 0.0005",
        ),
    ]


def of_its_sentences(find: Find, records: Sequence[AnyRecord]) -> list[Contradiction]:
    """The paper's sentences, recomputed from the numbers that its tables print."""
    labels = find("cvpr2015/sentences/background share of the labels", "share")
    worst = find("cvpr2015/sentences/worst FCN against the state of the art", "share")
    margin = find("cvpr2015/sentences/relative margin on VOC test", "gain")
    convnet = find("cvpr2015/sentences/inference time reduced, convnet only", "factor")
    overall = find("cvpr2015/sentences/inference time reduced, overall", "factor")
    context = find("cvpr2015/sentences/relative gain on PASCAL-Context", "gain")
    alexnet = find("cvpr2015/table1/FCN-AlexNet")
    test = {
        (net, year): find(f"cvpr2015/table3/{net}", f"mean_iu_voc{year}_test")
        for net in ("FCN-8s", "SDS")
        for year in (2011, 2012)
    }
    ours, sds = (find(f"cvpr2015/table3/{net}", "inference_time") for net in ("FCN-8s", "SDS"))
    scenes = {
        (net, classes): find(f"cvpr2015/table6_{classes}/{net}") for net in ("FCN-8s", "CFM") for classes in (59, 33)
    }
    worst_sum, worst_share = share(alexnet, test["SDS", 2011])
    margins = {year: gain(test["FCN-8s", year], test["SDS", year]) for year in (2011, 2012)}
    gains = {classes: gain(scenes["FCN-8s", classes], scenes["CFM", classes]) for classes in (59, 33)}
    return [
        Contradiction(
            "this share of the labels is background",
            labels.locator,
            "No table prints it",
            labels,
            answer=decided.background(records),
        ),
        Contradiction(
            "the worst FCN reaches this share of the state of the art",
            worst.locator,
            f"FCN-AlexNet against SDS: {worst_sum}, of two sets: VOC 2011 val and VOC 2011 test",
            worst,
            (alexnet, test["SDS", 2011]),
            {"share": worst_share},
        ),
        Contradiction(
            "FCN-8s leads on VOC test by this much of SDS's score",
            margin.locator,
            "; ".join(f"{year}: {text}" for year, (text, _) in margins.items()),
            margin,
            tuple(test.values()),
            {f"gain {year}": value for year, (_, value) in margins.items()},
        ),
        Contradiction(
            "inference is this many times as fast as SDS's, by the convnet alone",
            convnet.locator,
            "No table prints the time of SDS's convnet alone; by this factor it would be "
            f"{convnet.printed} * {ours.printed} = {convnet.value * ours.value / 1000:.2f} s",
            convnet,
            (ours,),
            {"seconds of SDS's convnet": convnet.value * ours.value / 1000},
        ),
        Contradiction(
            "inference is this many times as fast as SDS's, overall",
            overall.locator,
            f"{sds.printed} / {ours.printed} = {sds.value / ours.value:.1f}",
            overall,
            (sds, ours),
            {"ratio": sds.value / ours.value},
        ),
        Contradiction(
            "FCN-8s gains this much on CFM's score, on PASCAL-Context",
            context.locator,
            "; ".join(f"{classes} classes: {text}" for classes, (text, _) in gains.items()),
            context,
            tuple(scenes.values()),
            {f"gain, {classes} classes": value for classes, (_, value) in gains.items()},
        ),
    ]


def of_retellings(find: Find) -> list[Contradiction]:
    """Where re-implementations and popular retellings contradict the paper."""
    theirs = {name: find("matconvnet_fcn/voc2011_cvpr_rescored/FCN-32s", name) for name in ("pixel_acc", "mean_acc")}
    paper = {name: find("cvpr2015/table2/FCN-32s", name) for name in theirs}
    nyudv2, sift_flow = find("cvpr2015/table4/FCN-16s RGB-HHA"), find("cvpr2015/table5/FCN-16s")
    return [
        Contradiction(
            f"the paper's FCN-32s has a mean accuracy of {theirs['pixel_acc'].printed} and a pixel accuracy of "
            f"{theirs['mean_acc'].printed}",
            theirs["pixel_acc"].locator,
            f"The two headings are exchanged: Table 2 prints a pixel accuracy of {paper['pixel_acc'].printed} and a "
            f"mean accuracy of {paper['mean_acc'].printed} for this net. The claims hold the numbers by what they mean",
            others=(*theirs.values(), *paper.values()),
        ),
        Contradiction(
            "class weighting solves the imbalance of the labels",
            "popular retellings",
            "The paper finds balancing unnecessary (Section 4.3)",
        ),
        Contradiction(
            "shift-and-stitch pays with a smaller receptive field",
            "popular retellings",
            "The paper says so of lowering the stride; shift-and-stitch keeps the receptive field, and its filters see "
            "nothing finer (Section 3.2)",
        ),
        Contradiction(
            "16s is best on NYUDv2 and SIFT Flow",
            "popular retellings",
            f"The paper prints no 8s there, but 16s alone as the finest: {nyudv2.printed} ({nyudv2.locator}) and "
            f"{sift_flow.printed} ({sift_flow.locator})",
            others=(nyudv2, sift_flow),
            answer=Answer("For SIFT Flow, [siftflow](siftflow.md) has 8s beside 16s"),
        ),
    ]
