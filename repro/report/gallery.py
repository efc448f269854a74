"""Which figures there are data for, drawn into a folder: from records, and from what trainings left behind."""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from repro.files import atomic
from repro.metrics import bootstrap
from repro.records import AnyRecord, Record, Timing
from repro.report import figures
from repro.report.curves import Run, find_runs
from repro.report.grouping import comparable, curves, place, same_but_for_sampling, stride_of
from repro.report.timing.pool import Pool, device_of

# what a chart of latencies is about, by the case of its timings; cost has its own chart, sizes are no repeated trials
CASES = {
    "forward": "Forward pass",
    "update": "Forward, backward and update of the weights",
    "section3_1": "Section 3.1: crops against one dense pass",
    "tasks": "SIFT Flow: two heads against two nets",
    "peers": "Side by side with other implementations",
    "parts": "Parts of a run",
}
# settings of which a chart of a case has one each
APART = dict.fromkeys(("forward", "update"), ("precision", "batch", "height", "width")) | {"peers": ("peer",)}
Chart = Callable[..., None]  # draws to the path that it is given


@dataclass(frozen=True)
class Drawn:
    """A figure as it lies in the folder.

    Attributes:
        name: of its files, without the ending.
        title, caption: for the page. The caption is plain text.
        shown: the file that the page shows, SVG or PNG. A chart has both.
        records: ids of the records that it was drawn from.
    """

    name: str
    title: str
    caption: str
    shown: Path
    records: tuple[str, ...] = ()


def draw(records: Sequence[AnyRecord], work_dirs: Path | str, folder: Path | str) -> dict[str, list[Drawn]]:
    """Draw every figure that there are data for into `folder`, by headings; a heading without figures is left out.

    Args:
        records: of all kinds; of the timings those are drawn that the tables count.
        work_dirs: folder of runs; need not exist.

    Raises:
        UserError: a per-image file or a run's scalars are damaged, or the folder cannot be written.
    """
    folder = Path(folder)
    evaluations = [record for record in records if isinstance(record, Record)]
    timings = Pool(records).counted
    drawn = {
        "Scores of each class": draw_scores(evaluations, folder),
        "Time": draw_times(timings, folder) + draw_tradeoffs(evaluations, timings, folder),
        "Training": draw_trainings(find_runs(work_dirs), folder),
        "Predictions": copy_predictions(Path(work_dirs), folder),
    }
    return {heading: found for heading, found in drawn.items() if found}


def draw_scores(records: Sequence[Record], folder: Path) -> list[Drawn]:
    """The IU of each class of nets that were scored on the same images, and each net's confusions."""
    drawn = []
    for labels, found in comparable(records).items():
        first = next(iter(found.values()))[0].dataset
        classes = first.classes[labels.head]
        estimates = {name: bootstrap(*[r.images(labels.head) for r in own]) for name, own in found.items()}
        what = f"{first.images} images; of a net with several records, their mean"
        chart: Chart = partial(figures.class_iu, estimates, classes, title=f"{labels.group}: {labels.words}")
        ids = tuple(record.id for own in found.values() for record in own)
        title = f"IU of each class: {labels.group} on {labels.words}"
        drawn.append(_chart(folder, ("iu", *labels), title, what, chart, ids))
        for experiment, own in found.items():
            matrix = np.sum([record.confusion[labels.head] for record in own], axis=0)
            chart = partial(figures.confusion_matrix, matrix, classes, title=experiment)
            what = f"Sum over {len(own)} records" if len(own) > 1 else "Of one record"
            title = f"Confusion matrix: {experiment} on {labels.words}"
            name = ("confusion", experiment, *labels[1:])
            drawn.append(_chart(folder, name, title, what, chart, tuple(r.id for r in own)))
    return drawn


def draw_times(timings: Sequence[Timing], folder: Path) -> list[Drawn]:
    """Latencies of each case, and how cost grows with the image on each device."""
    drawn = []
    groups: dict[tuple[str, ...], list[Timing]] = {}
    for timing in timings:
        if timing.case in CASES:
            values = (str(timing.settings.get(name, "")) for name in APART.get(timing.case, ()))
            groups.setdefault((timing.case, *values), []).append(timing)
    for key, found in groups.items():
        chart: Chart = partial(figures.latency, sorted(found, key=place), title=CASES[key[0]])
        ids = tuple(timing.id for timing in found)
        apart = zip(APART.get(key[0], ()), key[1:], strict=True)
        title = ", ".join((CASES[key[0]], *(f"{name} {value}" for name, value in apart)))
        caption = "Bars are medians; the whiskers reach from the 10th to the 90th percentile, ticks are the trials"
        drawn.append(_chart(folder, ("latency", *key), title, caption, chart, ids))
    costs: dict[tuple[str, str], list[Timing]] = {}
    for timing in timings:
        if timing.case == "cost":
            costs.setdefault((device_of(timing), timing.subject), []).append(timing)
    for (device, subject), found in costs.items():
        for along, shown in curves(found).items():
            chart = partial(figures.cost, sorted(shown, key=place), along, title=device)
            ids = tuple(timing.id for timing in shown)
            title = f"Cost against {along}: {subject} on {device}"
            drawn.append(_chart(folder, ("cost", along, subject, device), title, "A cross: out of memory", chart, ids))
    return drawn


def draw_tradeoffs(records: Sequence[Record], timings: Sequence[Timing], folder: Path) -> list[Drawn]:
    """Stride against mean IU against milliseconds: nets of a group that were both scored and timed, at batch 1."""
    drawn = []
    timed: dict[tuple[str, ...], dict[tuple[str, str], list[Timing]]] = {}
    for t in sorted(timings, key=place):
        if t.case == "forward" and t.settings.get("batch") == 1 and t.outcome == "measured":
            size = f"{t.settings.get('height')}×{t.settings.get('width')}"
            key = (device_of(t), str(t.settings.get("precision")), size)
            timed.setdefault(key, {}).setdefault((str(t.settings.get("mode")), t.subject), []).append(t)
    for labels, found in comparable(record for record in records if "semantic" in record.confusion).items():
        for way, by_mode in timed.items():
            lines: dict[str, list[figures.Tradeoff]] = {}
            used: list[str] = []
            for (mode, subject), measured in by_mode.items():
                if labels.head == "semantic" and subject in found and stride_of(subject):
                    lines.setdefault(mode, []).append(_tradeoff(subject, measured, found[subject]))
                    used += [*(timing.id for timing in measured), *(record.id for record in found[subject])]
            lines = {mode: points for mode, points in lines.items() if len(points) > 1}
            if lines:
                title = f"Stride, mean IU and time: {labels.group} on {labels.words}"
                device, precision, size = way
                chart = partial(figures.tradeoff, lines, title=f"{device}: {precision}, {size}, batch 1")
                drawn.append(
                    _chart(folder, ("tradeoff", *labels, *way), title, device, chart, tuple(dict.fromkeys(used)))
                )
    return drawn


def draw_trainings(runs: Sequence[Run], folder: Path) -> list[Drawn]:
    """The curves of each group of runs, and Fig. 5 where some of them sampled patches."""
    drawn = []
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        what = "classifiers" if "accuracy" in run.scalars else "nets"
        groups.setdefault((run.group, run.recipe, what), []).append(run)
    for (group, recipe, what), found in groups.items():
        chart: Chart = partial(figures.training_curves, found, title=f"{group}, {recipe} recipe")
        title = f"Training curves: {what} of {group}, {recipe} recipe"
        caption = "Each point is a mean over iterations"
        drawn.append(_chart(folder, ("training", group, recipe, what), title, caption, chart))
    for found in same_but_for_sampling(runs):
        chart = partial(figures.patch_sampling, found, title=found[0].name)
        names = ", ".join(run.name for run in found)
        title = "Figure 5: training on whole images and on patches"
        drawn.append(_chart(folder, ("patch_sampling", found[0].name), title, names, chart))
    return drawn


def copy_predictions(work_dirs: Path, folder: Path) -> list[Drawn]:
    """The grids of predictions that `repro reproduce` drew."""
    drawn = []
    for path in sorted(work_dirs.rglob("predictions*.png")):
        if folder.resolve() in path.resolve().parents:
            continue  # a copy of an earlier report
        where = path.relative_to(work_dirs).with_suffix("").as_posix()
        target = folder / f"{_slug(where)}.png"
        with atomic(target) as temporary:
            shutil.copyfile(path, temporary)
        title = f"Predictions: {Path(where).parent.as_posix()}"
        drawn.append(Drawn(target.stem, title, "Images, what each net makes of them, and the truth", target))
    return drawn


def _chart(
    folder: Path, parts: Sequence[str], title: str, caption: str, chart: Chart, records: tuple[str, ...] = ()
) -> Drawn:
    """Write a chart as SVG and as PNG; the parts of its name tell it from every other."""
    name = _slug(".".join(parts))
    for suffix in ("png", "svg"):
        path = folder / f"{name}.{suffix}"
        chart(path=path)
    return Drawn(name, title, caption, path, records)


def _tradeoff(experiment: str, timings: Sequence[Timing], records: Sequence[Record]) -> figures.Tradeoff:
    trials = [1000 * trial for timing in timings for trial in timing.seconds["forward"]]
    low, middle, high = np.quantile(trials, [0.1, 0.5, 0.9])
    iu = bootstrap(*[record.images() for record in records])
    stride = stride_of(experiment)
    mean_iu = (100 * iu.low.mean_iu, 100 * iu.value.mean_iu, 100 * iu.high.mean_iu)
    return figures.Tradeoff(f"FCN-{stride}s", stride, (low, middle, high), mean_iu)


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name)
