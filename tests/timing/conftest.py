"""What the timings share: their options, the device, and the fixture `timing`, through which everything is timed.

A file `test_<case>.py` holds one case. `repro time` measures; in an ordinary run of the tests benchmarks are off, each
runs once, at a tiny size, and nothing is recorded. So a test reads:

```
def test_forward(timing, build, size, subject, precision):
    with timing(subject, precision=precision, mode="eager", batch=1, height=size[0], width=size[1]) as case:
        net, inputs = build(subject), random_images(1, *size, device=case.device)
        case.measure({"forward": net}, inputs)
```

Several names in `measure` run in turn, A B C, A B C, on the same input. A block that runs out of memory is recorded as
such, and the run goes on. Marked `full`, a test takes long and is left out unless `--timing-full` is given; marked
`full("cpu")`, on that device alone. A parameter `subject` that is an experiment is what `repro time NET` selects by,
and `mode` what `--mode` does; tests without them run whatever was chosen.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from repro.models.segmentor import FCN
from repro.timing.case import Case
from repro.timing.device import describe, release, use_precision
from repro.timing.nets import build_net

from .options import Options

HERE = Path(__file__).parent
OUT_OF_MEMORY = pytest.StashKey[list[dict[str, Any]]]()
TINY = (41, 57)  # height, width of images where benchmarks are off


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("timing", "what `repro time` passes on")
    group.addoption("--timing-device", choices=["cpu", "cuda"], help="the device; by default the GPU, where one is")
    for name, what in (("precision", "fp32, tf32, bf16"), ("mode", "eager, fast, ..."), ("net", "an experiment")):
        group.addoption(f"--timing-{name}", action="append", help=f"{what}; may be repeated")
    group.addoption("--timing-rounds", type=int, help="trials of a case; by default 20")
    group.addoption("--timing-full", action="store_true", help="also what takes long")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full(device): takes long, there or anywhere: --timing-full times it")
    config.stash[OUT_OF_MEMORY] = []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with the argument `precision` runs once in each, under its flags, unless it chooses its own."""
    chosen = {
        name for mark in metafunc.definition.iter_markers("parametrize") for name in str(mark.args[0]).split(", ")
    }
    if "precision" in metafunc.fixturenames and "precision" not in chosen:
        metafunc.parametrize("precision", Options.of(metafunc.config).precisions, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out nets and modes that were not asked for, and what is marked `full` where that was not."""
    options = Options.of(config)
    out = []
    for item in items:
        if item.path.parent != HERE:
            continue
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        subject = parameters.get("subject", "")
        other = options.nets and "/" in subject and subject not in options.nets
        other = other or parameters.get("mode", options.modes[0]) not in options.modes
        full = item.get_closest_marker("full")
        if other or (full and not options.full and options.device in (full.args or (options.device,))):
            out.append(item)
    items[:] = [item for item in items if item not in out]
    config.hook.pytest_deselected(items=out)


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict[str, Any]) -> None:
    machine_info["timed"] = describe(Options.of(config).device)


def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """pytest-benchmark drops what has no trial: what ran out of memory is added here."""
    output_json["benchmarks"] += [
        {"extra_info": {"timing": row}, "stats": {"data": []}} for row in config.stash[OUT_OF_MEMORY]
    ]


@pytest.fixture(scope="session")
def options(request: pytest.FixtureRequest) -> Options:
    return Options.of(request.config)


@pytest.fixture(scope="session")
def device(options: Options) -> str:
    """torch's name of the device that is timed: `cpu` or `cuda`."""
    return options.device


@pytest.fixture(scope="session")
def measuring(options: Options) -> bool:
    """Whether benchmarks are on; else every net and image is tiny, so that the tests take seconds."""
    return options.measuring


@pytest.fixture(scope="session")
def size(measuring: bool) -> tuple[int, int]:
    """Height and width of the paper's timings, 500x500; tiny where benchmarks are off."""
    return (500, 500) if measuring else TINY


@pytest.fixture
def precision(request: pytest.FixtureRequest) -> Iterator[str]:
    """The precision's name; the whole test runs under its flags."""
    with use_precision(request.param):
        yield request.param


@pytest.fixture(scope="session")
def width(measuring: bool) -> float:
    """Factor on the channels of every net."""
    return 1 if measuring else 1 / 16


@pytest.fixture(scope="session")
def build(device: str, width: float) -> Callable[..., FCN]:
    """`build(experiment)`: its net on the device, random weights, score layers too; narrow where benchmarks are off.

    Arguments by name are `repro.timing.nets.build_net`'s.
    """
    return partial(build_net, device=device, width=width)


@pytest.fixture
def timing(
    request: pytest.FixtureRequest, benchmark: Any, device: str, options: Options
) -> Iterator[Callable[..., Case]]:
    """`timing(subject, precision=..., mode=..., ...)`: the block in which a subject is timed under these settings.

    The case is the file's: `test_forward.py` holds `forward`. See `repro.timing.case.Case`.
    """
    cases = []

    def of(subject: str, **settings: str | int) -> Case:
        name = request.path.stem.removeprefix("test_")
        cases.append(Case(name, subject, {"device": device, **settings}, benchmark, options.rounds))
        return cases[-1]

    yield of
    if benchmark.enabled:
        request.config.stash[OUT_OF_MEMORY] += [case.recorded for case in cases if case.outcome != "measured"]
        release(device)
