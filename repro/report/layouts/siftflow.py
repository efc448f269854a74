"""SIFT Flow: Table 5 of the paper, semantic and geometric labels from one net."""

from repro.metrics import METRICS
from repro.report.layouts.layout import Block, Layout, Rank, Row
from repro.report.layouts.printed import RELEASED, WHY, printed
from repro.report.layouts.rows import by_stride

OTHERS = (
    "Liu et al.",
    "Tighe et al. 2010",
    "Tighe et al. 2013 (exemplar SVM)",
    "Tighe et al. 2013 (SVM + MRF)",
    "Farabet et al. (balanced)",
    "Farabet et al. (natural)",
    "Pinheiro et al.",
)
BOTH = (*METRICS, "geom_acc")
NETS = by_stride("siftflow")
TOGETHER = "Measured: one net for both tasks, or a net for each"


def _as_good(stride: str, head: str, metric: str) -> Rank:
    return Rank(
        "one net is as good at both tasks as a net for each",
        "Section 5",
        TOGETHER,
        (f"FCN-{stride}, both heads", f"FCN-{stride}, {head} alone"),
        metric,
        as_good=True,
    )


def _together_and_alone(stride: str) -> tuple[Row, ...]:
    """A net with two heads, and the two nets with one head each."""
    net = f"siftflow/fcn{stride}"
    return (
        Row(f"FCN-{stride}, both heads", experiment=f"{net}_vgg16"),
        Row(f"FCN-{stride}, semantic alone", experiment=f"{net}_semantic_vgg16", metrics=METRICS),
        Row(f"FCN-{stride}, geometric alone", experiment=f"{net}_geometric_vgg16", metrics=("geom_acc",)),
    )


SIFTFLOW = Layout(
    name="siftflow",
    title="SIFT Flow",
    summary="Table 5 of the paper: 33 semantic and 3 geometric classes at once",
    command="tox -e reproduce-siftflow",
    blocks=(
        printed(
            "CVPR 2015, Table 5: as printed",
            "cvpr2015/table5",
            (*OTHERS, "FCN-16s"),
            BOTH,
            "geom. acc. is the pixel accuracy of the geometric labels. The means run over the classes that occur in "
            "the test images.",
            WHY,
        ),
        Block(
            title="Measured: means over the classes present",
            rows=NETS,
            metrics=BOTH,
            selection="siftflow_test",
            recipe="release",
            shape="scores",
            footnotes=(
                RELEASED,
                "The paper's rule (`present`): means over the classes that occur in the test images, which are 30 of "
                "33, without cow, desert and moon. The paper prints FCN-16s alone; 32s and 8s were released too.",
            ),
        ),
        Block(
            title="Measured: mean IU by the released scorer's rule",
            rows=NETS,
            metrics=("mean_iu",),
            selection="siftflow_test",
            recipe="release",
            shape="scores",
            absent="union",
            footnotes=(
                "The released scorer's rule (`union`): a class that is absent but predicted somewhere counts as an IU "
                "of 0. No other number depends on the rule.",
            ),
        ),
        Block(
            title=TOGETHER,
            rows=(*_together_and_alone("32s"), *_together_and_alone("16s")),
            metrics=BOTH,
            selection="siftflow_test",
            recipe="release",
            shape="scores",
            footnotes=(
                "The paper says that the net with two heads does as well on both tasks as two nets trained on their "
                "own. Means over the classes present. A net without a task's head has no number for it.",
            ),
        ),
    ),
    ranks=tuple(
        _as_good(stride, head, metric)
        for stride in ("32s", "16s")
        for head, metric in (("semantic", "mean_iu"), ("geometric", "geom_acc"))
    ),
)
