"""Score weights on an experiment's validation split, and write the record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process

from repro import provenance, records
from repro.confusion import ConfusionMatrix
from repro.data.splits import content_sha256, ids_sha256
from repro.errors import UserError
from repro.experiments import Experiment
from repro.guard import is_genuine
from repro.label_sets import label_set
from repro.runner import build_runner
from repro.settings import config_sha256, dataset_name, load_config
from repro.train import WEIGHTS, bare_model, device_of
from repro.weights import store


def evaluate(
    experiment: Experiment,
    *,
    work_dirs: Path,
    weights: Path | None = None,
    data_root: Path | None = None,
    options: Mapping[str, Any] | None = None,
    launcher: str = "none",
) -> records.Record | None:
    """Score weights (those of the finished stage when None) and write a record to `<work_dirs>/records`.

    Other arguments are as for `repro.train.train`. Of several processes the first writes and returns the record.

    Raises:
        UserError: the experiment is a classifier, its weights are missing or of another net, or the data is unusable.
    """
    config = load_config(experiment, options, data_root=data_root)
    if "test_evaluator" not in config:
        raise UserError(f"{experiment.name} trains a classifier: there is nothing to score pixel by pixel")
    source = weights or work_dirs / experiment.name / WEIGHTS
    scored = store.load(source)
    digest = config_sha256(config)
    faithful = is_faithful(experiment, scored, config, data_root)
    runner = build_runner(config, experiment, work_dirs / experiment.name, launcher, "test")
    model = bare_model(runner)
    store.load_into(scored, model, source)
    runner.test()
    if not is_main_process():  # the counts were gathered there
        return None
    metric: ConfusionMatrix = runner.test_evaluator.metrics[0]
    dataset = runner.test_dataloader.dataset
    items = dataset.items()
    training = {"iterations": None, "seed": None} | scored.training
    record = records.Record(
        experiment=experiment.name,
        recipe=experiment.recipe if faithful else "changed",
        claims=list(experiment.claims) if faithful else [],
        dataset=records.Dataset(
            name=dataset_name(config, "test_dataloader"),
            split=Path(dataset.ann_file).stem,
            images=len(items),
            ids_sha256=ids_sha256(item["img_id"] for item in items),
            content_sha256=content_sha256(items),
            frame="x".join(map(str, frame)) if (frame := dataset.frame_size) else None,
            classes={name: label_set(dataset.metainfo, name)[0] for name in metric.confusions},
        ),
        confusion={name: confusions.total() for name, confusions in metric.confusions.items()},
        weights=records.Weights(scored.sha256, scored.parent_sha256, scored.experiment),
        config_sha256=digest,
        training=training,
        provenance=provenance.collect(seed=training["seed"], device=device_of(model)),
    )
    return records.read(records.write(record, metric.confusions, work_dirs / "records"))


def is_faithful(experiment: Experiment, scored: store.Weights, config: Config, data_root: Path | None) -> bool:
    """Whether weights, scored by these settings, are the experiment: all else is another one, and answers no claim.

    Released weights were not trained by these settings; they are the very ones that the claim is about.
    """
    digest = config_sha256(config)
    return (
        scored.faithful
        and scored.experiment == experiment.name
        and digest == config_sha256(load_config(experiment))
        and (scored.released or scored.config_sha256 == digest)
        and data_root is None
        and (experiment.recipe == "sample" or is_genuine(config))
    )
