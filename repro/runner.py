"""From an experiment to an mmengine Runner: paths, seed and log for this suite, everything else as configured."""

import contextlib
import hashlib
import inspect
import json
import logging
import os
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch.backends import cuda, cudnn

from repro.errors import UserError
from repro.experiments import Experiment, data_folder, plain_name
from repro.files import atomic
from repro.hooks import ProgressBar

# what may stand for a setting of a kind; bool comes first because it is an int too
KINDS: dict[type, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    float: (int, float),
    str: (str,),
    tuple: (list, tuple),
    list: (list, tuple),
    dict: (dict,),
}
PARTS = ("model", "train_dataloader", "train_cfg", "optim_wrapper", "randomness")  # of a config that trains
LOADERS = ("train_dataloader", "val_dataloader", "test_dataloader")


def load_config(experiment: Experiment, options: Mapping[str, Any] | None = None, seed: int | None = None) -> Config:
    """An experiment's config, with settings that the user changed.

    Args:
        options: new values by dotted key, such as `{"train_cfg.max_iters": 100}`.
        seed: instead of the config's.

    Raises:
        UserError: an option's key is not in the config or its value of another kind, or the config does not load.
    """
    try:
        config = Config.fromfile(experiment.path)
    except Exception as error:  # a user's own config may fail in any way
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{experiment.path} does not load as a config: {reason}") from error
    missing = [part for part in PARTS if part not in config]
    if missing:
        raise UserError(f"{experiment.path} lacks {', '.join(missing)}: read them from the suite's _base_ configs")
    for key, value in (options or {}).items():
        _check_option(config, key, value, experiment.name)
    config.merge_from_dict(dict(options or {}))
    if "test_dataloader" in config and not any(key.startswith("test_") for key in options or {}):
        config.test_dataloader = config.val_dataloader
    if seed is not None:
        config.randomness.seed = seed
    return config


def config_sha256(config: Config) -> str:
    """Hash of every setting that makes an experiment what it is: all but its folders and its seed."""
    settings = {key: value for key, value in config.to_dict().items() if key not in ("work_dir", "experiment")}
    settings["randomness"].pop("seed", None)
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

    def train(self) -> Any:
        with self._told():
            return super().train()

    def test(self) -> dict[str, float]:
        with self._told():
            return super().test()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Leave the terminal as it was, whatever happens, and name the folder that a full disk keeps from growing."""
        try:
            yield
        except OSError as error:
            raise UserError(f"cannot write into {self.work_dir}: {error.strerror or error}; free the space") from error
        finally:
            for hook in self.hooks:
                if isinstance(hook, ProgressBar):
                    hook.close()

    @master_only
    def save_checkpoint(self, out_dir: str, filename: str, *args, **kwargs) -> None:
        """Write a checkpoint whole or not at all."""
        with atomic(Path(out_dir) / filename) as temporary:
            super().save_checkpoint(out_dir, temporary.name, *args, **kwargs)


def dataset_root(config: Config, loader: str, data_root: Path | None) -> Path:
    """The dataset's folder: `data_root`; when None the config's own, of which `data/...` lies in `data_folder()`."""
    if data_root:
        return data_root
    own = Path(config[loader].dataset.data_root)
    return data_folder() / own.relative_to("data") if own.parts[:1] == ("data",) else own


def dataset_name(config: Config, loader: str, data_root: Path | None) -> str:
    """What records call the dataset: the name of its folder."""
    return plain_name((data_root.resolve() if data_root else Path(config[loader].dataset.data_root)).name)


def build_runner(
    config: Config,
    experiment: Experiment,
    work_dir: Path,
    data_root: Path | None,
    launcher: str,
    purpose: Literal["train", "test"],
) -> Runner:
    """A Runner that reads from `data_root` and writes to `work_dir`, with all parts built that its purpose needs.

    Args:
        data_root: folder of the dataset; the config's own folder under `data_folder()` when None.
        launcher: "none", "pytorch", "slurm" or "mpi", as mmengine's.

    Raises:
        UserError: an unusable dataset or folder, or settings that no part takes.
    """
    if launcher == "pytorch" and "RANK" not in os.environ:
        raise UserError(
            "--launcher pytorch goes with `torchrun --nproc_per_node N -m repro ...`, which starts N processes"
        )
    # fp32 means IEEE fp32. Another precision would be another experiment.
    cuda.matmul.allow_tf32 = cudnn.allow_tf32 = False
    config.work_dir = str(work_dir)
    config.launcher = launcher
    for loader in LOADERS:
        if loader in config:
            config[loader].dataset.data_root = str(dataset_root(config, loader, data_root))
    config.custom_hooks = [*config.get("custom_hooks", []), {"type": "ProgressBar", "label": experiment.name}]
    # unique, because mmengine keeps one log for each name in a process
    config.experiment_name = f"{experiment.name.replace('/', '-')}-{uuid.uuid4().hex[:8]}"
    try:
        runner = QuietRunner.from_cfg(config)
        if purpose == "train":
            runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        assert runner.train_loop if purpose == "train" else runner.test_loop
    except OSError as error:
        raise UserError(f"cannot write into {work_dir}: {error.strerror or error}; choose another folder") from error
    except (TypeError, ValueError, KeyError) as error:
        reason = str(error.args[0] if error.args else error).splitlines()[0]
        raise UserError(f"{experiment.name} cannot be built with these settings: {reason}") from error
    return runner


def find_setting(config: Config, key: str) -> tuple[bool, Any]:
    """Whether a config has a setting, by dotted key, and its value.

    An argument that a part could be built with counts as a setting; where it is not set its value is None.
    """
    owner: Any = None
    value: Any = config
    *_, last = parts = key.split(".")
    for part in parts:
        owner = value
        try:
            value = value[int(part)] if isinstance(value, (list, tuple)) else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            built = owner.get("type") if isinstance(owner, dict) else None
            known = part == last and inspect.isclass(built) and part in inspect.signature(built).parameters
            return known, None
    return True, value


def _check_option(config: Config, key: str, value: Any, name: str) -> None:
    known, current = find_setting(config, key)
    if not known:
        raise UserError(f"{name} has no setting {key!r}; see {name}.py")
    for kind, fitting in KINDS.items():
        if isinstance(current, kind):
            if not isinstance(value, fitting) or (isinstance(value, bool) and kind is not bool):
                raise UserError(f"{key} of {name} is {current!r}: {value!r} is no {kind.__name__}")
            return
