"""The clock of a training: seconds that went into the weights, over all runs, and no others."""

from types import SimpleNamespace

import pytest

from repro import hooks
from repro.hooks import TrainingTime


@pytest.fixture
def now(monkeypatch) -> SimpleNamespace:
    """The time, which stands still but where a test sets it."""
    time = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(hooks.time, "monotonic", lambda: time.seconds)
    return time


def train(now: SimpleNamespace, start: float, stop: float, resumed: dict | None = None) -> tuple[TrainingTime, dict]:
    """A run from one time to another, with a checkpoint at its end."""
    clock, checkpoint = TrainingTime(), dict[str, float | None]()
    if resumed is not None:
        clock.after_load_checkpoint(None, resumed)
    now.seconds = start
    clock.before_train(None)
    now.seconds = stop
    clock.before_save_checkpoint(None, checkpoint)
    return clock, checkpoint


def test_runs_add_up_and_neither_breaks_nor_lost_steps_count(now):
    _, first = train(now, 1000, 1010)
    now.seconds = 1013  # three seconds after its last checkpoint, it is interrupted
    _, second = train(now, 50, 55, resumed=dict(first))  # another machine, whose clock stands elsewhere
    clock, _ = train(now, 7000, 7002, resumed=dict(second))
    assert (first["seconds"], second["seconds"], clock.seconds) == (10, 15, 17)


def test_a_checkpoint_without_its_time_leaves_the_sum_unknown(now):
    clock, checkpoint = train(now, 0, 5, resumed={"iter": 4})
    assert clock.seconds is None and checkpoint == {"seconds": None}


def test_nothing_of_it_is_left_in_what_the_runner_resumes_from(now):
    loaded = {"seconds": 4.0, "iter": 4}
    train(now, 0, 1, resumed=loaded)
    assert loaded == {"iter": 4}
