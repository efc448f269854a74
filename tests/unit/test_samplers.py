"""The order of images: drawn with replacement, the same for a seed, wherever it resumes; batches of one size."""

import random
from collections import Counter
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import pytest
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.dataset import sampler as mmengine_sampler
from mmengine.registry import DATA_SAMPLERS
from PIL import Image

from repro.data import samplers
from repro.data.samplers import SameSizeBatches, WithReplacement
from repro.errors import UserError


def draws(sampler: WithReplacement, count: int) -> list[int]:
    return list(islice(iter(sampler), count))


@pytest.fixture
def ranks(monkeypatch):
    """Samplers as the processes of a group would have them."""

    def build(world_size: int, seed: int = 0, images: int = 10) -> list[WithReplacement]:
        found = []
        for rank in range(world_size):
            monkeypatch.setattr(samplers, "get_dist_info", lambda rank=rank: (rank, world_size))
            found.append(WithReplacement(range(images), seed))
        return found

    return build


def test_images_return_before_all_were_seen():
    sequence = draws(WithReplacement(range(10), 0), 10)
    assert len(set(sequence)) < 10 and set(sequence) <= set(range(10))


def test_all_images_come_equally_often():
    sequence = draws(WithReplacement(range(10), 0), 10_000)
    assert all(850 < sequence.count(image) < 1150 for image in range(10))  # five standard deviations


def test_a_seed_is_a_sequence():
    first = draws(WithReplacement(range(100), 1), 50)
    assert first == draws(WithReplacement(range(100), 1), 50) != draws(WithReplacement(range(100), 2), 50)
    sampler = WithReplacement(range(100), 1)
    assert draws(sampler, 50) == draws(sampler, 50), "an iterator begins anew"


@pytest.mark.parametrize("skipped", [0, 1, 7, 100])
def test_skipping_drops_the_first_draws(skipped):
    sampler = WithReplacement(range(10), 3)
    expected = draws(sampler, 120)[skipped:]
    sampler.skip(skipped)
    assert draws(sampler, 120 - skipped) == expected


def test_processes_share_one_sequence(ranks):
    (alone,) = ranks(1)
    pair = ranks(2)
    assert [draws(sampler, 20) for sampler in pair] == [draws(alone, 40)[0::2], draws(alone, 40)[1::2]]


def test_processes_resume_together(ranks):
    (alone,) = ranks(1)
    pair = ranks(2)
    for sampler in pair:
        sampler.skip(5)
    assert [draws(sampler, 5) for sampler in pair] == [draws(alone, 20)[10::2], draws(alone, 20)[11::2]]


def test_an_epoch_is_as_long_as_the_dataset():
    assert len(WithReplacement(range(7), 0)) == 7


SIZES = ((5, 4), (4, 5), (5, 5), (4, 4))


class Images:
    """What a batch sampler asks of a dataset: how many images, and where each lies."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def get_data_info(self, index: int) -> dict[str, str]:
        return {"img_path": str(self.paths[index])}

    def size(self, index: int) -> tuple[int, int]:
        with Image.open(self.paths[index]) as image:
            return image.size


@pytest.fixture
def images(tmp_path: Path) -> Callable[..., Images]:
    """As many images as asked for, of sizes drawn from four."""

    def draw(count: int, seed: int = 0) -> Images:
        generator = random.Random(seed)
        paths = [tmp_path / f"{seed}-{index}.png" for index in range(count)]
        for path in paths:
            Image.new("L", generator.choice(SIZES)).save(path)
        return Images(paths)

    return draw


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize(("count", "batch_size"), [(1, 4), (23, 1), (23, 4), (24, 7), (40, 100)])
def test_an_epoch_in_batches_of_one_size_has_every_image_once(images, count, batch_size, shuffle):
    dataset = images(count)
    batches = SameSizeBatches(DefaultSampler(dataset, shuffle=shuffle, seed=5), batch_size)
    found = list(batches)
    assert sorted(index for batch in found for index in batch) == list(range(count))
    assert all(len({dataset.size(index) for index in batch}) == 1 for batch in found)
    assert len(batches) == len(found), "a progress bar ends where the loop does"
    incomplete = [dataset.size(batch[0]) for batch in found if len(batch) < batch_size]
    assert len(set(incomplete)) == len(incomplete), "at most one batch of each size is not full"
    assert max(map(len, found)) <= batch_size


def test_images_of_a_size_keep_the_samplers_order(images):
    dataset = images(40)
    drawn = list(DefaultSampler(dataset, shuffle=True, seed=2))
    found = [index for batch in SameSizeBatches(DefaultSampler(dataset, shuffle=True, seed=2), 3) for index in batch]
    for size in SIZES:
        assert [i for i in found if dataset.size(i) == size] == [i for i in drawn if dataset.size(i) == size]
    assert found != drawn


def test_endless_draws_fill_every_batch_and_lose_none(images):
    drawn = []

    class Recorded(WithReplacement):
        def __iter__(self):
            for index in super().__iter__():
                drawn.append(index)
                yield index

    dataset = images(12)
    batches = list(islice(SameSizeBatches(Recorded(dataset, 3), 4), 200))
    assert {len(batch) for batch in batches} == {4}
    assert all(len({dataset.size(index) for index in batch}) == 1 for batch in batches)
    used = Counter(index for batch in batches for index in batch)
    assert used <= Counter(drawn), "each draw is used once"
    waiting = Counter(dataset.size(index) for index in (Counter(drawn) - used).elements())
    assert all(count < 4 for count in waiting.values()), "none waits but for its batch to fill"


@pytest.mark.parametrize("endless", [WithReplacement, InfiniteSampler])
def test_to_ask_an_endless_sampler_for_its_length_takes_no_draws(images, endless):
    dataset = images(10)
    asked, unasked = (SameSizeBatches(endless(dataset, seed=1), 4) for _ in range(2))
    assert len(asked) == 3
    assert list(islice(asked, 20)) == list(islice(unasked, 20))


def test_a_second_epoch_is_drawn_anew(images):
    batches = SameSizeBatches(DefaultSampler(images(23), shuffle=True, seed=0), 4)
    first = list(batches)
    assert list(batches) == first
    batches.sampler.set_epoch(1)
    assert list(batches) != first


def test_headers_are_read_once_and_nothing_is_decoded(images, monkeypatch):
    dataset = images(10)
    for path in dataset.paths:
        path.write_bytes(path.read_bytes()[:-20])  # what a decoder would stumble over
    opened, original = [], Image.open

    def record(path):
        opened.append(path)
        return original(path)

    monkeypatch.setattr(Image, "open", record)
    list(islice(SameSizeBatches(WithReplacement(dataset, 0), 2), 50))
    assert sorted(opened) == sorted(map(str, dataset.paths))


def test_a_file_that_is_no_image_is_named(images):
    dataset = images(3)
    dataset.paths[1].write_bytes(b"not an image")
    with pytest.raises(UserError, match=f"image .*{dataset.paths[1].name} cannot be read"):
        list(SameSizeBatches(DefaultSampler(dataset, shuffle=False), 2))


def test_processes_that_repeat_images_to_have_as_many_are_refused(images, monkeypatch):
    """A scorer drops repetitions as the last ones that come in; batches of one size change which those are."""
    monkeypatch.setattr(mmengine_sampler, "get_dist_info", lambda: (1, 2))
    with pytest.raises(UserError, match="round_up=False"):
        SameSizeBatches(DefaultSampler(images(7), seed=0), 2)
    even = SameSizeBatches(DefaultSampler(images(8), seed=0), 2)
    uneven = SameSizeBatches(DefaultSampler(images(7), shuffle=False, seed=0, round_up=False), 2)
    assert sum(map(len, even)) == 4 and sorted(i for batch in uneven for i in batch) == [1, 3, 5]


def test_batches_of_none_are_refused(images):
    with pytest.raises(ValueError, match="batch_size"):
        SameSizeBatches(WithReplacement(images(2), 0), 0)


def test_it_is_found_by_its_name():
    assert DATA_SAMPLERS.get("SameSizeBatches") is SameSizeBatches
