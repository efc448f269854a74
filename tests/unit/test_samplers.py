"""Images drawn with replacement: the same sequence for a seed, whoever takes which part of it, wherever it resumes."""

from itertools import islice

import pytest

from repro.data import samplers
from repro.data.samplers import WithReplacement


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
