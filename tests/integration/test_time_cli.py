"""`repro time` from the command to the records, on a folder of timings that take no time."""

import shutil
import signal
from pathlib import Path

import pytest
import torch

from repro import records
from repro.timing import run

TIMING = Path(__file__).parents[1] / "timing"
CASES = {
    "floor": """
def test_matrix_product(timing, precision):
    with timing("matrix_product", precision=precision) as case:
        case.work["flop"] = 100
        case.measure({"product": lambda given: time.sleep(0.001)}, [None])

def test_copy(timing):
    with timing("copy", precision="fp32") as case:
        case.work["bytes"] = 100
        case.measure({"copy": lambda given: time.sleep(0.001)}, [None])
""",
    "forward": """
@pytest.mark.parametrize("subject", ["voc2011/fcn8s_vgg16", "voc2011/fcn32s_vgg16"])
@pytest.mark.parametrize("mode", ["eager", "fast"])
@pytest.mark.parametrize(
    "batch", [1, pytest.param(8, marks=pytest.mark.full("cpu")), pytest.param(4, marks=pytest.mark.full("cuda"))]
)
def test_forward(timing, subject, precision, mode, batch, size):
    with timing(subject, precision=precision, mode=mode, batch=batch, height=size[0], width=size[1]) as case:
        case.work |= {"flop": 10, "bytes": 1}
        case.claims.append("cvpr2015/table1/FCN-VGG16")
        case.measure({"forward": lambda given: time.sleep(0.002)}, [None])
""",
    "cost": """
@pytest.mark.parametrize("subject", ["voc2011/fcn8s_vgg16"])
@pytest.mark.parametrize("precision", ["tf32"], indirect=True)
@pytest.mark.parametrize("side", [1, 2**30, 2])
def test_cost(timing, subject, precision, side):
    with timing(subject, precision=precision, mode="eager", batch=1, height=side, width=side) as case:
        case.require(side**2)
        case.measure({"forward": lambda given: time.sleep(0.001)}, [None], rounds=2)
""",
    "tasks": """
def test_tasks(timing, precision):
    with timing("siftflow/fcn16s", precision=precision, mode="eager", batch=1) as case:
        case.measure({name: lambda given: time.sleep(0.001) for name in "ABC"}, [1, 2])
""",
    "parts": """
def test_broken(timing):
    with timing("scorer", mode="eager") as case:
        case.measure({"images": lambda given: 1 / 0}, [None])
""",
}


@pytest.fixture
def timings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of timings, with the suite's own fixtures and other cases; the command runs these."""
    folder = tmp_path / "checkout" / "timing"
    folder.mkdir(parents=True)
    for name in ("__init__.py", "conftest.py", "options.py"):
        shutil.copy(TIMING / name, folder)
    for name, code in CASES.items():
        (folder / f"test_{name}.py").write_text(f"import time\nimport pytest\n{code}")
    monkeypatch.setattr(run, "TESTS", folder)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return folder


def read(folder: Path) -> list[records.Timing]:
    found = records.read_all_kinds(folder / "records")
    return [record for record in found if isinstance(record, records.Timing)]


def test_everything_is_timed_and_recorded(command, timings, tmp_path):
    (timings / "test_parts.py").unlink()
    done = command("time", "--rounds", "3", "--work-dirs", tmp_path)
    assert done.code == 0, done.err
    assert done.err.count("no CUDA device") == 1, "one line says that there is no GPU"
    found = read(tmp_path)
    assert sorted(timing.case for timing in found) == [*3 * ["cost"], *2 * ["floor"], *8 * ["forward"], "tasks"]
    assert {timing.settings["batch"] for timing in found if timing.case == "forward"} == {1, 4}
    for timing in found:
        assert timing.settings["device"] == "cpu" and f"{timing.id}.json" in done.out
        assert timing.provenance["command"][1:3] == ["time", "--rounds"] and timing.provenance["versions"]["torch"]
        if timing.outcome == "measured":
            assert {len(trials) for trials in timing.seconds.values()} == {2 if timing.case == "cost" else 3}
    assert len({timing.provenance["run"] for timing in found}) == 1

    forward = next(timing for timing in found if timing.case == "forward")
    assert forward.claims == ["cvpr2015/table1/FCN-VGG16"] and min(forward.seconds["forward"]) >= 0.002
    assert (forward.settings["height"], forward.settings["width"]) == (500, 500)
    assert (
        0 < forward.work["peak_flop_per_second"] <= 100 / 0.001
        and 0 < forward.work["peak_bytes_per_second"] <= 100 / 0.001
    )
    (tasks,) = (timing for timing in found if timing.case == "tasks")
    assert list(tasks.seconds) == ["A", "B", "C"]
    outcomes = {int(t.settings["height"]): t.outcome for t in found if t.case == "cost"}
    assert outcomes == {1: "measured", 2: "measured", 2**30: "out of memory"}, "and the run goes on"
    assert "out of memory" in done.out
    flags = {t.outcome: t.provenance["precision"]["matmul_tf32"] for t in found if t.case == "cost"}
    assert flags == {"measured": True, "out of memory": True}, "those under which it ran, not those of afterwards"


def test_names_choose_nets_and_cases_and_options_the_rest(command, timings, tmp_path):
    choice = ("--precision", "bf16", "--precision", "fp32", "--mode", "fast", "--rounds", 1, "--full")
    done = command("time", "forward", "fcn8s_vgg16", "--device", "cpu", *choice, "--work-dirs", tmp_path)
    assert done.code == 0 and "no CUDA" not in done.err, done.err
    found = [timing for timing in read(tmp_path) if timing.case != "floor"]
    assert {(timing.case, timing.subject, timing.settings["mode"]) for timing in found} == {
        ("forward", "voc2011/fcn8s_vgg16", "fast")
    }
    assert sorted((t.settings["precision"], t.settings["batch"]) for t in found) == [
        (precision, batch) for precision in ("bf16", "fp32") for batch in (1, 4, 8)
    ]


def test_a_net_leaves_out_other_nets_and_not_a_case_of_none(command, timings, tmp_path):
    (timings / "test_parts.py").unlink()
    choice = ("fcn8s_vgg16", "--device", "cpu", "--rounds", 1, "--work-dirs")
    for folder, cases in {"alone": (), "beside": ("tasks", "cost")}.items():
        done = command("time", *cases, *choice, tmp_path / folder)
        assert done.code == 0, done.err
        found = [timing for timing in read(tmp_path / folder) if timing.case != "floor"]
        assert {t.case for t in found} == (set(cases) or {"forward", "cost"})
        assert {t.subject for t in found if t.case != "tasks"} == {"voc2011/fcn8s_vgg16"}
        silent = {case for case in run.CASES if f"repro: {case} timed nothing" in done.err}
        assert silent == (set() if cases else {"update", "peers", "sizes"})
        assert cases or "REPRO_LABELS" in done.err


def test_what_ran_is_recorded_though_another_case_fails(command, timings, tmp_path):
    done = command("time", "parts", "tasks", "--rounds", 1, "--work-dirs", tmp_path)
    assert done.code == 1 and "ZeroDivisionError" in done.err
    assert sorted(timing.case for timing in read(tmp_path)) == ["floor", "floor", "tasks"]


def test_cases_that_cannot_be_read_are_no_interruption(command, timings, tmp_path):
    (timings / "test_parts.py").write_text("import nothing_of_this_name")
    done = command("time", "parts", "--work-dirs", tmp_path)
    assert done.code == 2 and "without results" in done.err and "interrupted;" not in done.err


def test_what_ran_is_recorded_though_the_user_interrupts(command, timings, tmp_path):
    (timings / "test_parts.py").write_text("""
import os, signal, time
def test_endless(timing):
    with timing("scorer", mode="eager") as case:
        os.kill(os.getppid(), signal.SIGINT)
        case.measure({"images": lambda given: time.sleep(60)}, [None])
""")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        done = command("time", "tasks", "parts", "--rounds", 1, "--work-dirs", tmp_path)
    finally:
        signal.signal(signal.SIGINT, before)
    assert done.code == 130 and "a timing keeps what it has timed" in done.err
    assert sorted(timing.case for timing in read(tmp_path)) == ["floor", "floor", "tasks"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["fcn9s_vgg16"], "unknown net 'fcn9s_vgg16'"),
        (["siftflow/fcn8s_vgg16"], "unknown net 'siftflow/fcn8s_vgg16'"),
        (["--device", "tpu"], "unknown device 'tpu'; there are cpu, cuda"),
        (["--precision", "fp64"], "unknown precision 'fp64'; there are fp32, tf32, bf16"),
        (["--mode", "eager", "--mode", "lazy"], "unknown mode 'lazy'"),
        (["--device", "cuda"], "no CUDA device"),
        (["--device", "cpu", "--precision", "tf32"], "tf32 is only on a CUDA device"),
        (["--device", "cpu", "--mode", "cuda_graph"], "cuda_graph is only on a CUDA device"),
        (["--rounds", "0"], "--rounds is 0"),
    ],
)
def test_what_cannot_be_is_one_line(command, timings, tmp_path, arguments, complaint):
    done = command("time", *arguments, "--work-dirs", tmp_path / "out")
    assert complaint in done.complaint and not (tmp_path / "out").exists()


def test_records_that_cannot_be_written_are_known_before_anything_is_timed(command, timings, tmp_path):
    (tmp_path / "file").touch()
    assert (
        "choose another --work-dirs" in command("time", "--device", "cpu", "--work-dirs", tmp_path / "file").complaint
    )


def test_a_suite_without_its_tests_says_so(command, monkeypatch, tmp_path):
    monkeypatch.setattr(run, "TESTS", tmp_path)
    assert "from a checkout" in command("time", "--device", "cpu", "--work-dirs", tmp_path).complaint
