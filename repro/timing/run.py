"""`repro time`: run `tests/timing` through pytest-benchmark, make records of its results, print them."""

import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Sequence
from importlib.util import find_spec
from itertools import chain
from pathlib import Path

import torch

from repro import provenance, records
from repro.errors import UserError
from repro.timing.device import PRECISIONS
from repro.timing.nets import MODES, NETS
from repro.timing.results import print_timings, read_benchmarks

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests" / "timing"
CASES = ("forward", "update", "section3_1", "tasks", "peers", "sizes", "cost", "parts")
OF_ONE_NET = ("forward", "update", "peers", "sizes", "cost")  # what a net's name alone stands for
DEVICES = ("cpu", "cuda")
CUDA_ONLY = ("tf32", "cuda_graph")
PYTEST_FAILED = 1  # pytest's exit code where a test failed, and all that could run has


def time_nets(
    names: Sequence[str],
    *,
    device: str | None = None,
    precisions: Sequence[str] = (),
    modes: Sequence[str] = (),
    rounds: int = 20,
    full: bool = False,
    work_dirs: Path = Path("work_dirs"),
) -> bool:
    """Time nets and write a record of each case into `<work_dirs>/records`.

    Args:
        names: nets, such as `fcn8s_vgg16`, or cases, such as `section3_1`; all when empty. Nets choose among the cases
            of one net; a case of no net or of several, such as `tasks`, runs only if it is named.
        device: `cpu` or `cuda`; when None the GPU, and where there is none the CPU, which is then said.
        precisions, modes: those to time; those of the device when empty.
        rounds: trials of a case.
        full: also what takes long.

    Returns:
        whether every case ran to its end. What ran is recorded either way.

    Raises:
        UserError: a name that is unknown, a device that is not there, or a suite that cannot run its tests.
        KeyboardInterrupt: as it came, once the cases that had ended are recorded.
    """
    nets, cases = _sort_names(names)
    _check_choices("device", [device] if device else [], DEVICES)
    _check_choices("precision", precisions, PRECISIONS)
    _check_choices("mode", modes, MODES)
    if rounds < 1:
        raise UserError(f"--rounds is {rounds}; a case takes at least one trial")
    device = _choose_device(device)
    chosen = [*precisions, *chain.from_iterable(mode.split("+") for mode in modes)]
    if device == "cpu" and (foreign := [name for name in chosen if name in CUDA_ONLY]):
        raise UserError(f"{foreign[0]} is only on a CUDA device, and this times the CPU")
    if find_spec("pytest_benchmark") is None:
        raise UserError("timings run through pytest-benchmark: install it with `pip install -e .[test]`")
    files = [TESTS / f"test_{case}.py" for case in ("floor", *cases)]
    if not files[0].exists():
        raise UserError(f"{TESTS} is missing: time from a checkout of the suite")

    folder = work_dirs / "records"
    _check_writable(folder)
    with tempfile.TemporaryDirectory() as temporary:
        results = Path(temporary) / "results.json"
        arguments = [f"--timing-device={device}", f"--timing-rounds={rounds}", *(["--timing-full"] if full else [])]
        arguments += [f"--timing-net={net}" for net in nets]
        arguments += [f"--timing-precision={name}" for name in precisions] + [f"--timing-mode={name}" for name in modes]
        code, interrupted = _run_pytest(
            [*map(str, filter(Path.exists, files)), f"--benchmark-json={results}", *arguments]
        )
        if interrupted and not results.exists():
            raise KeyboardInterrupt
        if not (interrupted or code in (0, PYTEST_FAILED)) or not results.exists():
            raise UserError(f"pytest ended with code {code} and without results; see its output above")
        timings = read_benchmarks(results, [provenance.reduce_paths(argument) for argument in sys.argv])
    _say_what_is_missing(cases, {timing.case for timing in timings})
    print_timings(timings)
    for timing in timings:
        print(records.write_plain(timing, folder))
    if interrupted:
        raise KeyboardInterrupt
    return code == 0


def _run_pytest(arguments: Sequence[str]) -> tuple[int, bool]:
    """pytest's exit code, and whether the user interrupted it."""
    command = [sys.executable, "-m", "pytest", "--benchmark-enable", "--benchmark-only", "--benchmark-disable-gc"]
    command += ["--benchmark-columns=median,mean,rounds", "--quiet", "--disable-warnings", "-p", "no:cacheprovider"]
    command += ["--timeout=0"]  # a case takes as long as it takes
    # stdout is for the table; in a group of its own, so that Ctrl-C comes from here, and once
    with subprocess.Popen([*command, *arguments], cwd=ROOT, stdout=sys.stderr, process_group=0) as pytest:
        try:
            return pytest.wait(), False
        except KeyboardInterrupt:
            pytest.send_signal(signal.SIGINT)  # it writes what it has
            return pytest.wait(), True
        finally:
            pytest.kill()  # at a second Ctrl-C; it has ended otherwise


def _choose_device(device: str | None) -> str:
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise UserError("no CUDA device here: time with --device cpu")
    if device is None and not there:
        print("repro: no CUDA device here: timing the CPU", file=sys.stderr)
    return device or ("cuda" if there else "cpu")


def _sort_names(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The nets and the cases among names; where no case is, those of one net if there are nets, else all."""
    short = {name.partition("/")[2]: name for name in NETS}
    nets, cases = [], []
    for name in names:
        if name in CASES:
            cases.append(name)
        elif name in NETS or name in short:
            nets.append(short.get(name, name))
        else:
            known = f"{', '.join(short)}; or a case: {', '.join(CASES)}"
            raise UserError(f"unknown net {name!r}; there are {known}")
    chosen = cases or (OF_ONE_NET if nets else CASES)
    return nets, [case for case in CASES if case in chosen]


def _say_what_is_missing(cases: Sequence[str], timed: Collection[str]) -> None:
    """One line for each case that has no timing: it skipped, or nothing in it was chosen."""
    for case in cases:
        if case not in timed:
            needs = "REPRO_LABELS to name label maps, and " if case == "sizes" else ""
            print(
                f"repro: {case} timed nothing: it takes {needs}a net and mode that it has; --full times more of them",
                file=sys.stderr,
            )


def _check_writable(folder: Path) -> None:
    """A run takes long: that its records cannot be written must be known before."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"cannot write into {folder}: {error.strerror}; choose another --work-dirs") from error


def _check_choices(what: str, given: Sequence[str], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            raise UserError(f"unknown {what} {name!r}; there are {', '.join(known)}")
