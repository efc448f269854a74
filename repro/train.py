"""One stage of training: start from the parent's weights, train, hand on a weights file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.runner import Runner, find_latest_checkpoint
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
    }
    _claim_folder(work_dir, stage)
    target = work_dir / WEIGHTS
    if target.is_file():
        return target

    runner = runners.build_runner(config, experiment, work_dir, data_root, launcher)
    resumable = (work_dir / "last_checkpoint").is_file()
    if resumable:
        runner._resume, runner._load_from = True, RESUME + find_latest_checkpoint(str(work_dir))
    elif parent:
        store.hand_on(parent, _bare(runner), parent_path)
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
        for leftover in work_dir.glob("iter_*.pth"):
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


def _claim_folder(work_dir: Path, stage: dict[str, Any]) -> None:
    """Note down which run a folder holds, and refuse to go on with another one."""
    note = work_dir / STAGE
    if note.is_file():
        found = json.loads(note.read_text(encoding="utf-8"))
        differing = [name for name, value in stage.items() if found.get(name) != value]
        if differing:
            raise UserError(
                f"{work_dir} holds a run with another {' and '.join(differing)}: "
                "delete that folder to train again, or choose another with --work-dirs"
            )
        return
    if is_main_process():
        with atomic(note) as temporary:
            temporary.write_text(json.dumps(stage, indent=1) + "\n", encoding="utf-8")


def _bare(runner: Runner) -> Any:
    """The model without the wrapper that several processes put around it."""
    return getattr(runner.model, "module", runner.model)


def _tensors(model: Any, config: Any) -> dict[str, Tensor]:
    """What a stage hands on; a classifier's fully connected layers leave it as convolutions."""
    if not isinstance(model, Classifier):
        return model.state_dict()
    from mmseg.registry import MODELS

    return convolutionalize(model, MODELS.build(config.model.backbone))
