"""The machinery of timing: what a trial holds, what is recorded, and what becomes of a case that does not fit."""

import gc
import json
import time
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import torch
from torch.backends import cuda, cudnn

from baselines.peers import PEERS
from repro import records
from repro.report.claims import read_claims
from repro.report.timing import rules
from repro.timing import case as case_module
from repro.timing.case import Case, random_images
from repro.timing.device import available_memory, energy_meter, is_out_of_memory, peak_memory, use_precision
from repro.timing.nets import NETS, build_net, build_step, forward, in_mode, largest_difference
from repro.timing.results import print_timings, read_benchmarks

CPU = {"device": "cpu", "precision": "fp32", "mode": "eager"}


class Benchmark:
    """As much of pytest-benchmark's fixture as a case uses; it notes when its clock runs."""

    def __init__(self, events: list[str] | None = None) -> None:
        self.enabled = True
        self.extra_info: dict[str, Any] = {}
        self.events = [] if events is None else events
        self.trials: list[float] = []

    def pedantic(self, target: Callable, setup: Callable, rounds: int, warmup_rounds: int, iterations: int) -> Any:
        assert iterations == 1
        for trial in range(warmup_rounds + rounds):
            arguments, _ = setup()
            self.events.append("start")
            started = time.perf_counter()
            result = target(*arguments)
            if trial >= warmup_rounds:
                self.trials.append(time.perf_counter() - started)
            self.events.append("stop")
        return result

    def json(self) -> str:
        rows = [{"extra_info": self.extra_info, "stats": {"data": self.trials}}]
        return json.dumps({"benchmarks": [*rows, {"extra_info": {}, "stats": {"data": [1]}}]})


@pytest.fixture
def events(monkeypatch) -> list[str]:
    noted: list[str] = []
    monkeypatch.setattr(case_module, "synchronize", lambda device: noted.append(f"wait for {device}"))
    return noted


def test_a_trial_ends_when_the_device_is_done(events):
    with Case("forward", "net", CPU, Benchmark(events)) as case:
        case.measure({"forward": lambda given: events.append("run")}, [None], rounds=2, warmup=1)
    assert events == 3 * ["wait for cpu", "start", "run", "wait for cpu", "stop"]


def test_what_prepares_an_input_is_not_timed(events):
    with Case("forward", "net", CPU, Benchmark(events)) as case:
        case.measure({"run": lambda x: events.append(f"run {x}")}, [1], rounds=1, warmup=0, prepare=lambda x: x + 1)
    assert events == ["wait for cpu", "start", "run 2", "wait for cpu", "stop"]


def test_several_run_in_turn_and_each_waits_for_the_device(monkeypatch):
    monkeypatch.setattr(case_module, "synchronize", lambda device: time.sleep(0.02))
    ran: list[str] = []
    runs = {name: (lambda given, name=name: ran.append(f"{name}{given}")) for name in "AB"}
    with Case("peers", "net", CPU, benchmark := Benchmark()) as case:
        case.measure(runs, [0, 1, 2], rounds=2, warmup=1)
    assert ran == ["A0", "B0", "A1", "B1", "A2", "B2"]
    taken = benchmark.extra_info["timing"]["in_turn"]
    assert {name: len(trials) for name, trials in taken.items()} == {"A": 2, "B": 2}, "warm-up does not count"
    assert min(taken["A"] + taken["B"]) >= 0.02, "the device is waited for within each trial"


def test_every_turn_is_checked_once_all_in_it_are_timed():
    seen: list[dict[str, int]] = []

    def check(results: dict[str, int]) -> None:
        seen.append(results)
        time.sleep(0.05)

    with Case("sizes", "net", CPU, Benchmark()) as case:
        case.measure({"A": lambda x: x, "B": lambda x: -x}, [1, 2, 3], rounds=2, warmup=1, check=check)
    assert seen == [{"A": 1, "B": -1}, {"A": 2, "B": -2}, {"A": 3, "B": -3}]
    assert max(case.in_turn["A"] + case.in_turn["B"]) < 0.05


def test_inputs_rotate():
    seen: list[int] = []
    with Case("forward", "net", CPU, Benchmark(), rounds=5) as case:
        case.measure({"forward": seen.append}, [0, 1, 2], warmup=2)
    assert seen == [0, 1, 2, 0, 1, 2, 0]
    images = random_images(2, 5, 7, channels=4)
    assert len(images) > 1 and all(image.shape == (2, 4, 5, 7) for image in images)
    assert (images[0] != images[1]).all()
    assert all(map(torch.equal, images, random_images(2, 5, 7, channels=4))), "another run has the same ones"


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory."), None])
def test_a_case_that_runs_out_of_memory_is_recorded(tmp_path, error):
    def run(given: None) -> None:
        if len(benchmark.trials) == 1:
            if error:
                raise error
            torch.empty(2**60)  # torch's own error on a CPU

    benchmark = Benchmark()
    with Case("forward", "net", CPU, benchmark) as case:
        case.work["flop"] = 1.5
        case.measure({"forward": run}, [None], rounds=3, warmup=0)
        raise AssertionError("the block goes on")
    assert case.outcome == "out of memory"
    (tmp_path / "results.json").write_text(benchmark.json())
    (timing,) = read_benchmarks(tmp_path / "results.json", ["repro", "time"])
    found = records.read_any(records.write_plain(timing, tmp_path / "records"))
    assert isinstance(found, records.Timing) and found.outcome == "out of memory" and not found.seconds


def test_other_errors_are_not_swallowed():
    for error in (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), ValueError("out of memory")):
        benchmark = Benchmark()
        with pytest.raises(type(error)), Case("forward", "net", CPU, benchmark):
            raise error
        assert not benchmark.extra_info and not is_out_of_memory(error)
    assert not is_out_of_memory(None)


def test_more_than_there_is_is_out_of_memory_before_it_is_tried():
    free = available_memory()
    assert free is not None
    assert free > 2**20
    with Case("cost", "net", CPU, Benchmark()) as case:
        case.require(free // 100)
        case.require(100 * free)
        raise AssertionError("the block goes on")
    assert case.outcome == "out of memory" and case.work["bytes_needed"] == 100 * free
    with Case("cost", "net", CPU | {"device": "cuda"}, SimpleNamespace(enabled=False)) as case:
        case.require(100 * free)
    assert case.outcome == "measured" and not case.work, "a GPU tells by itself"


def test_every_sample_is_read_back(tmp_path):
    benchmark = Benchmark()
    with Case("forward", "voc2011/net", CPU | {"batch": 1}, benchmark) as case:
        case.work["flop"] = 10
        case.claims.append("cvpr2015/table1/FCN-AlexNet")
        case.provenance["peer"] = "some"
        case.measure({"forward": lambda given: time.sleep(0.001)}, [None], rounds=7, warmup=1)
    (tmp_path / "results.json").write_text(benchmark.json())
    (timing,) = read_benchmarks(tmp_path / "results.json", ["repro", "time", "net"])
    found = records.read_any(records.write_plain(timing, tmp_path / "records"))
    assert isinstance(found, records.Timing)
    assert found.seconds == {"forward": benchmark.trials} and len(benchmark.trials) == 7
    assert (found.case, found.subject, found.claims) == ("forward", "voc2011/net", ["cvpr2015/table1/FCN-AlexNet"])
    assert found.settings == CPU | {"batch": 1} and found.work["flop"] == 10
    assert found.work["peak_memory_bytes"] > 2**20
    assert found.provenance["command"] == ["repro", "time", "net"] and found.provenance["peer"] == "some"
    assert found.provenance["machine"]["name"] and found.provenance["run"]


def row(case: str, subject: str, trials: list[float], work: dict[str, float], **settings: Any) -> dict[str, Any]:
    timing = Case(case, subject, CPU | settings, SimpleNamespace(enabled=True))
    timing.series, timing.work = ["series"], work
    return {"extra_info": {"timing": timing.row()}, "stats": {"data": trials}}


def test_a_row_gets_the_peaks_of_its_own_precision(tmp_path):
    rows = [
        row("forward", "net", [2.0, 4.0], {"flop": 100, "bytes": 30}, batch=8, height=5, width=7),
        row("forward", "net", [0.5, 1.5], {"flop": 10, "bytes": 30}, precision="bf16"),
        row("forward", "net", [1.0], {"flop": 10, "bytes": 30}, precision="tf32"),
        row("floor", "matrix_product", [2.0, 1.0, 3.0], {"flop": 100}),
        row("floor", "matrix_product", [1.0, 0.75], {"flop": 100}, precision="bf16"),
        row("floor", "copy", [3.0, 2.0], {"bytes": 40}),
    ]
    rows[4]["extra_info"]["timing"]["in_turn"] = {"product": [0.5, 0.5], "product, oneDNN": [0.5, 0.25]}
    (tmp_path / "results.json").write_text(json.dumps({"benchmarks": rows}))
    plain, bf16, tf32, *floor = read_benchmarks(tmp_path / "results.json", [])
    assert plain.work == {"flop": 100, "bytes": 30, "peak_flop_per_second": 100, "peak_bytes_per_second": 20}
    assert bf16.work["peak_flop_per_second"] == 400
    assert "peak_flop_per_second" not in tf32.work and tf32.floor is None
    assert all("peak_flop_per_second" not in timing.work for timing in floor)
    assert plain.floor == pytest.approx(1.5), "the bytes take 1.5 s, the operations 1 s"
    assert len({timing.provenance["run"] for timing in (plain, bf16, tf32, *floor)}) == 1


def test_the_table_shows_the_floors_share(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "160")
    rows = [
        row("forward", "net", [4.0, 6.0, 9.0], {"flop": 100, "bytes": 60}),
        row("floor", "matrix_product", [1.0], {"flop": 100}),
        row("floor", "copy", [2.0], {"bytes": 40}),
    ]
    (tmp_path / "results.json").write_text(json.dumps({"benchmarks": rows}))
    print_timings(read_benchmarks(tmp_path / "results.json", []))
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "forward" in line)
    assert line.split()[-3:] == ["6000.0", "6333.3", "50%"]


def test_the_table_shows_medians_and_what_did_not_fit(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "160")
    rows = [
        row("forward", "net", [0.001, 0.002, 0.009], {}, batch=8, height=5, width=7),
        row("cost", "wide", [], {}),
    ]
    rows[1]["extra_info"]["timing"]["outcome"] = "out of memory"
    (tmp_path / "results.json").write_text(json.dumps({"benchmarks": rows}))
    print_timings(read_benchmarks(tmp_path / "results.json", []))
    shown = capsys.readouterr().out
    (line,) = (line for line in shown.splitlines() if "forward" in line)
    assert line.split() == ["forward", "net", "fp32", "eager,", "8", "of", "5x7", "2.0", "4.0"]
    assert "out of memory" in shown


def test_precision_is_set_and_put_back():
    before = cuda.matmul.allow_tf32, cudnn.allow_tf32
    for name in ("tf32", "fp32", "bf16"):
        with use_precision(name):
            assert (cuda.matmul.allow_tf32, cudnn.allow_tf32) == 2 * (name == "tf32",)
            with use_precision("tf32"), pytest.raises(ValueError, match="fp64"), use_precision("fp64"):
                pass
            assert (cuda.matmul.allow_tf32, cudnn.allow_tf32) == 2 * (name == "tf32",)
    assert (cuda.matmul.allow_tf32, cudnn.allow_tf32) == before


def test_peak_memory_begins_anew():
    peaks = []
    for size in (2**26, 1):  # floats: 256 MiB, and next to nothing
        with peak_memory("cpu") as peak:
            torch.ones(size)
            peaks.append(peak())
    large, small = peaks
    if large is None or small is None:
        pytest.skip("this system does not tell the memory of a process")
    assert large - small > 2**27


def test_energy_is_of_one_trial(monkeypatch):
    used = [0.0]
    monkeypatch.setattr(case_module, "energy_meter", lambda device: lambda: used[0])
    monkeypatch.setattr(case_module, "METERED_SECONDS", 0.02)

    def run(given: None) -> None:
        used[0] += 3.5

    with Case("forward", "net", CPU, Benchmark()) as case:
        case.measure({"forward": run}, [None], rounds=2)
    assert case.work["joules"] == pytest.approx(3.5)
    assert energy_meter("cpu") is None


@pytest.mark.parametrize("mode", ["eager", "channels_last", "fast", "fast+channels_last"])
@pytest.mark.parametrize("subject", ["voc2011/fcn8s_vgg16", "voc2011/fcn32s_googlenet", "siftflow/fcn16s_vgg16"])
def test_every_mode_gives_the_same_scores(subject, mode):
    (images,) = random_images(2, 45, 61, count=1)
    net = build_net(subject, width=1 / 16)
    expected = forward(net)(images)
    run, _ = in_mode(net, mode, "fp32", images)
    assert largest_difference(run(images), expected) < 1e-5
    half, _ = in_mode(net, mode, "bf16", images)
    assert 1e-4 < largest_difference(half(images), expected) < 0.1, "bf16 is another precision, and says so"


def test_a_captured_pass_keeps_its_net_alive(monkeypatch):
    """A graph reads the weights where they lie, and does not own them. Without a GPU its capture is played."""
    for name in ("Stream", "current_stream", "CUDAGraph"):
        monkeypatch.setattr(torch.cuda, name, MagicMock())
    for name in ("stream", "graph"):
        monkeypatch.setattr(torch.cuda, name, lambda _: nullcontext())
    net = build_net("voc2011/fcn8s_vgg16", width=1 / 16)
    (images,) = random_images(1, 45, 61, count=1)
    expected, weight = forward(net)(images), weakref.ref(net.backbone.get_parameter("fc6.weight"))
    replay, _ = in_mode(net, "fast+cuda_graph", "fp32", images)
    del net
    gc.collect()
    assert weight() is not None
    assert largest_difference(replay(images), expected) < 1e-5
    del replay
    gc.collect()
    assert weight() is None


def test_every_net_and_peer_that_is_timed_has_a_row():
    assert set(NETS) == set(rules.NETS.values())
    timed = {(peer.name, peer.experiment) for peer in PEERS}
    assert timed == {(peer, row.subject) for peer, row in rules.PEERS_OF}


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="slow"):
        in_mode(build_net("voc2011/fcn32s_alexnet", width=1 / 16), "slow", "fp32", torch.zeros(1, 3, 9, 9))


def test_the_difference_is_relative_and_finite():
    scores = torch.tensor([1.0, -4.0])
    assert largest_difference(scores + torch.tensor([0.1, 0]), scores) == pytest.approx(0.025)
    assert largest_difference((scores, scores), (scores, 2 * scores)) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="finite"):
        largest_difference(scores * torch.nan, scores)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("subject", ["voc2011/fcn32s_alexnet", "siftflow/fcn16s_vgg16"])
def test_a_step_updates_all_that_trains(subject, precision):
    """At once, though AlexNet's recipe accumulates 20 images. Biases that begin at zero show the smallest change."""
    (images,) = random_images(1, 45, 61, count=1)
    net = build_net(subject, width=1 / 16)
    before = {name: weight.detach().clone() for name, weight in net.named_parameters()}
    loss = build_step(net, subject, precision, images)(images)
    assert loss.isfinite() and loss > 0
    for name, weight in net.named_parameters():
        assert weight.dtype == torch.float32
        if "upscore" in name:
            assert torch.equal(weight, before[name])
        elif "alexnet" in subject or (".score_" in name and "bias" in name):
            assert (weight != before[name]).any(), name


def test_what_a_net_repeats_is_printed():
    known = {key for key, _ in read_claims()}
    assert all(claim in known for claims in NETS.values() for claim in claims)
