"""Our nets and what a user would pick instead, on the same images in one run: A B C D, A B C D.

A peer runs as it comes and in its best setting; with our weights where it has our layers, and then the scores of each
series are compared first, with those of the peer as it comes, in fp32. Arithmetic is of one precision for all, but for
`bf16`: there the peer stays as torch runs it, fp32 with TF32 in the convolutions.
"""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
from torch import Tensor

from baselines.peers import PEERS, SharesWeights, channels_last, describe, forward
from repro.report.timing.aims import EXACT
from repro.timing.case import random_images
from repro.timing.device import use_precision
from repro.timing.nets import build_net, in_mode, largest_difference
from repro.timing.work import count

from .beside import build_peer, precision_of_peer
from .options import QUICK

CPU_ROUNDS = 11  # at most; an odd number, so that the median is a trial
MODES = {"cpu": ["fast"], "cuda": ["channels_last", "cuda_graph", "fast", *QUICK]}  # of ours, beside the plain net
BY_DEFAULT = {("torchfcn", "voc2011/fcn8s_vgg16"), ("torchvision_resnet50", "voc2011/fcn8s_vgg16")}  # on a CPU

CASES = [
    pytest.param(
        peer.experiment,
        peer,
        marks=() if (peer.name, peer.experiment) in BY_DEFAULT else pytest.mark.full("cpu"),
        id=f"{peer.name}-{peer.experiment}",
    )
    for peer in PEERS
]


@pytest.mark.parametrize(("subject", "peer"), CASES)
def test_ours_and_a_peer_in_turn(timing, subject, peer, precision, size, device, options, width):
    width = 1 if peer.name == "patchwise" else width
    theirs = build_peer(peer, device, width)
    settings = {"peer": peer.name, "peer_precision": precision_of_peer(precision), "precision": precision}
    settings |= {"batch": 1, "height": size[0], "width": size[1]}
    with use_precision(precision_of_peer(precision)), timing(subject, **settings) as case:
        ours = build_net(subject, device, width)
        if isinstance(peer, SharesWeights):
            peer.load(theirs, ours.state_dict())
        inputs = random_images(1, size[0], size[1], device=device)
        runs: dict[str, Callable[[Tensor], Any]] = {
            peer.name: forward(theirs),
            f"{peer.name}, channels_last": forward(channels_last(theirs)),
            "ours": in_mode(ours, "eager", precision, inputs[0])[0],
        }
        for mode in MODES[device]:
            runs[f"ours, {mode}"] = in_mode(deepcopy(ours), mode, precision, inputs[0])[0]
        case.provenance["peer"] = describe(peer)
        scores = {name: run(inputs[0]) for name, run in runs.items()}
        for name, run in {"flop_ours": "ours", "flop_ours_fast": "ours, fast", "flop_peer": peer.name}.items():
            case.work[name] = count(partial(runs[run], inputs[0])).flop
        assert all(one.isfinite().all() for one in scores.values())
        if isinstance(peer, SharesWeights) and peer.stride == 1:
            with use_precision("fp32"):
                expected = runs[peer.name](inputs[0])
            found = {name: largest_difference(one, expected) for name, one in scores.items()}
            case.work |= {f"largest_difference, {name}": difference for name, difference in found.items()}
            case.work["largest_difference"] = max(found.values())
            assert expected.shape == (1, 21, *size) and expected.std() > 0
            assert precision != "fp32" or case.work["largest_difference"] < EXACT[device]
        case.measure(runs, inputs, rounds=min(options.rounds, CPU_ROUNDS) if device == "cpu" else None, warmup=1)
