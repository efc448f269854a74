"""One stage of training: start from the parent's weights, train, hand on a weights file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.runner import Runner
from mmseg.registry import DATASETS, MODELS
from torch import Tensor

from repro import provenance
from repro.data.splits import check_disjoint, content_sha256, read_ids
from repro.errors import UserError
from repro.experiments import Experiment, data_folder
from repro.files import atomic
from repro.models.classifier import Classifier
from repro.resume import RESUME
from repro.runner import build_runner
from repro.settings import config_sha256, dataset_name, load_config
from repro.weights import store
from repro.weights.convolutionalize import convolutionalize

WEIGHTS = "weights.pth"
STAGE = "stage.json"


def train(
    experiment: Experiment,
    *,
    work_dirs: Path,
    data_root: Path | None = None,
    start: Path | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    launcher: str = "none",
) -> Path:
    """Train one stage, or what is left of it, and return its weights file, `<work_dirs>/<experiment>/weights.pth`.

    A stage that is done is left alone; one that was interrupted goes on from its last checkpoint, bit for bit.

    Args:
        work_dirs: folder of all runs; the parent's weights are looked for there.
        data_root: folder of the dataset, instead of the config's.
        start: weights to start from, instead of the parent's.
        options: settings to change, by dotted key.
        seed: instead of the config's.
        launcher: as mmengine's.

    Raises:
        UserError: no parent, weights of another net, an unusable dataset, or a folder that holds a run with other
            settings.
    """
    config = load_config(experiment, options, seed, data_root)
    work_dir = work_dirs / experiment.name
    parent_path = start or parent_weights(experiment, work_dirs)
    parent = store.load(parent_path) if parent_path else None
    stage = {
        "experiment": experiment.name,
        "config_sha256": config_sha256(config),
        "parent_sha256": parent.sha256 if parent else None,
        "seed": config.randomness.seed,
        "dataset": dataset_name(config, "train_dataloader"),
        "content_sha256": check_training_set(config),
    }
    target, checkpoints = work_dir / WEIGHTS, find_checkpoints(work_dir)
    if target.is_file() or checkpoints:
        _refuse_other_run(work_dir, stage)
    if target.is_file():
        return target

    runner = build_runner(config, experiment, work_dir, launcher, "train")
    if checkpoints:
        # `resume:` is read by our own reader; `resume=True` in the config would let mmengine unpickle the file
        runner._resume, runner._load_from = True, f"{RESUME}{checkpoints[-1]}"
    elif parent and parent_path:
        store.hand_on(parent, bare_model(runner), parent_path)
    if is_main_process():
        with atomic(work_dir / STAGE) as temporary:
            temporary.write_text(json.dumps(stage, indent=1) + "\n", encoding="utf-8")
    runner.train()
    if is_main_process():
        model = bare_model(runner)
        measured = {"iterations": runner.max_iters, "provenance": provenance.collect(stage["seed"], device_of(model))}
        weights = store.Weights(
            tensors=_tensors(model, config),
            experiment=experiment.name,
            config_sha256=stage["config_sha256"],
            parent_sha256=stage["parent_sha256"],
            faithful=data_root is None
            and runner.world_size == 1  # more processes see more images a step
            and follows_card(experiment, stage["config_sha256"], parent),
            training=measured | {name: stage[name] for name in ("seed", "dataset", "content_sha256")},
        )
        store.save(weights, target)
        for leftover in [*find_checkpoints(work_dir), work_dir / "last_checkpoint"]:
            leftover.unlink(missing_ok=True)
    return target


def follows_card(experiment: Experiment, digest: str, parent: store.Weights | None) -> bool:
    """Whether settings of this hash and a parent are those of the experiment's card, and the parent follows its own."""
    if digest != config_sha256(load_config(experiment)):
        return False
    if parent is None:
        return experiment.starts_from is None
    return parent.faithful and parent.experiment == experiment.starts_from


def check_training_set(config: Config) -> str:
    """Hash the images and labels that a stage trains on, after making sure that none of them is validated on.

    Raises:
        UserError: an unusable dataset, or one that shares images with the validation split.
    """
    trained = DATASETS.build(config.train_dataloader.dataset)
    items = [trained.get_data_info(index) for index in range(len(trained))]
    if config.get("val_dataloader"):
        validated = config.val_dataloader.dataset
        check_disjoint((item["img_id"] for item in items), read_ids(Path(validated.data_root) / validated.ann_file))
    return content_sha256(items)


def parent_weights(experiment: Experiment, work_dirs: Path) -> Path | None:
    """Where the weights lie that an experiment starts from; None for one that begins at random.

    Raises:
        UserError: they are not there; says what makes them.
    """
    parent = experiment.starts_from
    if parent is None:
        return None
    if parent.startswith("ilsvrc/"):
        path = data_folder() / "weights" / f"{parent}.pth"
        remedy = f"put the converted {parent.removeprefix('ilsvrc/')} classifier there, or name a file with --start"
    else:
        path = work_dirs / parent / WEIGHTS
        remedy = f"run `repro train {parent}` first, or name a file with --start"
    if not path.is_file():
        raise UserError(f"{experiment.name} starts from {parent}, but there is no {path}: {remedy}")
    return path


def find_checkpoints(work_dir: Path) -> list[Path]:
    """The checkpoints of a run that has not ended, the oldest first."""
    numbered = [(int(path.stem.removeprefix("iter_")), path) for path in work_dir.glob("iter_*.pth")]
    return [path for _, path in sorted(numbered)]


def _refuse_other_run(work_dir: Path, stage: dict[str, Any]) -> None:
    """Refuse to go on with a run of other settings than the one that a folder holds."""
    note = work_dir / STAGE
    try:
        found = dict(json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{note} cannot be read: delete {work_dir} to train again") from error
    differing = [name for name, value in stage.items() if found.get(name) != value]
    if differing:
        raise UserError(
            f"{work_dir} holds a run with another {' and '.join(differing)}: "
            "delete that folder to train again, or choose another with --work-dirs"
        )


def bare_model(runner: Runner) -> Any:
    """The model without the wrapper that several processes put around it."""
    return getattr(runner.model, "module", runner.model)


def device_of(model: Any) -> str:
    """The device that a model's parameters lie on, as torch names it."""
    return str(next(model.parameters()).device)


def _tensors(model: Any, config: Config) -> dict[str, Tensor]:
    """What a stage hands on; a classifier's fully connected layers leave it as convolutions."""
    if not isinstance(model, Classifier):
        return model.state_dict()
    return convolutionalize(model, MODELS.build(config.model.backbone))
