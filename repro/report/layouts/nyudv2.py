"""NYUDv2: Table 4 of the paper, with colour, depth, and depth as HHA."""

from repro.metrics import METRICS
from repro.report.layouts.layout import Block, Layout, Rank, Row
from repro.report.layouts.printed import RELEASED, WHY, printed

NETS = {
    "FCN-32s RGB": "nyudv2/fcn32s_rgb",
    "FCN-32s RGBD": "nyudv2/fcn32s_rgbd",
    "FCN-32s HHA": "nyudv2/fcn32s_hha",
    "FCN-32s RGB-HHA": "nyudv2/fcn32s_rgb_hha",
    "FCN-16s RGB-HHA": "nyudv2/fcn16s_rgb_hha",
}
MEASURED = "Measured: 40 classes on the test images"

NYUDV2 = Layout(
    name="nyudv2",
    title="NYUDv2",
    summary="Table 4 of the paper: colour, depth, and the two fused early and late",
    command="tox -e reproduce-nyudv2",
    blocks=(
        printed(
            "CVPR 2015, Table 4: 40 classes, as printed",
            "cvpr2015/table4",
            ("Gupta et al.", *NETS),
            METRICS,
            WHY,
        ),
        Block(
            title=MEASURED,
            rows=tuple(Row(label, experiment=name) for label, name in NETS.items()),
            metrics=METRICS,
            selection="nyudv2_test",
            recipe="release",
            shape="scores",
            footnotes=(
                RELEASED,
                "RGBD fuses early: four channels enter. RGB-HHA fuses late: the scores of two nets are averaged.",
                "FCN-16s RGB-HHA was never released; it is trained here as the others are.",
            ),
        ),
    ),
    ranks=(
        Rank(
            "the order of colour, depth and their fusions, as Table 4 prints it",
            "Section 5, Table 4",
            MEASURED,
            ("FCN-16s RGB-HHA", "FCN-32s RGB-HHA", "FCN-32s RGBD", "FCN-32s RGB", "FCN-32s HHA"),
        ),
    ),
)
