"""From an experiment to an mmengine Runner: paths, seed and log for this suite, everything else as configured."""

import contextlib
import errno
import logging
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch
from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch.backends import cuda, cudnn

from repro.errors import UserError
from repro.experiments import Experiment
from repro.files import atomic
from repro.hooks import ProgressBar


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
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
                raise
            raise UserError(f"cannot write into {self.work_dir}: {error.strerror}; free the space") from error
        finally:
            for hook in self.hooks:
                if isinstance(hook, ProgressBar):
                    hook.close()

    @master_only
    def save_checkpoint(self, out_dir: str, filename: str, *args, **kwargs) -> None:
        """Write a checkpoint whole or not at all."""
        with atomic(Path(out_dir) / filename) as temporary:
            super().save_checkpoint(out_dir, temporary.name, *args, **kwargs)


def use_ieee_fp32() -> None:
    """fp32 means IEEE fp32, on CUDA too. Another precision would be another experiment."""
    cuda.matmul.allow_tf32 = cudnn.allow_tf32 = False


def build_runner(
    config: Config,
    experiment: Experiment,
    work_dir: Path,
    launcher: str,
    purpose: Literal["train", "test"],
) -> Runner:
    """A Runner that writes to `work_dir`, with all parts built that its purpose needs.

    Args:
        launcher: "none", "pytorch", "slurm" or "mpi", as mmengine's.

    Raises:
        UserError: an unusable dataset or folder, or settings that no part takes.
    """
    if launcher == "pytorch" and "RANK" not in os.environ:
        raise UserError(
            "--launcher pytorch goes with `torchrun --nproc_per_node N -m repro ...`, which starts N processes"
        )
    use_ieee_fp32()
    config.work_dir = str(work_dir)
    config.launcher = launcher
    if not torch.cuda.is_available():
        config.env_cfg.dist_cfg.backend = "gloo"
    config.custom_hooks = [*config.get("custom_hooks", []), {"type": "ProgressBar", "label": experiment.name}]
    # unique, because mmengine keeps one log for each name in a process
    config.experiment_name = f"{experiment.name.replace('/', '-')}-{uuid.uuid4().hex[:8]}"
    try:
        runner = QuietRunner.from_cfg(config)
        if purpose == "train":
            runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
        _ = runner.train_loop if purpose == "train" else runner.test_loop  # builds it, and its dataset
    except OSError as error:
        raise UserError(f"cannot write into {work_dir}: {error.strerror or error}; choose another folder") from error
    except (TypeError, ValueError, KeyError, AssertionError) as error:
        reason = str(error.args[0] if error.args else error).splitlines()[0]
        raise UserError(f"{experiment.name} cannot be built with these settings: {reason}") from error
    return runner
