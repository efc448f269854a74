"""The tables of records with one series of trials, as data."""

from dataclasses import replace

from repro.report.timing import rules
from repro.report.timing.plan import Plan, Quantity, Row, against, mean_and_sd, number
from repro.report.timing.quantities import (
    best_rate,
    images,
    images_per_second,
    median,
    milliseconds,
    per_pixel,
    share_of_floor,
    share_of_peak,
    work,
)

GIB = 2**30
PRINTED_TABLE1 = "printed (Tesla K40c, Caffe)"
PRINTED_3_1 = 'printed ("a typical GPU", 2014)'
NETS = tuple(Row(label, subject) for label, subject in rules.NETS.items())

MEDIAN: dict[str, Quantity] = {"median (ms)": number(milliseconds(0.5))}
MEMORY: dict[str, Quantity] = {"peak memory (GiB)": number(work("peak_memory_bytes", 1 / GIB))}
SHARE: dict[str, Quantity] = {"FLOP/s of peak (%)": number(share_of_peak)}
SPEED: dict[str, Quantity] = {
    "mean ± sd (ms)": mean_and_sd(),
    **MEDIAN,
    "p90 (ms)": number(milliseconds(0.9)),
    "p99 (ms)": number(milliseconds(0.99)),
    "images/s": number(images_per_second),
    **MEMORY,
    **SHARE,
}

FORWARD = Plan(
    "forward",
    "Table 1: forward at 500x500",
    "net",
    rules.TABLE1,
    tuple(
        replace(row, printed={PRINTED_TABLE1: rules.time_of(row.label)} if row.label in rules.IN_TABLE1 else {})
        for row in NETS
    ),
    SPEED,
    (
        "The nets of Table 1 first, then others. The printed times are of the paper's GPU and framework; what can be "
        "compared across devices is order and ratio, in the next table.",
        "Mean, standard deviation and quantiles are over all trials of a record; images/s and *FLOP/s of peak* "
        "are at the median, the latter of what a large matrix product reaches on the device in "
        "the same run. *peak memory*: on a GPU that of the tensors, on a CPU that of the whole process.",
    ),
)
UPDATE = Plan(
    "update",
    "Forward, backward and update",
    "net",
    rules.UPDATE,
    NETS,
    SPEED,
    ("One step of SGD with momentum. Columns as above; times are of a whole batch.",),
)
MODES = Plan(
    "modes",
    "Modes and precisions",
    "net",
    rules.FORWARD,
    NETS,
    {
        **MEDIAN,
        "images/s": number(images_per_second),
        "eager fp32 / this": against(rules.FORWARD, **rules.PLAIN),
        "largest difference": number(work("largest_difference"), "{:.1e}".format),
        **MEMORY,
        "compile (s)": number(work("compile_seconds")),
        "energy (J a batch)": number(work("joules")),
    },
    (
        "*fp32* is IEEE fp32, TF32 off. *fast* computes only the window that the image can influence. *eager fp32 / "
        "this*: of the medians, both of one run, one size of batch and one device. *largest difference*: of the "
        "scores, from those of eager fp32, as a share of their largest. Compile time is no part of the other times. "
        "*energy*: where there is a meter.",
    ),
)
SECTION3_1 = Plan(
    "section3_1",
    "Section 3.1: crops and the whole image",
    "net",
    rules.SECTION3_1,
    tuple(
        Row(
            f"{label}, {direction}",
            subject,
            {"direction": direction},
            {PRINTED_3_1: rules.crop_time_of(subject, direction)} if (subject, direction) != rules.NOT_PRINTED else {},
        )
        for subject, label in rules.IN_SECTION3_1.items()
        for direction in ("forward", "backward")
    ),
    {
        "mean ± sd (ms)": mean_and_sd(images),
        "median (ms)": number(lambda timing: 1e3 * median(timing) / images(timing)),
        **SHARE,
    },
    (
        "Times of one crop, or of the one image: a trial over its batch. The net without its padding of 100 maps "
        "500x500 to a grid of 10x10, for which a classifier needs 100 crops.",
    ),
)
PEAKS = Plan(
    "peaks",
    "Peaks of the devices",
    "what",
    rules.PEAKS,
    (Row("matrix product", "matrix_product"), Row("copy", "copy")),
    {"GFLOP/s": number(best_rate("flop", 1e-9)), "GB/s": number(best_rate("bytes", 1e-9))},
    ("Of the fastest trial. Each run measures them anew, and shares are of the peaks of their own run.",),
)
FLOOR = Plan(
    "floor",
    "The floor",
    "net",
    rules.FLOOR,
    NETS,
    {
        "GFLOP": number(work("flop", 1e-9)),
        "moved (GB)": number(work("bytes", 1e-9)),
        "peak (GFLOP/s)": number(work("peak_flop_per_second", 1e-9)),
        "peak (GB/s)": number(work("peak_bytes_per_second", 1e-9)),
        "floor (ms)": number(lambda timing: None if timing.floor is None else 1e3 * timing.floor),
        **MEDIAN,
        "floor / median (%)": number(share_of_floor),
        **SHARE,
    },
    (
        "*moved*: the least bytes, every map and weight read once and written once. *peak*: what a large matrix "
        "product and a large copy reach on the device in the same run. *floor*: the longer of FLOP and bytes over "
        "their peaks. A share above 100% is possible: some algorithms multiply less than is counted.",
    ),
)
COST = Plan(
    "cost",
    "Cost over sizes and batches",
    "net",
    rules.COST,
    (rules.FCN8S,),
    {
        **MEDIAN,
        "time a pixel (ns)": number(per_pixel(median, 1e9)),
        **MEMORY,
        "GFLOP": number(work("flop", 1e-9)),
        **SHARE,
    },
    ("*out of memory*: the case did not fit, or by its count could not.",),
)
PARTS_OF_A_RUN = {
    "loader": "loader",
    "forward": "FCN-8s, forward",
    "update": "FCN-8s, forward, backward and update",
    "scorer": "scorer",
    "training_loop": "training loop of the sample's FCN-32s",
}
PARTS = Plan(
    "parts",
    "Parts of a run",
    "part",
    rules.PARTS,
    tuple(Row(label, subject) for subject, label in PARTS_OF_A_RUN.items()),
    {
        "images/s": number(images_per_second),
        "median (ms an image)": number(lambda timing: 1e3 * median(timing) / images(timing)),
    },
    (
        "The loader, the net and the scorer are of images of 375x500: the slowest of them sets the pace of a training "
        "or an evaluation. The training loop, with all hooks, is of the sample's small images, an eighth as wide.",
    ),
)
