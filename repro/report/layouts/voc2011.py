"""VOC 2011: Tables 1 and 2 of the paper, and the nets that its authors released."""

from repro.metrics import METRICS
from repro.report.layouts.layout import Block, Layout, Row


def _rows(table: str, experiments: dict[str, str]) -> tuple[Row, ...]:
    return tuple(Row(label, f"{table}/{label}", f"voc2011/{name}") for label, name in experiments.items())


VOC2011 = Layout(
    name="voc2011",
    title="PASCAL VOC 2011",
    summary="Tables 1 and 2 of the paper, and the released nets",
    command="tox -e reproduce-voc",
    blocks=(
        Block(
            title="CVPR 2015, Table 2: skip nets on seg11valid",
            rows=_rows(
                "cvpr2015/table2",
                {
                    "FCN-32s-fixed": "fcn32s_fixed_vgg16_cvpr",
                    "FCN-32s": "fcn32s_vgg16_cvpr",
                    "FCN-16s": "fcn16s_vgg16_cvpr",
                    "FCN-8s": "fcn8s_vgg16_cvpr",
                },
            ),
            metrics=METRICS,
            selection="full_split",
            recipe="cvpr2015",
            footnotes=(
                "Trained on the 8498 SBD images by the CVPR recipe. FCN-32s-fixed trains its score layer only.",
            ),
        ),
        Block(
            title="CVPR 2015, Table 1: three classifiers made fully convolutional",
            rows=_rows(
                "cvpr2015/table1",
                {
                    "FCN-AlexNet": "fcn32s_alexnet_voc_cvpr",
                    "FCN-VGG16": "fcn32s_vgg16_voc_cvpr",
                    "FCN-GoogLeNet": "fcn32s_googlenet_voc_cvpr",
                },
            ),
            metrics=("mean_iu",),
            selection="voc2011_val",
            recipe="cvpr2015",
            printed_only=("parameters", "rf_size"),
            footnotes=(
                "Trained on the 1112 images of VOC 2011 train by the CVPR recipe.",
                "Parameters and receptive fields are the paper's; its 907 counts the average pool that FCN-GoogLeNet "
                "discards.",
            ),
        ),
        Block(
            title="The released nets on seg11valid",
            rows=_rows(
                "caffe_release/voc2011",
                {
                    "FCN-32s": "fcn32s_vgg16",
                    "FCN-16s": "fcn16s_vgg16",
                    "FCN-8s": "fcn8s_vgg16",
                    "FCN-8s at once": "fcn8s_atonce_vgg16",
                    "FCN-AlexNet": "fcn32s_alexnet",
                },
            ),
            metrics=("mean_iu",),
            selection="full_split",
            recipe="release",
            footnotes=(
                "Trained on the 8498 SBD images by the released (heavy) recipe, another than Table 2's: here, or "
                "as their authors state, where a record holds released weights.",
            ),
            command="tox -e verify-release",
        ),
    ),
)
