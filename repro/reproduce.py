"""The whole story of a group of experiments: every stage, its scores, the table, and a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmseg.registry import DATASETS
from rich.console import Console

from repro import experiments, listing, records
from repro.data.splits import content_sha256
from repro.data.transforms import read_image, read_label
from repro.errors import UserError
from repro.evaluate import evaluate
from repro.experiments import Experiment
from repro.files import atomic
from repro.predict import label_image, load
from repro.prepare import prepare_sample
from repro.report import figures, render
from repro.report.layouts import LAYOUTS
from repro.settings import config_sha256, find_setting, load_config
from repro.train import WEIGHTS, train
from repro.weights import store

PICTURES = 6  # rows of the grid
COLUMNS = ("fcn32s_vgg16", "fcn16s_vgg16", "fcn8s_vgg16")


def reproduce(
    group: str,
    *,
    work_dirs: Path,
    data_root: Path | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> None:
    """Run every experiment of a group, parents first, score each, then render its table and a grid of predictions.

    Goes on where it stopped: finished stages are not trained, and scored weights not scored, again.

    Raises:
        UserError: an unknown group, or anything that `train` and `evaluate` refuse.
    """
    console = Console(stderr=True)
    stages = experiments.chain(group)
    known = applicable(options or {}, stages)
    if group == "sample" and data_root is None:
        prepare_sample()
    scored: dict[Experiment, records.Record] = {}
    for number, experiment in enumerate(stages, start=1):
        console.rule(f"{number}/{len(stages)}  {experiment.name}", align="left")
        own = known[experiment.name]
        weights = train(experiment, work_dirs=work_dirs, data_root=data_root, options=own, seed=seed)
        config = load_config(experiment, own, seed, data_root)
        if "test_evaluator" not in config:
            continue
        record = earlier_record(experiment, config, weights, work_dirs) or evaluate(
            experiment, work_dirs=work_dirs, data_root=data_root, options=own
        )
        if record:
            listing.print_scores(record)
            scored[experiment] = record
    listing.print_gains(scored)
    picture = work_dirs / group / "predictions.png"
    shown = [experiment for experiment in scored if Path(experiment.name).name in COLUMNS] or list(scored)
    columns = [(experiment, known[experiment.name]) for experiment in shown]
    draw_grid(columns, picture, work_dirs=work_dirs, data_root=data_root)
    made = f"records: {work_dirs / 'records'}   pictures: {picture}"
    if group in LAYOUTS:
        text = render.render(group, records_folders=[work_dirs / "records"])
        with atomic(work_dirs / group / "table.md") as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(text)
        made += f"   table: {work_dirs / group / 'table.md'}"
    print(made)


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


def earlier_record(experiment: Experiment, config: Config, weights: Path, work_dirs: Path) -> records.Record | None:
    """The record that scored these very weights in this very way, if there is one."""
    dataset = DATASETS.build(config.test_dataloader.dataset)
    content = content_sha256(dataset.get_data_info(index) for index in range(len(dataset)))
    sought = (experiment.name, store.load(weights).sha256, config_sha256(config), content)
    for record in records.read_all(work_dirs / "records"):
        if (record.experiment, record.weights.sha256, record.config_sha256, record.dataset.content_sha256) == sought:
            return record
    return None


def draw_grid(
    stages: Sequence[tuple[Experiment, dict[str, Any]]], path: Path, *, work_dirs: Path, data_root: Path | None
) -> None:
    """Draw image | truth | each net's labels, for evenly spaced images of the split that is scored.

    Args:
        stages: experiments, each with the options it was trained with.
    """
    config = load_config(*stages[0], data_root=data_root)
    dataset = DATASETS.build(config.test_dataloader.dataset)
    items = [dataset.get_data_info(int(index)) for index in np.linspace(0, len(dataset) - 1, PICTURES)]
    images = [read_image(item["img_path"]) for item in items]
    columns = [
        [image[..., ::-1] for image in images],
        [read_label(item["seg_map_path"], len(dataset.metainfo["classes"])) for item in items],
    ]
    for experiment, own in stages:  # one net in memory at a time
        net = load(str(experiment.path), work_dirs / experiment.name / WEIGHTS, own)
        columns.append([label_image(net, image) for image in images])
    titles = ["image", "truth", *(experiment.name.split("/")[1] for experiment, _ in stages)]
    figures.grid(list(zip(*columns, strict=True)), path, palette=dataset.metainfo["palette"], titles=titles)
