"""The order in which images are seen, and which of them share a batch."""

from collections import Counter
from collections.abc import Iterator, Sized
from functools import cached_property
from math import ceil
from typing import Any

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.registry import DATA_SAMPLERS
from PIL import Image
from torch.utils.data import Sampler

from repro.data.images import read_image
from repro.errors import UserError


@DATA_SAMPLERS.register_module()
class WithReplacement(Sampler[int]):
    """Images drawn at random, with replacement, without end, as the authors' data layer does.

    Under several processes each takes every n-th draw of the same sequence.

    Args:
        dataset: what is drawn from.
        seed: of the sequence; one that all processes share when None.
    """

    def __init__(self, dataset: Sized, seed: int | None = None) -> None:
        self.dataset = dataset
        self.size = len(dataset)
        self.seed = sync_random_seed() if seed is None else seed
        self.rank, self.world_size = get_dist_info()
        self.first = 0

    def skip(self, draws: int) -> None:
        """Begin after this many draws of this process: mmengine calls it when a training resumes."""
        self.first = draws

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed)
        draw = 0
        while True:
            image = int(torch.randint(self.size, (), generator=generator))
            turn, rank = divmod(draw, self.world_size)
            if rank == self.rank and turn >= self.first:
                yield image
            draw += 1

    def __len__(self) -> int:
        return self.size

    def set_epoch(self, epoch: int) -> None:
        """There are no epochs in an endless sequence."""


@DATA_SAMPLERS.register_module()
class SameSizeBatches(Sampler[list[int]]):
    """Batches of images of one size, so that none is padded: `batch_sampler=dict(type=SameSizeBatches)` of a loader.

    Whatever the sampler draws waits with others of its size until they fill a batch. Every draw is used once: where
    the sampler ends, the batches that are not full come too, in the order in which they were begun.

    A summed loss is the sum of the images' own. A mean runs over all labelled pixels of a batch, larger images counting
    more; the paper's mean of the images' means takes `optim_wrapper.accumulative_counts` instead.

    A resumed training goes on with the same batches. mmengine cannot skip draws here, but runs through the batches
    that were taken; with `num_workers` of 0 it does so without decoding them.

    Args:
        sampler: what draws from a dataset of images, whose pipeline keeps their sizes.
        batch_size: of a full batch.

    Raises:
        UserError: several processes share a finite sampler that repeats images to give each as many.
    """

    def __init__(self, sampler: Any, batch_size: int) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size is at least 1, not {batch_size}")
        if getattr(sampler, "total_size", 0) > len(sampler.dataset):
            # a scorer drops the repetitions as the last ones, which they no longer are
            raise UserError("SameSizeBatches in several processes needs a sampler with round_up=False: set it so")
        self.sampler, self.batch_size = sampler, batch_size
        self.sizes: dict[int, tuple[int, int]] = {}

    def __iter__(self) -> Iterator[list[int]]:
        waiting: dict[tuple[int, int], list[int]] = {}
        for index in self.sampler:
            size = self._size(index)
            waiting.setdefault(size, []).append(index)
            if len(waiting[size]) == self.batch_size:
                yield waiting.pop(size)
        yield from waiting.values()

    def __len__(self) -> int:
        """Batches of one pass; for an endless sampler, full batches that have as many images as the dataset."""
        return self._batches

    @cached_property
    def _batches(self) -> int:
        if hasattr(self.sampler, "skip"):  # by mmengine's contract it is endless
            return ceil(len(self.sampler) / self.batch_size)
        return sum(ceil(images / self.batch_size) for images in Counter(map(self._size, self.sampler)).values())

    def _size(self, index: int) -> tuple[int, int]:
        """Width and height of an image, from its header."""
        if index not in self.sizes:
            path = self.sampler.dataset.get_data_info(index)["img_path"]
            try:
                with Image.open(path) as image:
                    self.sizes[index] = image.size
            except (OSError, ValueError, SyntaxError):
                height, width, _ = read_image(path).shape  # raises the error that names the file
                self.sizes[index] = width, height
        return self.sizes[index]
