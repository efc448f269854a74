"""CamVid, on which FCN's authors did not train: what SegNet's paper prints for FCN, and FCN by the released recipe."""

from repro.metrics import METRICS
from repro.report.layouts.layout import Block, Layout
from repro.report.layouts.printed import printed
from repro.report.layouts.rows import by_stride

SCHEDULES = {"FCN": ("40k", "80k", "best (200k)"), "FCN learned deconvolution": ("40k", "80k", "best (160k)")}

CAMVID = Layout(
    name="camvid",
    title="CamVid",
    summary="FCN on 11 classes of street scenes, which SegNet's paper compares with",
    command="repro reproduce camvid",
    blocks=(
        printed(
            "SegNet (PAMI 2017), Table 3: FCN on CamVid, as printed",
            "segnet2017/camvid",
            tuple(f"{net}, {iterations}" for net, schedules in SCHEDULES.items() for iterations in schedules),
            ("pixel_acc", "mean_acc", "mean_iu"),
            "Trained by SegNet's authors, on 3433 images; the rows name the iterations. The experiments here train on "
            "the 367 that these authors publish, by the released nets' recipe: they answer none of these claims, so "
            "what they measure stands in a table of its own and has no verdict.",
        ),
        Block(
            title="Measured: 11 classes on the test images",
            rows=by_stride("camvid"),
            metrics=METRICS,
            selection="camvid_test",
            recipe="release",
            shape="scores",
            footnotes=(
                "Trained by the released (heavy) recipe on 367 images: a difference from what SegNet's paper prints "
                "may be owed to that alone.",
            ),
        ),
    ),
)
