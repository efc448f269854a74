"""VOC 2011: Tables 1, 2 and 3 of the paper, the nets that its authors released, their re-implementations, Figure 5."""

from repro.metrics import METRICS
from repro.report.layouts.layout import Block, Layout, Rank, Row
from repro.report.layouts.printed import printed
from repro.report.layouts.rows import by_share

TABLE_2 = "CVPR 2015, Table 2: skip nets on seg11valid"
TABLE_1 = "CVPR 2015, Table 1: three classifiers made fully convolutional"
TABLE_3 = "CVPR 2015, Table 3: VOC test, as printed"
RELEASE = "The released nets on seg11valid"
RELEASED_NETS = {
    "FCN-32s": "fcn32s_vgg16",
    "FCN-16s": "fcn16s_vgg16",
    "FCN-8s": "fcn8s_vgg16",
    "FCN-8s at once": "fcn8s_atonce_vgg16",
    "FCN-AlexNet": "fcn32s_alexnet",
}
REIMPLEMENTATIONS = {
    "FCN-32s, released, as printed": "caffe_release/voc2011/FCN-32s",
    "FCN-32s, released, scored with Chainer": "wkentaro_fcn/voc2011_release_rescored/FCN-32s",
    "FCN-32s, trained with Chainer": "wkentaro_fcn/voc2011/FCN-32s",
    "FCN-32s, trained with PyTorch": "pytorch_fcn/voc2011/FCN-32s",
    "FCN-32s, trained with MatConvNet": "matconvnet_fcn/voc2011/FCN-32s",
    "FCN-16s, released, as printed": "caffe_release/voc2011/FCN-16s",
    "FCN-16s, released, scored with Chainer": "wkentaro_fcn/voc2011_release_rescored/FCN-16s",
    "FCN-16s, trained with Chainer from its own 32s": "wkentaro_fcn/voc2011/FCN-16s (own 32s)",
    "FCN-16s, trained with Chainer from the released 32s": "wkentaro_fcn/voc2011/FCN-16s (released 32s)",
    "FCN-16s, trained with PyTorch": "pytorch_fcn/voc2011/FCN-16s",
    "FCN-16s, trained with MatConvNet": "matconvnet_fcn/voc2011/FCN-16s",
    "FCN-8s, released, as printed": "caffe_release/voc2011/FCN-8s",
    "FCN-8s, released, scored with Chainer": "wkentaro_fcn/voc2011_release_rescored/FCN-8s",
    "FCN-8s, trained with Chainer from its own 16s": "wkentaro_fcn/voc2011/FCN-8s (own 16s)",
    "FCN-8s, trained with Chainer from the released 16s": "wkentaro_fcn/voc2011/FCN-8s (released 16s)",
    "FCN-8s, trained with PyTorch": "pytorch_fcn/voc2011/FCN-8s",
    "FCN-8s at once, released, as printed": "caffe_release/voc2011/FCN-8s at once",
    "FCN-8s at once, released, scored with Chainer": "wkentaro_fcn/voc2011_release_rescored/FCN-8s at once",
    "FCN-8s at once, trained with Chainer": "wkentaro_fcn/voc2011/FCN-8s at once",
    "FCN-8s at once, trained with PyTorch": "pytorch_fcn/voc2011/FCN-8s at once",
    "FCN-AlexNet, released, as printed": "caffe_release/voc2011/FCN-AlexNet",
}


def _rows(table: str, experiments: dict[str, str]) -> tuple[Row, ...]:
    return tuple(Row(label, f"{table}/{label}", f"voc2011/{name}") for label, name in experiments.items())


VOC2011 = Layout(
    name="voc2011",
    title="PASCAL VOC 2011",
    summary="Tables 1, 2 and 3 of the paper, the released nets and their re-implementations, and Figure 5",
    command="tox -e reproduce-voc",
    blocks=(
        Block(
            title=TABLE_2,
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
            drawn="Skip nets, and the score layer alone",
            footnotes=(
                "Trained on the 8498 SBD images by the CVPR recipe. FCN-32s-fixed trains its score layer only.",
            ),
        ),
        printed(
            "The nets of Table 2, scored again by MatConvNet-FCN, as printed",
            "matconvnet_fcn/voc2011_cvpr_rescored",
            ("FCN-32s", "FCN-16s", "FCN-8s"),
            METRICS,
            "Its two accuracy headings are exchanged; the numbers stand here by what they mean ([errata](errata.md)).",
        ),
        Block(
            title=TABLE_1,
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
            printed_only=("forward_time", "conv_layers", "parameters", "rf_size", "max_stride"),
            drawn="Three classifiers made fully convolutional",
            footnotes=(
                "Trained on the 1112 images of VOC 2011 train by the CVPR recipe.",
                "What describes a net is the paper's; the tests derive the same from the layers. The 907 counts the "
                "average pool that FCN-GoogLeNet discards ([errata](errata.md)).",
                "The times are the paper's, on its Tesla K40c; those of other machines stand in [timing](timing.md).",
            ),
        ),
        Block(
            title="CVPR 2015, Section 4.3: FCN-VGG16 trained on SBD, on seg11valid",
            rows=_rows("cvpr2015/table1", {"FCN-VGG16 with SBD": "fcn32s_vgg16_cvpr"}),
            metrics=("mean_iu",),
            selection="full_split",
            recipe="cvpr2015",
            footnotes=(
                "The net of Table 2's FCN-32s. What the paper calls its gain over Table 1's FCN-VGG16 compares two "
                "validation sets ([errata](errata.md)).",
            ),
        ),
        printed(
            TABLE_3,
            "cvpr2015/table3",
            ("R-CNN", "SDS", "FCN-8s"),
            ("mean_iu_voc2011_test", "mean_iu_voc2012_test", "inference_time"),
            "Only VOC's evaluation server has the labels of its test images. `repro evaluate voc2011/fcn8s_vgg16_cvpr "
            "--split test --submission out.tar.gz --data VOCdevkit/VOC2011` labels them and packs what the server "
            "takes; to send it is left to whoever is registered there.",
        ),
        printed(
            "The released FCN-8s on VOC 2012 test, as printed", "caffe_release/voc2012_test", ("FCN-8s",), ("mean_iu",)
        ),
        Block(
            title=RELEASE,
            rows=_rows("caffe_release/voc2011", RELEASED_NETS),
            metrics=("mean_iu",),
            selection="full_split",
            recipe="release",
            footnotes=(
                "Trained on the 8498 SBD images by the released (heavy) recipe, another than Table 2's: here, or "
                "as their authors state, where a record holds released weights.",
            ),
            command="tox -e verify-release",
        ),
        Block(
            title="Re-implementations on seg11valid, as printed",
            rows=tuple(Row(label, claim=claim) for label, claim in REIMPLEMENTATIONS.items()),
            metrics=METRICS,
            shape="printed",
            footnotes=(
                "PyTorch's 16s and 8s start by default from the converted released nets. MatConvNet trains by a "
                "recipe of its own, on more images than SBD train.",
            ),
        ),
        Block(
            title="Re-implementations on seg11valid: this one",
            rows=tuple(Row(f"{net}, here", experiment=f"voc2011/{name}") for net, name in RELEASED_NETS.items()),
            metrics=METRICS,
            selection="full_split",
            recipe="release",
            shape="scores",
            drawn="Skip nets and FCN-AlexNet by the released nets' experiments",
            footnotes=(
                "The nets above that are trained or scored here, with all four metrics, to be read beside what others "
                "print.",
            ),
            command="tox -e verify-release",
        ),
        Block(
            title="CVPR 2015, Figure 5: training on patches, on seg11valid",
            rows=by_share("voc2011/fcn32s_vgg16_cvpr", "voc2011_ablations/fcn32s_vgg16_patches"),
            metrics=METRICS,
            selection="full_split",
            recipe="cvpr2015",
            shape="scores",
            footnotes=(
                "Each cell of the coarsest map is kept with this probability, and an update takes as many more images: "
                "all three see the same number of images. The figure plots losses and prints no numbers, so these "
                "scores answer no claim; `repro report` draws the curves from the runs' logs.",
            ),
            command="repro reproduce voc2011_ablations",
        ),
    ),
    ranks=(
        Rank(
            "8s is best on VOC 2011, and the finer the stride the better",
            "Section 4.2, Table 2",
            TABLE_2,
            ("FCN-8s", "FCN-16s", "FCN-32s", "FCN-32s-fixed"),
        ),
        Rank(
            "the trunks stand in this order, as Table 1 prints it",
            "Section 4.1, Table 1",
            TABLE_1,
            ("FCN-VGG16", "FCN-GoogLeNet", "FCN-AlexNet"),
        ),
        *(
            Rank(
                f"the order on VOC {year} test, as Table 3 prints it",
                "Section 5, Table 3",
                TABLE_3,
                nets,
                f"mean_iu_voc{year}_test",
            )
            for year, nets in ((2011, ("FCN-8s", "SDS", "R-CNN")), (2012, ("FCN-8s", "SDS")))
        ),
        Rank(
            "the released nets stand in this order, as printed",
            "README of the released nets",
            RELEASE,
            ("FCN-8s", "FCN-8s at once", "FCN-16s", "FCN-32s", "FCN-AlexNet"),
        ),
    ),
)
