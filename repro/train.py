"""One stage of training: start from the parent's weights, train, hand on a weights file."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.runner import Runner
from mmseg.registry import MODELS
from torch import Tensor

from repro import provenance
from repro.errors import UserError
from repro.experiments import Experiment, data_folder, is_ilsvrc
from repro.files import atomic
from repro.guard import check_training_set, is_genuine
from repro.hooks import TrainingTime
from repro.models.classifier import Classifier
from repro.models.fusion import adapt
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
    start: Sequence[Path] = (),
    options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    launcher: str = "none",
) -> Path:
    """Train one stage, or what is left of it, and return its weights file, `<work_dirs>/<experiment>/weights.pth`.

    A stage that is done is left alone; one that was interrupted goes on from its last checkpoint, bit for bit.

    Args:
        work_dirs: folder of all runs; the parent's weights are looked for there.
        data_root: folder of the dataset, instead of the config's.
        start: weights to start from, instead of the parents', in the parents' order.
        options: settings to change, by dotted key.
        seed: instead of the config's.
        launcher: as mmengine's.

    Raises:
        UserError: no parent, weights of another net, an unusable dataset, or a folder that holds a run with other
            settings.
    """
    config = load_config(experiment, options, seed, data_root)
    work_dir = work_dirs / experiment.name
    if start and len(start) != max(1, len(experiment.starts_from)):
        wanted = " and ".join(experiment.starts_from) or "one net or none"
        raise UserError(f"{experiment.name} starts from {wanted}: give --start once for each, in that order")
    origins = list(start) or parent_weights(experiment, work_dirs)
    parents = [store.load(path) for path in origins]
    stage = {
        "experiment": experiment.name,
        "config_sha256": config_sha256(config),
        "parent_sha256": "+".join(parent.sha256 for parent in parents) or None,
        "seed": config.randomness.seed,
        "dataset": dataset_name(config, "train_dataloader"),
        "content_sha256": check_training_set(config, own_folder=data_root is None),
    }
    target, checkpoints = work_dir / WEIGHTS, find_checkpoints(work_dir)
    if target.is_file() or checkpoints:
        _refuse_other_run(work_dir, stage)
    if target.is_file():
        return target

    runner, clock = build_runner(config, experiment, work_dir, launcher, "train"), TrainingTime()
    runner.register_hook(clock)
    if checkpoints:
        # `resume:` is read by our own reader; `resume=True` in the config would let mmengine unpickle the file
        runner._resume, runner._load_from = True, f"{RESUME}{checkpoints[-1]}"
    elif parents:
        model = bare_model(runner)
        tensors = adapt([parent.tensors for parent in parents], model.backbone)
        store.hand_on(store.Weights(dict(tensors)), model, " and ".join(map(str, origins)))
    if is_main_process():
        with atomic(work_dir / STAGE) as temporary:
            temporary.write_text(json.dumps(stage, indent=1) + "\n", encoding="utf-8")
    runner.train()
    seconds = clock.seconds
    if is_main_process():
        model = bare_model(runner)
        measured = {
            "iterations": runner.max_iters,
            "seconds": seconds,
            "provenance": provenance.collect(stage["seed"], device_of(model)),
        }
        weights = store.Weights(
            tensors=_tensors(model, config),
            experiment=experiment.name,
            config_sha256=stage["config_sha256"],
            parent_sha256=stage["parent_sha256"],
            faithful=data_root is None
            and runner.world_size == 1  # more processes see more images a step
            and (experiment.recipe == "sample" or is_genuine(config))
            and follows_card(experiment, stage["config_sha256"], parents),
            training=measured | {name: stage[name] for name in ("seed", "dataset", "content_sha256")},
        )
        store.save(weights, target)
        for leftover in [*find_checkpoints(work_dir), work_dir / "last_checkpoint"]:
            leftover.unlink(missing_ok=True)
    return target


def follows_card(experiment: Experiment, digest: str, parents: Sequence[store.Weights]) -> bool:
    """Whether settings of this hash and parents are those of the experiment's card, and the parents follow their own.

    A colour net that depth is added to, and two nets that are fused, are parents like others.
    """
    return (
        digest == config_sha256(load_config(experiment))
        and tuple(parent.experiment for parent in parents) == experiment.starts_from
        and all(parent.faithful for parent in parents)
        # what goes on from a net that others trained was not trained here, but from a classifier all begin
        and not any(parent.released and not is_ilsvrc(parent.experiment) for parent in parents)
    )


def parent_weights(experiment: Experiment, work_dirs: Path) -> list[Path]:
    """Where the weights lie that an experiment starts from; none for one that begins at random.

    Raises:
        UserError: they are not there; says what makes them.
    """
    found = []
    for parent in experiment.starts_from:
        path = weights_file(parent, work_dirs)
        if not path.is_file():
            remedy = f"run `repro {f'prepare weights {path.stem}' if is_ilsvrc(parent) else f'train {parent}'}` first"
            raise UserError(
                f"{experiment.name} starts from {parent}, but there is no {path}: {remedy}, or name a file with --start"
            )
        found.append(path)
    return found


def weights_file(name: str, work_dirs: Path) -> Path:
    """Where the weights of an experiment, or of an ILSVRC classifier, are expected."""
    return data_folder() / "weights" / f"{name}.pth" if is_ilsvrc(name) else work_dirs / name / WEIGHTS


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
