"""The order in which images are seen."""

from collections.abc import Iterator, Sized

import torch
from mmengine.dist import get_dist_info, sync_random_seed
from mmengine.registry import DATA_SAMPLERS
from torch.utils.data import Sampler


@DATA_SAMPLERS.register_module()
class WithReplacement(Sampler[int]):
    """Images drawn at random, with replacement, without end, as the authors' data layer does.

    Under several processes each takes every n-th draw of the same sequence.

    Args:
        dataset: what is drawn from.
        seed: of the sequence; one that all processes share when None.
    """

    def __init__(self, dataset: Sized, seed: int | None = None) -> None:
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
