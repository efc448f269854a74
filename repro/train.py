"""One stage of training: start from the parent's weights, train, hand on a weights file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.runner import Runner
from torch import Tensor

from repro import runner as runners
from repro.errors import UserError
from repro.experiments import Experiment, data_folder
from repro.files import atomic
from repro.hooks import RESUME
from repro.models.classifier import Classifier
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
    config = runners.load_config(experiment, options, seed)
    work_dir = work_dirs / experiment.name
    parent_path = start or parent_weights(experiment, work_dirs)
    parent = store.load(parent_path) if parent_path else None
    stage = {
        "experiment": experiment.name,
        "config_sha256": runners.config_sha256(config),
        "parent_sha256": parent.sha256 if parent else None,
        "seed": config.randomness.seed,
        "dataset": runners.dataset_name(config, "train_dataloader", data_root),
    }
    target, checkpoints = work_dir / WEIGHTS, find_checkpoints(work_dir)
    if target.is_file() or checkpoints:
        _refuse_other_run(work_dir, stage)
    if target.is_file():
        return target

    runner = runners.build_runner(config, experiment, work_dir, data_root, launcher, "train")
    if checkpoints:
        runner._resume, runner._load_from = True, f"{RESUME}{checkpoints[-1]}"
    elif parent and parent_path:
        store.hand_on(parent, _bare(runner), parent_path)
    if is_main_process():
        with atomic(work_dir / STAGE) as temporary:
            temporary.write_text(json.dumps(stage, indent=1) + "\n", encoding="utf-8")
    runner.train()
    if is_main_process():
        weights = store.Weights(
            tensors=_tensors(_bare(runner), config),
            experiment=experiment.name,
            config_sha256=stage["config_sha256"],
            parent_sha256=stage["parent_sha256"],
            training={"iterations": runner.max_iters, "seed": config.randomness.seed},
        )
        store.save(weights, target)
        for leftover in find_checkpoints(work_dir):
            leftover.unlink()
        (work_dir / "last_checkpoint").unlink(missing_ok=True)
    return target


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


def _bare(runner: Runner) -> Any:
    """The model without the wrapper that several processes put around it."""
    return getattr(runner.model, "module", runner.model)


def _tensors(model: Any, config: Any) -> dict[str, Tensor]:
    """What a stage hands on; a classifier's fully connected layers leave it as convolutions."""
    if not isinstance(model, Classifier):
        return model.state_dict()
    from mmseg.registry import MODELS

    return convolutionalize(model, MODELS.build(config.model.backbone))
