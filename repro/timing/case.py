"""One case of `tests/timing`: what is timed under which settings, and everything that its record keeps."""

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from types import TracebackType
from typing import Any

import torch

from repro import provenance
from repro.timing.device import (
    available_memory,
    describe,
    energy_meter,
    held_memory,
    is_out_of_memory,
    peak_memory,
    release,
    synchronize,
)

SEED = 0  # of weights and inputs
WARM_SECONDS = 0.5  # before the trials of a GPU, which takes a while to its full clock
METERED_SECONDS = 2.0  # a meter's counter moves a few dozen times a second


class Case:
    """What is timed; its block swallows the error of a device that runs out of memory, and keeps it as the outcome.

    ```
    with Case("forward", "voc2011/fcn8s_vgg16", {"device": "cpu", "precision": "fp32"}, benchmark) as case:
        net, inputs = ...
        case.work["flop"] = ...
        case.measure({"forward": net}, inputs)
    ```

    Args:
        name, subject, settings: as a `repro.records.Timing` has them, settings with `device`.
        benchmark: pytest-benchmark's fixture.
        rounds: trials, unless `measure` is told otherwise.

    Attributes:
        work, claims, provenance: of the record, to be filled before the block ends.
        recorded: the case's `row` as the block ended, under its flags; empty where benchmarks are off.
    """

    def __init__(
        self, name: str, subject: str, settings: Mapping[str, str | int], benchmark: Any, rounds: int = 20
    ) -> None:
        self.name = name
        self.subject = subject
        self.settings = dict(settings)
        self.device = str(self.settings["device"])
        self.benchmark = benchmark
        self.rounds = rounds
        self.work: dict[str, float] = {}
        self.claims: list[str] = []
        self.provenance: dict[str, Any] = {}
        self.series: list[str] = []
        self.in_turn: dict[str, list[float]] = {}
        self.outcome = "measured"
        self.recorded: dict[str, Any] = {}

    def __enter__(self) -> "Case":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        swallow = is_out_of_memory(error)
        if swallow:
            self.outcome, self.in_turn = "out of memory", {}
        elif error is not None:
            self.benchmark.has_error = True  # of an interruption pytest-benchmark does not know
            return False
        if self.benchmark.enabled:
            self.recorded = self.benchmark.extra_info["timing"] = self.row()
        if swallow:
            release(self.device)
        return swallow

    def require(self, size: int) -> None:
        """On a CPU, run out of memory at once where `size` bytes are more than there are: who swaps measures nothing.

        `work` keeps the size as `bytes_needed`. A GPU does not swap, and tells by itself.

        Raises:
            MemoryError: there are not that many.
        """
        if self.device != "cpu":
            return
        self.work["bytes_needed"] = size
        if (free := available_memory()) is not None and size > free:
            raise MemoryError(f"{size} bytes are needed, {free} are free")

    def measure(
        self,
        runs: Mapping[str, Callable[[Any], Any]],
        inputs: Sequence[Any],
        *,
        rounds: int | None = None,
        warmup: int = 3,
        prepare: Callable[[Any], Any] | None = None,
        check: Callable[[dict[str, Any]], None] | None = None,
    ) -> Any:
        """Time what runs on inputs that rotate; of several, in turn (A B C, A B C) on the same input.

        A trial ends when the device has done its work. Of one run, pytest-benchmark's own clock counts, peak memory is
        read over all trials, and energy, where there is a meter, over two more seconds of the same. Of several,
        pytest-benchmark times the turn, and each run in it is timed alone.

        Args:
            runs: by the name of the series, a function of an input.
            inputs: several, so that no trial finds its input in a cache; each trial takes the next.
            rounds, warmup: trials that count, and those before them that do not.
            prepare: what to do with an input before its trial begins, untimed; the runs get its result.
            check: what to do with what several runs returned for an input, by name, when all have been timed.

        Returns:
            what the last trial returned: of several runs a dictionary.
        """
        rotating = cycle(inputs)
        self.series = list(runs)
        self.in_turn = {name: [] for name in runs} if len(runs) > 1 else {}

        def setup() -> tuple[tuple[Any], dict]:
            given = next(rotating)
            given = prepare(given) if prepare else given
            synchronize(self.device)
            return (given,), {}

        target = self._turn(runs, check) if len(runs) > 1 else self._alone(runs)
        rounds = rounds or self.rounds
        if warmup and self.device != "cpu":
            _repeat(WARM_SECONDS, target, setup)
        with peak_memory(self.device) as peak:
            held = held_memory(self.device)
            result = self.benchmark.pedantic(target, setup=setup, rounds=rounds, warmup_rounds=warmup, iterations=1)
            most = peak()
        captured = "cuda_graph" in str(self.settings.get("mode"))  # its maps lie in memory of its own
        if len(runs) == 1 and not captured and most is not None and held is not None:
            self.work |= {"peak_memory_bytes": most, "held_memory_bytes": held}
        self.in_turn = {name: seconds[-rounds:] for name, seconds in self.in_turn.items()}
        if len(runs) == 1 and self.benchmark.enabled:
            self._meter(target, setup)
        return result

    def _alone(self, runs: Mapping[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
        (run,) = runs.values()

        def alone(given: Any) -> Any:
            result = run(given)
            synchronize(self.device)
            return result

        return alone

    def _turn(
        self, runs: Mapping[str, Callable[[Any], Any]], check: Callable[[dict[str, Any]], None] | None
    ) -> Callable[[Any], dict[str, Any]]:
        def turn(given: Any) -> dict[str, Any]:
            results = {}
            for name, run in runs.items():
                started = time.perf_counter()
                results[name] = run(given)
                synchronize(self.device)
                self.in_turn[name].append(time.perf_counter() - started)
            if check:
                check(results)
            return results

        return turn

    def _meter(self, target: Callable[[Any], Any], setup: Callable[[], tuple[tuple[Any], dict]]) -> None:
        """Joules of one trial: of as many as take two seconds, what comes before each included."""
        read = energy_meter(self.device)
        if read is None:
            return
        used = read()
        trials = _repeat(METERED_SECONDS, target, setup)
        self.work["joules"] = (read() - used) / trials

    def row(self) -> dict[str, Any]:
        """The case as plain values, for pytest-benchmark's JSON; `repro.timing.results` makes records of them."""
        return {
            "case": self.name,
            "subject": self.subject,
            "settings": self.settings,
            "series": self.series,
            "in_turn": self.in_turn,
            "work": self.work,
            "claims": self.claims,
            "outcome": self.outcome,
            "provenance": provenance.collect(SEED, self.device) | {"machine": describe(self.device)} | self.provenance,
        }


def _repeat(seconds: float, target: Callable[[Any], Any], setup: Callable[[], tuple[tuple[Any], dict]]) -> int:
    """Run trials that do not count until so many seconds have passed, and return how many these were."""
    trials, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        target(*setup()[0])
        trials += 1
    return trials


def random_images(
    batch: int, height: int, width: int, *, channels: int = 3, count: int = 4, device: str = "cpu"
) -> list[torch.Tensor]:
    """Several batches (N, C, H, W) of noise as wide as natural images minus their mean, on a device."""
    generator = torch.Generator().manual_seed(SEED)
    return [64 * torch.randn(batch, channels, height, width, generator=generator).to(device) for _ in range(count)]
