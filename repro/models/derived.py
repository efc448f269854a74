"""What is computed of weights once, and kept until they change."""

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, Generic, TypeVar

from torch import Tensor
from torch.optim.optimizer import register_optimizer_step_post_hook

T = TypeVar("T")


class _Steps:
    """Counts the steps of all optimisers: fused ones change weights without torch's counting it."""

    def __init__(self) -> None:
        self.counter = count(1)
        self.taken = 0
        register_optimizer_step_post_hook(self._count)

    def _count(self, *_: Any) -> None:
        self.taken = next(self.counter)


_steps = _Steps()


class Derived(Generic[T]):
    """A value made of weights, made anew when they change: in place, or by other tensors in their place.

    torch does not count a change through `.data`, nor any of tensors that were made in inference mode: after one,
    `forget`. Several threads may ask at once. A copy begins with nothing.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Make it anew, whatever the weights are."""
        self._kept: tuple[tuple[Any, ...], list[Tensor], T] | None = None

    def of(self, weights: Iterable[Tensor], make: Callable[[], T]) -> T:
        """The value of these weights, made if it is not known."""
        held = list(weights)  # so that no other tensor gets their place in memory
        seen = (_steps.taken, *((w.data_ptr(), 0 if w.is_inference() else w._version) for w in held))
        kept = self._kept
        if kept is None or kept[0] != seen:
            # in one assignment, so that no thread sees the weights of one and the value of another
            self._kept = kept = (seen, [weight.detach() for weight in held], make())
        return kept[2]

    def __getstate__(self) -> dict[str, Any]:
        return {"_kept": None}
