"""What the tables of timings hold: the rules for their records, and the nets in the order of the rows."""

from repro.report.timing.plan import Row
from repro.report.timing.pool import Rule

SIZE = {"height": 500, "width": 500}
PLAIN = {"mode": "eager", "precision": "fp32"}

TABLE1 = Rule(
    "table1_protocol",
    "case `forward`, the plain net, batch 1, 500x500, fp32 (IEEE), eager: the paper's protocol",
    "forward",
    {**SIZE, **PLAIN, "batch": 1},
)
FORWARD = Rule("forward", "case `forward`, 500x500, in any mode, precision and batch", "forward", SIZE, open=True)
FLOOR = Rule(
    "floor", "case `forward`, 500x500, batch 1, in any mode and precision", "forward", {**SIZE, "batch": 1}, open=True
)
UPDATE = Rule("update", "case `update`, 500x500, in any mode, precision and batch", "update", SIZE, open=True)
SECTION3_1 = Rule("section3_1", "case `section3_1`, with any batch of crops, in any precision", "section3_1", open=True)
TASKS = Rule("tasks", "case `tasks`, with any settings", "tasks", open=True)
PEERS = Rule("peers", "case `peers`, with any settings", "peers", open=True)
SIZES = Rule("sizes", "case `sizes`, with any settings", "sizes", open=True)
COST = Rule("cost", "case `cost`, of any size and batch, in any mode and precision", "cost", open=True)
AIMS = Rule("aims", "cases `peers`, 500x500, and `sizes`, all of them, with torchfcn", "peers", open=True)
PEAKS = Rule("peaks", "case `floor`, in any precision", "floor", open=True)
PARTS = Rule("parts", "case `parts`, with any settings", "parts", open=True)

NETS = {
    "FCN-AlexNet": "voc2011/fcn32s_alexnet",
    "FCN-VGG16": "voc2011/fcn32s_vgg16",
    "FCN-GoogLeNet": "voc2011/fcn32s_googlenet",
    "FCN-16s, VGG16": "voc2011/fcn16s_vgg16",
    "FCN-8s, VGG16": "voc2011/fcn8s_vgg16",
    "FCN-32s, RGBD": "nyudv2/fcn32s_rgbd",
    "FCN-32s, RGB-HHA": "nyudv2/fcn32s_rgb_hha",
    "FCN-16s, SIFT Flow, two heads": "siftflow/fcn16s_vgg16",
}
FCN8S = Row("FCN-8s, VGG16", NETS["FCN-8s, VGG16"])
IN_TABLE1 = ("FCN-AlexNet", "FCN-VGG16", "FCN-GoogLeNet")
# subject -> row of the claims
IN_SECTION3_1 = {
    "crops_alone": "AlexNet, 227x227, alone",
    "crops_batched": "AlexNet, 227x227, batched",
    "dense": "FCN-AlexNet, 500x500 to a 10x10 grid",
}
NOT_PRINTED = ("crops_alone", "backward")  # no time of it
TWO_HEADS = "siftflow/fcn16s"
# peer, and the net of ours that stands beside it
PEERS_OF = (
    *(("torchfcn", Row(label, NETS[label])) for label in ("FCN-VGG16", "FCN-16s, VGG16", "FCN-8s, VGG16")),
    *((peer, FCN8S) for peer in ("torchvision_resnet50", "torchvision_resnet101", "mmseg_r50")),
    ("patchwise", Row("FCN-VGG16", NETS["FCN-VGG16"])),
)


def time_of(label: str) -> tuple[str, str]:
    """Key and column of a forward time in Table 1."""
    return f"cvpr2015/table1/{label}", "forward_time"


def crop_time_of(subject: str, direction: str) -> tuple[str, str]:
    """Key and column of a time in section 3.1."""
    return f"cvpr2015/section3_1/{IN_SECTION3_1[subject]}", direction
