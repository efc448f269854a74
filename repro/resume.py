"""Resuming a training where it stopped, bit for bit."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader

from repro.errors import UserError

RESUME = "resume:"


@CheckpointLoader.register_scheme(prefixes=RESUME)
def read_checkpoint(address: str, map_location: str | None = None) -> dict:
    """Read a training checkpoint as `resume:PATH`. Unlike mmengine's own reader it never runs code from a file.

    Raises:
        UserError: a truncated file, or one that holds more than tensors and plain values.
    """
    path = Path(address.removeprefix(RESUME))
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(
            f"cannot resume from {path}, it is truncated or foreign: delete it to go on from an earlier one"
        ) from error


def random_states() -> dict[str, Any]:
    """The states of all random generators of this process, as tensors and plain values."""
    numpy_state = np.random.get_state(legacy=False)
    return {
        "python": random.getstate(),
        "numpy": {**numpy_state, "state": {k: np.asarray(v).tolist() for k, v in numpy_state["state"].items()}},
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_random_states(states: dict[str, Any]) -> None:
    """Set the generators to what `random_states` returned."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])


@HOOKS.register_module()
class ExactResume(Hook):
    """Make a resumed training of one process equal an uninterrupted one, bit for bit.

    Saves the states of all random generators with each checkpoint and restores them before the first step. The message
    hub is left out: it only smooths the log, and it is the one thing that would need unpickling.
    """

    priority = "VERY_LOW"

    def __init__(self) -> None:
        self.restored: dict | None = None
        self.before_validation: dict = {}

    def before_val(self, runner: Runner) -> None:
        """Remember the states: a validation draws from them, and no training shall depend on when it was validated."""
        self.before_validation = random_states()

    def after_val(self, runner: Runner) -> None:
        """Go on as if there had been no validation."""
        set_random_states(self.before_validation)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Add the generators' states."""
        checkpoint["random"] = random_states()
        checkpoint.pop("message_hub", None)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep the states until the loaders are set up, which draws random numbers too."""
        self.restored = checkpoint.pop("random", None)
        checkpoint.setdefault("message_hub", runner.message_hub.state_dict())

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Restore them, once."""
        if self.restored is None:
            return
        set_random_states(self.restored)
        self.restored = None
