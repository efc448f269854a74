"""Section 5: one net with two heads is as fast as either net of one task. The three run in turn."""

from repro.timing.case import random_images
from repro.timing.nets import in_mode

NETS = {
    "two heads": "siftflow/fcn16s_vgg16",
    "semantic alone": "siftflow/fcn16s_semantic_vgg16",
    "geometric alone": "siftflow/fcn16s_geometric_vgg16",
}


def test_tasks(timing, build, size, precision, device):
    settings = {"precision": precision, "mode": "eager", "batch": 1, "height": size[0], "width": size[1]}
    with timing("siftflow/fcn16s", **settings) as case:
        inputs = random_images(1, *size, device=device)
        runs = {name: in_mode(build(net), "eager", precision, inputs[0])[0] for name, net in NETS.items()}
        scores = case.measure(runs, inputs, rounds=max(10, case.rounds // 2) if device == "cpu" else None, warmup=1)
        assert [head.shape[1] for head in scores["two heads"]] == [33, 3]
        assert [scores[name].shape[1] for name in ("semantic alone", "geometric alone")] == [33, 3]
