"""Table 1: an image of 500x500 through each net, as the paper times it and in every mode that a user could choose.

The mean of 20 trials at batch 1, fp32, is the paper's number; median, p90, p99 and throughput come of the same trials.
"""

import pytest

from repro.timing.case import random_images
from repro.timing.device import use_precision
from repro.timing.nets import NETS, channels_of, dtype_of, forward, in_mode, largest_difference
from repro.timing.work import count_forward, memory_needed

from .options import Options

FCN8S = "voc2011/fcn8s_vgg16"
SECOND = ("nyudv2/fcn32s_rgb_hha", "siftflow/fcn16s_vgg16")  # in a short run: two trunks; a trunk timed already
PLAIN = {"precision": "fp32", "mode": "eager", "batch": 1}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "mode" not in metafunc.fixturenames:
        return
    options = Options.of(metafunc.config)

    def is_short(subject: str, mode: str, batch: int) -> bool:
        if batch > 1:
            return options.device == "cuda" and mode == "eager"
        return options.given or subject == FCN8S or (mode == "eager" and subject not in SECOND)

    cases = [(subject, mode, batch) for subject in NETS for mode in options.modes for batch in (1, 8, 20)]
    marked = [pytest.param(*case, marks=() if is_short(*case) else pytest.mark.full) for case in cases]
    metafunc.parametrize(("subject", "mode", "batch"), marked)


def test_forward(timing, build, size, precision, subject, mode, batch, device, measuring, width):
    settings = {"precision": precision, "mode": mode, "batch": batch}
    with timing(subject, **settings, height=size[0], width=size[1]) as case:
        if settings == PLAIN and measuring:
            case.claims += NETS[subject]
        work = count_forward(subject, batch, size, dtype_of(precision), width, quick="fast" in mode)
        case.require(memory_needed(work))
        net = build(subject)
        inputs = random_images(batch, *size, channels=channels_of(net), device=device)
        with use_precision("fp32"):
            expected = forward(net)(inputs[0])
        run, compile_seconds = in_mode(net, mode, precision, inputs[0])
        if settings | {"batch": 1} != PLAIN:
            case.work["largest_difference"] = largest_difference(run(inputs[0]), expected)
        if "compile" in mode:
            case.work["compile_seconds"] = compile_seconds
        case.work |= {"flop": work.flop, "bytes": work.bytes}
        del expected
        few = device == "cpu" and batch > 1  # a batch is as many images in one trial
        scores = case.measure({"forward": run}, inputs, rounds=max(3, case.rounds // batch) if few else None)
        for head in scores if isinstance(scores, tuple) else (scores,):
            assert head.shape[0] == batch and head.shape[-2:] == size and head.isfinite().all()
