"""Which records and runs belong into one chart, and in which order."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from repro.records import Record, Timing
from repro.report.curves import Run
from repro.report.timing.pool import alike, device_of

Along = Literal["size", "batch"]  # of an image; in images
MODES = ("eager", "channels_last", "compile", "cuda_graph", "fast")  # in the order of a chart
# settings in which the runs of Fig. 5 differ, and those that say nothing of the training
SAMPLING = re.compile(
    r"model\.decode_head\.loss\.sampled|optim_wrapper\.accumulative_counts|train_cfg\.|experiment\.|randomness\.|"
    r"(val|test)_|env_cfg\.|default_hooks\.|log_processor\.|(experiment_name|work_dir|launcher|resume|load_from)$"
)


class Labels(NamedTuple):
    """What nets must share to stand in one chart: group and recipe, and the very labels that they were scored on."""

    group: str
    recipe: str
    dataset: str
    head: str
    digest: str

    @property
    def words(self) -> str:
        """For a title."""
        return f"{self.dataset}, {self.recipe} recipe" + ("" if self.head == "semantic" else f", {self.head} labels")


def comparable(records: Iterable[Record]) -> dict[Labels, dict[str, list[Record]]]:
    """Records by the labels that they scored, and there by net, from the coarsest stride to the finest."""
    found: dict[Labels, dict[str, list[Record]]] = {}
    for record in sorted(records, key=lambda r: (-stride_of(r.experiment), r.experiment, r.id)):
        data = record.dataset
        where = " ".join(filter(None, (data.name, data.split, data.frame)))
        for head, matrix in record.confusion.items():
            truth = f"{data.ids_sha256} {data.classes[head]} {matrix.sum(axis=1).tolist()}"
            digest = hashlib.sha256(truth.encode()).hexdigest()[:8]
            labels = Labels(record.experiment.rpartition("/")[0], record.recipe, where, head, digest)
            found.setdefault(labels, {}).setdefault(record.experiment, []).append(record)
    return dict(sorted(found.items()))


def same_but_for_sampling(runs: Sequence[Run]) -> list[list[Run]]:
    """Runs that differ in nothing but how many patches they sample, whole images first."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        rest = {name: value for name, value in run.settings.items() if not SAMPLING.match(name)}
        groups.setdefault(repr(sorted(rest.items(), key=repr)), []).append(run)
    sampled = [found for found in groups.values() if len({run.sampled for run in found}) > 1]
    return [sorted(found, key=lambda run: (-run.sampled, run.name)) for found in sampled]


def stride_of(experiment: str) -> int:
    """The stride in an experiment's name, as 16 of `voc2011/fcn16s_vgg16`; 0 where there is none."""
    match = re.search(r"fcn(\d+)s", experiment)
    return int(match[1]) if match else 0


def curves(timings: Sequence[Timing]) -> dict[Along, list[Timing]]:
    """Costs along the `size` of an image and along the `batch`: those that differ from others in nothing else.

    What is on no curve stands among the sizes.
    """
    batches = [timing for group in alike(timings, "batch") if len(group) > 1 for timing in group]
    sizes = [
        timing
        for group in alike(timings, "height", "width")
        if len(group) > 1 or group[0] not in batches
        for timing in group
    ]
    found: dict[Along, list[Timing]] = {"size": sizes, "batch": batches}
    return {along: shown for along, shown in found.items() if shown}


def place(timing: Timing) -> tuple[Any, ...]:
    """Order in a chart: by device, then subject, coarsest stride first, then mode and size."""
    mode = str(timing.settings.get("mode", ""))
    batch = int(timing.settings.get("batch", 0))
    size = int(timing.settings.get("height", 0)) * int(timing.settings.get("width", 0))
    rest = sorted(
        (name, str(value))
        for name, value in timing.settings.items()
        if name not in ("mode", "batch", "height", "width")
    )
    order = (MODES.index(mode) if mode in MODES else len(MODES), mode, batch, size, rest)
    return device_of(timing), -stride_of(timing.subject), timing.subject, order, timing.id
