"""PASCAL-Context: Table 6 of the paper, over 59 classes and over 33 of them."""

from repro.metrics import METRICS
from repro.report.layouts.layout import Block, Layout, Rank
from repro.report.layouts.printed import RELEASED, WHY, printed
from repro.report.layouts.rows import by_stride

# The classes of Table 6's second half: 33_labels.txt on the dataset's page cs.stanford.edu/~roozbeh/pascal-context, md5
# 8840f5439b471aecf991ac6448b826e6, which is in github.com/vietjtnguyen/pascal-regions-website too. The 26 others are
# those of Table 1 in Mottaghi et al., CVPR 2014.
CONTEXT_33 = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
    *("sky", "grass", "ground", "road", "building", "tree", "water", "mountain", "wall", "floor", "track"),
    *("keyboard", "ceiling"),
)
NETS = ("FCN-32s", "FCN-16s", "FCN-8s")


def _printed(classes: int, *footnotes: str) -> Block:
    title = f"CVPR 2015, Table 6: {classes} classes, as printed"
    return printed(title, f"cvpr2015/table6_{classes}", ("O2P", "CFM", *NETS), METRICS, *footnotes)


def _measured(title: str, footnote: str, classes: tuple[str, ...] = (), without: tuple[str, ...] = ()) -> Block:
    return Block(
        title=title,
        rows=by_stride("pascal_context"),
        metrics=METRICS,
        selection="pascal_context_val",
        recipe="release",
        shape="scores",
        classes=classes,
        without=without,
        footnotes=(RELEASED, footnote),
    )


PASCAL_CONTEXT = Layout(
    name="pascal_context",
    title="PASCAL-Context",
    summary="Table 6 of the paper: whole scenes, over 59 classes and over 33",
    command="tox -e reproduce-context",
    blocks=(
        _printed(59, WHY),
        _measured(
            "Measured: 59 classes",
            "The nets have 60 outputs. Pixels of background are left out; background predicted on any other pixel is "
            "an error.",
            without=("background",),
        ),
        _printed(33, WHY),
        _measured(
            "Measured: 33 classes",
            "The paper does not list the 33; they are those of `33_labels.txt` on the dataset's page. Pixels of any "
            "other class are left out; any other class predicted on a pixel of the 33 is an error. No source says what "
            "the paper does with them: it may count a class of the 33 predicted there as an error, which lowers the "
            "IU.",
            classes=CONTEXT_33,
        ),
    ),
    ranks=tuple(
        Rank(
            f"the order over {classes} classes, as Table 6 prints it",
            "Table 6",
            f"Measured: {classes} classes",
            (*reversed(NETS), "CFM", "O2P"),
        )
        for classes in (59, 33)
    ),
)
