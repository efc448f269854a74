"""Images come in many sizes: what each takes, the first time and again, over the sizes of a dataset.

`REPRO_LABELS` names a folder or a ZIP archive of label maps (PNG); their sizes are timed. Each distinct size is one
trial, the most frequent first, and several where it counts much: our plain net, `torchfcn`, the fast one when it first
meets the size, and again. On a CPU so many sizes as there are rounds are taken, and all with `--timing-full`. Scores
are compared at every size.
"""

import os
import zipfile
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from baselines.peers import TORCHFCN, describe, forward
from repro.report.timing.aims import EXACT
from repro.timing.case import random_images
from repro.timing.device import use_precision
from repro.timing.nets import first_call, in_mode, largest_difference

from .beside import build_peer, precision_of_peer

Sizes = list[tuple[int, int, int]]  # height, width, how many images have them; the most frequent first
FREQUENT, TURNS = 5, 5  # a size of so many images is timed so many times


def read_sizes(labels: Path) -> Sizes:
    """The sizes of a folder's or a ZIP archive's PNG files; only their headers are read."""
    if labels.is_dir():
        found = Counter(_size(path) for path in labels.rglob("*.png"))
    else:
        with zipfile.ZipFile(labels) as archive:
            members = [name for name in archive.namelist() if name.endswith(".png")]
            found = Counter(_size(archive.open(name)) for name in members)
    frequent_first = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [(height, width, count) for (height, width), count in frequent_first]


def _size(file: IO[bytes] | Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.height, image.width


def write_labels(folder: Path, sizes: Sizes) -> None:
    for height, width, count in sizes:
        for index in range(count):
            Image.fromarray(np.zeros((height, width), np.uint8)).save(folder / f"{height}_{width}_{index}.png")


@pytest.fixture
def labels(measuring: bool, tmp_path: Path) -> Path:
    """Where the label maps are whose sizes are timed; a few small ones where benchmarks are off."""
    if not measuring:
        write_labels(tmp_path, [(41, 57, 3), (33, 60, 1)])
        return tmp_path
    named = os.environ.get("REPRO_LABELS")
    if not named or not Path(named).exists():
        pytest.skip("REPRO_LABELS does not name a folder or a ZIP archive of label maps")
    return Path(named)


@pytest.mark.parametrize("subject", ["voc2011/fcn8s_vgg16"])
def test_sizes(timing, build, subject, labels, precision, device, options, width):
    sizes = read_sizes(labels)[: options.rounds if device == "cpu" and not options.full else None]
    (peer,) = (peer for peer in TORCHFCN if peer.experiment == subject)
    theirs = build_peer(peer, device, width)
    settings = {"peer": peer.name, "peer_precision": precision_of_peer(precision), "precision": precision}
    settings |= {"sizes": len(sizes)}
    with use_precision(precision_of_peer(precision)), timing(subject, **settings, batch=1) as case:
        ours = build(subject)
        peer.load(theirs, ours.state_dict())
        (example,) = random_images(1, 41, 57, count=1, device=device)
        torchfcn, plain = forward(theirs), in_mode(deepcopy(ours), "eager", precision, example)[0]
        for run in (torchfcn, plain, in_mode(deepcopy(ours), "fast", precision, example)[0]):
            run(example)  # what a process does once is done; no size is known to the net that follows
        quick = in_mode(ours, "fast", precision, example)[0]
        # it lays the weights out: once a net, not once a size
        case.work["first_call_seconds"] = first_call(quick, example)
        turns = [size for size in sizes for _ in range(TURNS if size[2] >= FREQUENT else 1)]
        case.provenance |= {"peer": describe(peer), "sizes": turns}
        case.work["images"] = sum(count for *_, count in sizes)
        differences: list[float] = []

        def compare(scores: dict[str, Tensor]) -> None:
            expected = scores.pop("torchfcn")
            differences.extend(largest_difference(one, expected) for one in scores.values())

        case.measure(
            # ours first: what a library prepares for shapes that it has not seen is not charged to the peer
            {"ours": plain, "torchfcn": torchfcn, "ours, fast, first": quick, "ours, fast, again": quick},
            turns,
            rounds=len(turns),
            warmup=0,
            prepare=lambda size: random_images(1, size[0], size[1], count=1, device=device)[0],
            check=compare,
        )
        case.work["largest_difference"] = worst = max(differences)
        assert precision != "fp32" or worst < EXACT[device]


@pytest.mark.parametrize("packed", [False, True])
def test_sizes_come_most_frequent_first(tmp_path, packed):
    sizes = [(30, 50, 4), (50, 30, 3), (20, 20, 2), (20, 21, 2), (7, 9, 1)]
    folder = tmp_path / "labels"
    (folder / "inner").mkdir(parents=True)
    write_labels(folder, sizes[:3])
    write_labels(folder / "inner", sizes[3:])
    (folder / "README.txt").write_text("no label map")
    if packed:
        with zipfile.ZipFile(tmp_path / "labels.zip", "w") as archive:
            for path in folder.rglob("*"):
                archive.write(path, path.relative_to(folder))
    assert read_sizes(tmp_path / "labels.zip" if packed else folder) == sizes
