"""Score weights on an experiment's validation split, and write the record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import is_main_process

from repro import provenance, records
from repro import runner as runners
from repro.confusion import ConfusionMatrix
from repro.data.splits import ids_sha256
from repro.errors import UserError
from repro.experiments import Experiment
from repro.train import WEIGHTS
from repro.weights import store


def evaluate(
    experiment: Experiment,
    *,
    work_dirs: Path,
    weights: Path | None = None,
    data_root: Path | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    launcher: str = "none",
) -> records.Record | None:
    """Score weights (those of the finished stage when None) and write a record to `<work_dirs>/records`.

    Other arguments are as for `repro.train.train`. Of several processes the first writes and returns the record.

    Raises:
        UserError: the experiment is a classifier, its weights are missing or of another net, or the data is unusable.
    """
    config = runners.load_config(experiment, options, seed)
    if "test_evaluator" not in config:
        raise UserError(f"{experiment.name} trains a classifier: there is nothing to score pixel by pixel")
    source = weights or work_dirs / experiment.name / WEIGHTS
    scored = store.load(source)
    digest = runners.config_sha256(config)
    # What was trained or scored with other settings is another experiment, and answers no claim.
    as_printed = digest == runners.config_sha256(runners.load_config(experiment)) and (
        scored.config_sha256 == digest or (scored.source and not scored.config_sha256)
    )
    name = runners.dataset_name(config, "test_dataloader", data_root)
    runner = runners.build_runner(config, experiment, work_dirs / experiment.name, data_root, launcher, "test")
    store.load_into(scored, runner.model, source)
    runner.test()
    if not is_main_process():  # the counts were gathered there
        return None
    metric: ConfusionMatrix = runner.test_evaluator.metrics[0]
    dataset = runner.test_dataloader.dataset
    record = records.Record(
        experiment=experiment.name,
        recipe=experiment.recipe if as_printed else "changed",
        claims=list(experiment.claims) if as_printed and data_root is None else [],
        dataset=records.Dataset(
            name=name,
            split=Path(dataset.ann_file).stem,
            images=len(dataset),
            ids_sha256=ids_sha256(dataset.get_data_info(index)["img_id"] for index in range(len(dataset))),
            classes={"semantic": list(dataset.metainfo["classes"])},
        ),
        confusion={name: confusions.total() for name, confusions in metric.confusions.items()},
        weights=records.Weights(scored.sha256, scored.parent_sha256, scored.experiment),
        config_sha256=digest,
        training=dict(scored.training) or {"iterations": None, "seed": None},
        provenance=provenance.collect(seed=config.randomness.seed, device=_device(runner.model)),
    )
    return records.read(records.write(record, metric.confusions, work_dirs / "records"))


def _device(model: torch.nn.Module) -> str:
    return str(next(model.parameters()).device)
