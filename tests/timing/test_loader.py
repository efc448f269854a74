"""The training loader: a cache makes it faster, and an epoch takes no more memory than its beginning.

`test_parts.py` times it.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from mmengine.runner import Runner
from PIL import Image

from repro import experiments
from repro.data.images import write_label
from repro.data.sample.scene import draw_scene
from repro.data.voc2011 import LISTS
from repro.settings import load_config

SIZE = (375, 500)  # height, width: VOC's most frequent
DISTINCT = 16  # drawn images, each taken again and again
PULLED = 96  # images a round


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VOC folder of drawn scenes of 500x375."""
    root = tmp_path_factory.mktemp("voc2011")
    (root / "JPEGImages").mkdir()
    (root / LISTS).mkdir(parents=True)
    for index in range(DISTINCT):
        scene = draw_scene(0, index, SIZE)
        grainy = scene.image + np.random.default_rng(index).normal(
            0, 8, scene.image.shape
        )  # a JPEG of 70 KiB; without grain it is too easy
        photo = np.clip(grainy, 0, 255).astype(np.uint8)
        Image.fromarray(photo[..., ::-1]).save(root / f"JPEGImages/{index}.jpg", quality=90)
        write_label(root / f"SegmentationClass/{index}.png", scene.label)
    (root / LISTS / "train.txt").write_text("".join(f"{index}\n" for index in range(DISTINCT)))
    return root


@pytest.fixture
def stream(voc: Path, dismiss_workers: Callable[[], None]) -> Iterator[Callable[..., Iterator[dict]]]:
    """Batches, without end, of an experiment's own training loader."""

    def start(workers: int, **dataset: bool) -> Iterator[dict]:
        loader = load_config(experiments.get("voc2011/fcn32s_vgg16_voc_cvpr"), data_root=voc).train_dataloader
        loader.update(num_workers=workers, persistent_workers=workers > 0)
        loader.dataset.update(dataset)
        return iter(Runner.build_dataloader(loader, seed=0))

    yield start
    dismiss_workers()


def pull(batches: Iterator[dict], count: int) -> None:
    """Take as many images as asked for, and make sure that they are whole."""
    for data in islice(batches, count):
        (image,), (sample,) = data["inputs"], data["data_samples"]
        assert image.shape == (3, *SIZE) and sample.gt_sem_seg.data.shape == (1, *SIZE)


def test_cached_images_come_many_times_faster(stream):
    def seconds(batches: Iterator[dict]) -> float:
        pull(batches, 4 * DISTINCT)
        start = time.perf_counter()
        pull(batches, DISTINCT)
        return time.perf_counter() - start

    assert seconds(stream(0)) > 3 * seconds(stream(0, cache=True))


GROWTH = """
import sys
from itertools import islice
from multiprocessing import active_children
from pathlib import Path

from mmengine.runner import Runner
from repro import experiments
from repro.settings import load_config


def resident() -> float:
    # MiB in memory, of this process and the loader's
    processes = ["self", *(child.pid for child in active_children())]
    return sum(int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in processes) / 256


def growth(images: int, workers: int, cache: bool) -> float:
    config = load_config(experiments.get("voc2011/fcn32s_vgg16_voc_cvpr"), data_root=Path(sys.argv[1])).train_dataloader
    config.update(num_workers=workers, persistent_workers=workers > 0)
    config.update(sampler=dict(type="DefaultSampler", shuffle=True))
    config.dataset.cache = cache
    loader = Runner.build_dataloader(config, seed=0)
    for taken, data in enumerate(islice(loader, images), start=1):
        if taken == 1000:
            before = resident()
    assert taken == images
    return resident() - before


print(growth(10_000, 0, False), growth(10_000, 2, False), growth(4000, 0, True))
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VOC folder of 10,000 images of 32x24: a few files under many names."""
    root = tmp_path_factory.mktemp("many")
    generator = np.random.default_rng(0)
    for folder in ("JPEGImages", "SegmentationClass", LISTS):
        (root / folder).mkdir(parents=True)
    for index in range(10_000):
        for folder, suffix, high, channels in (("JPEGImages", "jpg", 256, (3,)), ("SegmentationClass", "png", 21, ())):
            path, first = (root / folder / f"{name}.{suffix}" for name in (index, index % 10))
            if path == first:
                Image.fromarray(generator.integers(0, high, (24, 32, *channels), np.uint8)).save(path)
            else:
                os.link(first, path)
    (root / LISTS / "train.txt").write_text("".join(f"{index}\n" for index in range(10_000)))
    return root


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc: memory is read there")
def test_memory_of_an_epoch_stays_flat(many):
    """An image takes 8.25 KiB: a loader that kept them would grow by 73 MiB after the first thousand."""
    done = subprocess.run(
        [sys.executable, "-c", GROWTH, str(many)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    alone, with_processes, cached = map(float, done.stdout.split()[-3:])
    assert alone < 8 and with_processes < 8
    assert cached > 10, "a cache keeps 3000 images, which shows here"
