"""One step of training at 500x500: forward, backward and the update of SGD, as the experiment's config has it."""

import pytest

from repro.timing.case import random_images
from repro.timing.nets import NETS, build_step, channels_of
from repro.timing.work import count_step

SHORT = ("voc2011/fcn32s_alexnet", "voc2011/fcn32s_googlenet")
SUBJECTS = [pytest.param(subject, marks=() if subject in SHORT else pytest.mark.full("cpu")) for subject in NETS]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_update(timing, build, size, precision, subject, device, width):
    with timing(subject, precision=precision, mode="eager", batch=1, height=size[0], width=size[1]) as case:
        net = build(subject)
        bias = next(iter(net.heads.values())).score_fr.bias
        before = bias.detach().clone()
        inputs = random_images(1, *size, channels=channels_of(net), device=device)
        work = count_step(subject, 1, size, width)
        case.work |= {"flop": work.flop, **({"bytes": work.bytes} if precision != "bf16" else {})}  # counted in fp32
        loss = case.measure({"update": build_step(net, subject, precision, inputs[0])}, inputs)
        assert loss.isfinite()
        assert bias.isfinite().all() and (bias != before).any(), "the step ends with an update"
