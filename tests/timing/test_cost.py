"""What an image costs by its size, and by how many there are in a batch: time and memory."""

import pytest

from repro.timing.case import random_images
from repro.timing.nets import dtype_of, in_mode
from repro.timing.work import count_forward, memory_needed

FCN8S = "voc2011/fcn8s_vgg16"
SIDES = (250, 500, 750, 1000, 1500, 2000)  # alone
BATCHES = (2, 4, 8, 16, 32)  # of 500x500
SHORT = {(250, 1), (500, 1), (1000, 1)}  # eager
CURVES = [(side, 1) for side in SIDES] + [(500, batch) for batch in BATCHES]
CASES = [
    pytest.param(mode, *point, marks=() if mode == "eager" and point in SHORT else pytest.mark.full)
    for mode in ("eager", "fast")
    for point in CURVES
]
FOURTH = 4  # of the trials of other cases: sizes and batches are many


@pytest.mark.parametrize("subject", [FCN8S])
@pytest.mark.parametrize(("mode", "side", "batch"), CASES)
def test_cost(timing, build, subject, precision, mode, side, batch, device, measuring, width):
    side = side if measuring else side // 25
    with timing(subject, precision=precision, mode=mode, batch=batch, height=side, width=side) as case:
        work = count_forward(subject, batch, (side, side), dtype_of(precision), width, quick="fast" in mode)
        case.require(memory_needed(work))
        inputs = random_images(batch, side, side, count=2, device=device)
        run, _ = in_mode(build(subject), mode, precision, inputs[0])
        case.work |= {"flop": work.flop, "bytes": work.bytes}
        scores = case.measure({"forward": run}, inputs, rounds=max(3, case.rounds // FOURTH), warmup=1)
        assert scores.shape == (batch, 21, side, side) and scores.isfinite().all()
