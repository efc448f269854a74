"""What `repro time` was told, as pytest's options."""

from dataclasses import dataclass

import pytest
import torch

QUICK = ("fast+cuda_graph", "fast+channels_last", "fast+channels_last+cuda_graph")  # on a GPU, beside the parts alone


@dataclass(frozen=True)
class Options:
    """What `repro time` was told.

    Attributes:
        device: `cpu` or `cuda`.
        precisions, modes: those to time, in order.
        given: whether the modes were asked for by name: then every subject is timed in each.
        nets: subjects to time; all when empty.
        rounds: trials of a case.
        full: whether to time what is marked `full` too.
        measuring: whether benchmarks are on; where they are off everything is tiny.
    """

    device: str
    precisions: list[str]
    modes: list[str]
    given: bool
    nets: list[str]
    rounds: int
    full: bool
    measuring: bool

    @classmethod
    def of(cls, config: pytest.Config) -> "Options":
        # without defaults of their own, because in a run from the top these options are not known
        option = config.getoption
        device = option("timing_device", None) or ("cuda" if torch.cuda.is_available() else "cpu")
        gpu = device == "cuda"
        return cls(
            device=device,
            precisions=option("timing_precision", None) or (["fp32", "tf32", "bf16"] if gpu else ["fp32"]),
            modes=option("timing_mode", None)
            or ["eager", "channels_last", *(["compile", "cuda_graph"] if gpu else []), "fast", *(QUICK if gpu else [])],
            given=bool(option("timing_mode", None)),
            nets=option("timing_net", None) or [],
            rounds=option("timing_rounds", None) or 20,
            full=bool(option("timing_full", False)),
            measuring=not option("benchmark_disable") or option("benchmark_enable"),
        )
