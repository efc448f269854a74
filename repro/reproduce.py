"""The whole story of a group of experiments: every stage, its scores, the table, and a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmseg.registry import DATASETS
from rich.console import Console

from repro import experiments, listing, records
from repro.data.transforms import read_image, read_label
from repro.evaluate import evaluate
from repro.files import atomic
from repro.predict import label_image, load
from repro.prepare import prepare
from repro.report import figures, render
from repro.runner import load_config
from repro.train import WEIGHTS, train

PICTURES = 6  # rows of the grid


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
    if group == "sample" and data_root is None:
        prepare("sample")
    measured = []
    for number, experiment in enumerate(stages, start=1):
        console.rule(f"{number}/{len(stages)}  {experiment.name}", align="left")
        own = applicable(options or {}, experiment)
        weights = train(experiment, work_dirs=work_dirs, data_root=data_root, options=own, seed=seed)
        if "test_evaluator" not in load_config(experiment):
            continue
        common = {"work_dirs": work_dirs, "data_root": data_root, "options": own, "seed": seed}
        record = earlier_record(experiment, weights, work_dirs) or evaluate(experiment, **common)
        listing.print_scores(record)
        measured.append(experiment)
    picture = work_dirs / group / "predictions.png"
    draw_grid(measured, picture, work_dirs=work_dirs, data_root=data_root)
    text = render.render(group, records_folders=[work_dirs / "records"])
    with atomic(work_dirs / group / "table.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(text)
    print(f"records: {work_dirs / 'records'}   table: {work_dirs / group / 'table.md'}   pictures: {picture}")


def applicable(options: Mapping[str, Any], experiment: experiments.Experiment) -> dict[str, Any]:
    """The options that an experiment knows; a chain's stages do not all have the same settings."""
    config = load_config(experiment)
    return {key: value for key, value in options.items() if key.split(".")[0] in config}


def earlier_record(experiment: experiments.Experiment, weights: Path, work_dirs: Path) -> records.Record | None:
    """The record that scored these very weights, if there is one."""
    from repro.weights import store

    digest = store.load(weights).sha256
    found = records.read_all(work_dirs / "records") if (work_dirs / "records").is_dir() else []
    matching = [record for record in found if record.weights.sha256 == digest and record.experiment == experiment.name]
    return matching[-1] if matching else None


def draw_grid(stages: Sequence[experiments.Experiment], path: Path, *, work_dirs: Path, data_root: Path | None) -> None:
    """Draw image | truth | each net's labels, for evenly spaced images of the validation split."""
    dataset_config = load_config(stages[0]).val_dataloader.dataset
    own = experiments.data_folder() / Path(dataset_config.data_root).relative_to("data")
    dataset = DATASETS.build({**dataset_config, "data_root": str(data_root or own)})
    nets = [load(experiment.name, work_dirs / experiment.name / WEIGHTS) for experiment in stages]
    rows = []
    for index in np.linspace(0, len(dataset) - 1, PICTURES).astype(int):
        item = dataset.get_data_info(int(index))
        image = read_image(item["img_path"])
        truth = read_label(item["seg_map_path"], len(dataset.metainfo["classes"]))
        rows.append([image[..., ::-1], truth, *(label_image(net, image) for net in nets)])
    titles = ["image", "truth", *(experiment.name.split("/")[1] for experiment in stages)]
    figures.grid(rows, path, palette=dataset.metainfo["palette"], titles=titles)
