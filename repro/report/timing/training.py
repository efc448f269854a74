"""What training took, and the times of inference that Table 3 prints."""

from collections.abc import Sequence

from repro.records import AnyRecord, Record
from repro.report.claims import Claims
from repro.report.layouts.selections import age, trees
from repro.report.timing.pool import Rule
from repro.report.timing.quantities import digits
from repro.report.timing.table import COMPUTED, Line, Table, Value, claimed, quotient

TRAINING = Rule(
    "training_cost",
    "evaluations of the nets of Table 2 whose training by the CVPR recipe, on a clean tree, has its `seconds` on "
    "record; the newest of a device",
    case="",
    command="tox -e reproduce-voc",
)
STAGES = {
    "FCN-32s": "voc2011/fcn32s_vgg16_cvpr",
    "FCN-16s, after FCN-32s": "voc2011/fcn16s_vgg16_cvpr",
    "FCN-8s, after FCN-16s": "voc2011/fcn8s_vgg16_cvpr",
}
PRINTED = "printed (single GPU)"
HOURS = "training (h)"


def cost(records: Sequence[AnyRecord], claims: Claims) -> Table:
    """Three days, a day, a day; ours where the evaluations say how long their training took."""
    evaluations = [record for record in records if isinstance(record, Record) and record.training.get("seconds")]
    lines = []
    for stage, experiment in STAGES.items():
        values = {PRINTED: claimed(claims, f"cvpr2015/training_cost/{stage}", "training_time")}
        newest: dict[str, Record] = {}
        for record in sorted(evaluations, key=age):
            clean = all(tree.get("dirty") is False for tree in trees(record).values())
            if record.experiment == experiment and record.recipe == "cvpr2015" and clean:
                newest[record.training["provenance"]["device"]] = record
        for device, record in sorted(newest.items()):
            hours = float(record.training["seconds"]) / 3600
            lines.append(Line(stage, values | {HOURS: Value(digits(hours), hours, records=(record.id,))}, device))
        if not newest:
            lines.append(Line(stage, values))
    notes = ("Each stage alone, its parents not counted; scoring along the way is.",)
    return Table("training_cost", "Training", "net", tuple(lines), (PRINTED,), (HOURS,), TRAINING, notes)


def inference(claims: Claims) -> Table:
    """Table 3's times and the factors that the paper draws from them."""
    times = {net: claimed(claims, f"cvpr2015/table3/{net}", "inference_time") for net in ("SDS", "FCN-8s")}
    convnet, overall = (
        claimed(claims, f"cvpr2015/sentences/inference time reduced, {part}", "factor")
        for part in ("convnet only", "overall")
    )
    lines = (
        *(Line(f"{net}, one image", {"printed": value}) for net, value in times.items()),
        Line("SDS / FCN-8s, convnet only", {"printed": convnet}),
        Line("SDS / FCN-8s, overall", {"printed": overall, COMPUTED: quotient(times["SDS"], times["FCN-8s"])}),
    )
    notes = (
        "As printed: SDS is not run here, and FCN-8s as measured stands in the tables above. No time is "
        "printed for the convnet of SDS alone.",
    )
    return Table("inference_time", "Table 3: inference", "what", lines, ("printed", COMPUTED), notes=notes)
