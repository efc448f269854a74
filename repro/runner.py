"""From an experiment to an mmengine Runner: paths, seed and log for this suite, everything else as configured."""

import hashlib
import json
import logging
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch.backends import cuda, cudnn

from repro.errors import UserError
from repro.experiments import Experiment, data_folder

LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def load_config(experiment: Experiment, options: Mapping[str, Any] | None = None, seed: int | None = None) -> Config:
    """An experiment's config, with settings that the user changed.

    Args:
        options: new values by dotted key, such as `{"train_cfg.max_iters": 100}`.
        seed: instead of the config's.

    Raises:
        UserError: an option's key is not in the config.
    """
    config = Config.fromfile(experiment.path)
    for key in options or {}:
        _require(config, key, experiment.name)
    config.merge_from_dict(dict(options or {}))
    if "test_dataloader" in config and not any(key.startswith("test_") for key in options or {}):
        config.test_dataloader = config.val_dataloader
    if seed is not None:
        config.randomness.seed = seed
    return config


def config_sha256(config: Config) -> str:
    """Hash of every setting that can change a result; folders are left out."""
    settings = {key: value for key, value in config.to_dict().items() if key not in ("work_dir", "experiment")}
    for loader in LOADERS:
        if loader in settings:
            settings[loader]["dataset"].pop("data_root", None)
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()


class QuietRunner(Runner):
    """A Runner that leaves the terminal to the progress bar; its log file gets everything."""

    def build_logger(self, *args, **kwargs) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.setLevel(logging.ERROR)
        return logger


def build_runner(
    config: Config, experiment: Experiment, work_dir: Path, data_root: Path | None, launcher: str
) -> Runner:
    """A Runner that reads from `data_root` and writes to `work_dir`.

    Args:
        data_root: folder of the dataset; the config's own folder under `data_folder()` when None.
        launcher: "none", "pytorch", "slurm" or "mpi", as mmengine's.
    """
    # fp32 means IEEE fp32. Another precision would be another experiment.
    cuda.matmul.allow_tf32 = cudnn.allow_tf32 = False
    config.work_dir = str(work_dir)
    config.launcher = launcher
    for loader in LOADERS:
        if loader in config:
            own = Path(config[loader].dataset.data_root)
            config[loader].dataset.data_root = str(data_root or data_folder() / own.relative_to("data"))
    config.custom_hooks = [*config.get("custom_hooks", []), {"type": "ProgressBar", "label": experiment.name}]
    # unique, because mmengine keeps one log for each name in a process
    config.experiment_name = f"{experiment.name.replace('/', '-')}-{uuid.uuid4().hex[:8]}"
    return QuietRunner.from_cfg(config)


def _require(config: Config, key: str, name: str) -> None:
    value: Any = config
    for part in key.split("."):
        try:
            value = value[int(part)] if isinstance(value, (list, tuple)) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            raise UserError(f"{name} has no setting {key!r} (stopped at {part!r}); see {name}.py") from None
