"""The whole story of a group of experiments: every stage, its scores, the table, and a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmseg.registry import DATASETS
from rich.console import Console

from repro import experiments, listing, records
from repro.data.images import read_image
from repro.data.splits import content_sha256
from repro.errors import UserError
from repro.evaluate import evaluate, is_faithful
from repro.experiments import Experiment
from repro.files import atomic
from repro.label_sets import label_set
from repro.models.segmentor import PREDICTIONS, TRUTHS
from repro.predict import label_item, load
from repro.prepare import WRITERS
from repro.provision import dataset_folder, prepare_all
from repro.report import figures, render
from repro.report.layouts import LAYOUTS
from repro.settings import config_sha256, find_setting, load_config
from repro.train import WEIGHTS, train, weights_file
from repro.weights import store

PICTURES = 6  # rows of the grid
COLUMNS = ("fcn32s_vgg16", "fcn16s_vgg16", "fcn8s_vgg16")


def reproduce(
    group: str,
    *,
    sample: bool = False,
    work_dirs: Path,
    data_root: Path | None = None,
    given: Sequence[Path] = (),
    verify: bool = True,
    options: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> None:
    """Prepare the data of a group, run its experiments, parents first, score each, then render its table and a grid.

    Goes on where it stopped: finished stages are not trained, and scored weights not scored, again. An experiment of
    another group that one of these starts from is trained first where its weights are lacking.

    Args:
        sample: on drawn data, with nets of an eighth of the width.
        given, verify: as `repro.prepare.prepare`'s.

    Raises:
        UserError: an unknown group, data or weights that are not to be had, or anything that `train` and `evaluate`
            refuse.
    """
    console = Console(stderr=True)
    members = experiments.chain(group)
    if sample:
        if any(dataset_folder(member).name not in WRITERS for member in members):
            raise UserError(f"there is no sample of {group!r}; there are samples of {', '.join(WRITERS)}")
        members = [experiments.on_sample(member) for member in members]
    stages = with_starts(members, work_dirs)
    known = applicable(options or {}, stages)
    prepare_all(stages, work_dirs=work_dirs, data_root=data_root, members=members, given=given, verify=verify)
    scored: dict[Experiment, records.Record] = {}
    for number, experiment in enumerate(stages, start=1):
        console.rule(f"{number}/{len(stages)}  {experiment.name}", align="left")
        own = known[experiment.name]
        if experiment not in members:  # of another group, with data of its own
            train(experiment, work_dirs=work_dirs, options=own, seed=seed)
            continue
        weights = train(experiment, work_dirs=work_dirs, data_root=data_root, options=own, seed=seed)
        config = load_config(experiment, own, seed, data_root)
        if "test_evaluator" not in config:
            continue
        record = earlier_record(experiment, config, weights, work_dirs, data_root) or evaluate(
            experiment, work_dirs=work_dirs, data_root=data_root, options=own
        )
        if record:
            listing.print_scores(record)
            scored[experiment] = record
    listing.print_gains(scored)
    folder = work_dirs / members[0].group
    pictures = draw_grids(list(scored), known, folder, work_dirs=work_dirs, data_root=data_root)
    made = f"records: {work_dirs / 'records'}   pictures: {', '.join(map(str, pictures))}"
    if group in LAYOUTS:
        text = render.render(f"sample_{group}" if sample else group, [work_dirs / "records"])
        with atomic(folder / "table.md") as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(text)
        made += f"   table: {folder / 'table.md'}"
    print(made)


def with_starts(members: Sequence[Experiment], work_dirs: Path) -> list[Experiment]:
    """The experiments, with those of other groups before them that they start from and that are not trained yet."""
    stages: list[Experiment] = []

    def add(experiment: Experiment) -> None:
        for name in experiment.starts_from:
            outside = not experiments.is_ilsvrc(name) and name not in {member.name for member in members}
            if outside and not weights_file(name, work_dirs).is_file():
                add(experiments.get(name))
        if experiment not in stages:
            stages.append(experiment)

    for member in members:
        add(member)
    return stages


def applicable(options: Mapping[str, Any], stages: Sequence[Experiment]) -> dict[str, dict[str, Any]]:
    """The options that each experiment knows, by its name; a chain's stages do not all have the same settings.

    Raises:
        UserError: an option that none of them knows.
    """
    configs = {experiment.name: load_config(experiment) for experiment in stages}
    known = {
        name: {key: value for key, value in options.items() if find_setting(config, key)[0]}
        for name, config in configs.items()
    }
    for key in options:
        if not any(key in own for own in known.values()):
            raise UserError(f"none of {', '.join(configs)} has a setting {key!r}")
    return known


def earlier_record(
    experiment: Experiment, config: Config, weights: Path, work_dirs: Path, data_root: Path | None = None
) -> records.Record | None:
    """The record that scored these very weights in this very way, and counts for what it would count now."""
    dataset = DATASETS.build(config.test_dataloader.dataset)
    content = content_sha256(dataset.items())
    scored = store.load(weights)
    recipe = experiment.recipe if is_faithful(experiment, scored, config, data_root) else "changed"
    sought = (experiment.name, recipe, scored.sha256, config_sha256(config), content)
    for record in records.read_all(work_dirs / "records"):
        found = (record.experiment, record.recipe, record.weights.sha256, record.config_sha256)
        if (*found, record.dataset.content_sha256) == sought:
            return record
    return None


def draw_grids(
    scored: Sequence[Experiment],
    options: Mapping[str, dict[str, Any]],
    folder: Path,
    *,
    work_dirs: Path,
    data_root: Path | None,
) -> list[Path]:
    """Draw image | each net's labels | truth, one picture a label set, for evenly spaced images that are scored.

    The nets are the 32s, 16s and 8s of VGG16 where the group has them, else all.

    Args:
        options: what each experiment was trained with, by its name.
    """
    shown = [experiment for experiment in scored if experiment.path.stem in COLUMNS] or list(scored)
    configs = [load_config(experiment, options[experiment.name], data_root=data_root) for experiment in shown]
    datasets = [DATASETS.build(config.test_dataloader.dataset) for config in configs]
    indices = [int(index) for index in np.linspace(0, len(datasets[0]) - 1, PICTURES)]
    images = [read_image(datasets[0].get_data_info(index)["img_path"])[..., ::-1] for index in indices]
    predicted: dict[str, list[tuple[str, list[np.ndarray]]]] = {}  # label set -> title and labels of each net
    truths: dict[str, list[np.ndarray]] = {}
    for experiment, dataset in zip(shown, datasets, strict=True):  # one net in memory at a time
        net = load(experiment, work_dirs / experiment.name / WEIGHTS, options[experiment.name])
        samples = [label_item(net, dataset[index]) for index in indices]
        for head in net.heads:
            labels = [sample.get(PREDICTIONS[head]).data[0].cpu().numpy() for sample in samples]
            predicted.setdefault(head, []).append((experiment.path.stem, labels))
            truths[head] = [sample.get(TRUTHS[head]).data[0].cpu().numpy() for sample in samples]
    paths = []
    for head, nets in predicted.items():
        paths.append(folder / ("predictions.png" if head == "semantic" else f"predictions_{head}.png"))
        _, palette = label_set(datasets[0].metainfo, head)
        columns = [images, *(labels for _, labels in nets), truths[head]]
        titles = ["image", *(title for title, _ in nets), "truth"]
        figures.grid(list(zip(*columns, strict=True)), paths[-1], palette=palette, titles=titles)
    return paths
