"""What is computed from one timing. None where the record does not hold what it takes."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from repro.errors import UserError
from repro.records import Timing

Number = Callable[[Timing], float | None]
ENOUGH_PAIRS = 10


def digits(value: float, count: int = 3) -> str:
    """So many significant digits, never an exponent: 0.00120, 21.0, 12300."""
    return f"{Decimal(f'{value:.{count - 1}e}'):f}"


def trials(timing: Timing) -> NDArray[np.float64]:
    """The seconds of a timing of one series."""
    return np.array(next(iter(timing.seconds.values())))


def images(timing: Timing) -> int:
    """How many images, or crops, one trial takes."""
    return int(timing.settings.get("images", timing.settings.get("batch", 1)))


def seconds_per_image(timing: Timing) -> float:
    """Mean over the trials."""
    return float(trials(timing).mean()) / images(timing)


def relative_error(timing: Timing) -> float:
    """The standard error of the mean over the mean; infinite for a single trial, which does not tell it."""
    found = trials(timing)
    return float(found.std(ddof=1) / found.mean() / len(found) ** 0.5) if len(found) > 1 else float("inf")


def median(timing: Timing) -> float:
    """Median of the trials, in seconds."""
    return float(np.median(trials(timing)))


def milliseconds(quantile: float) -> Number:
    """A quantile of the trials, interpolated between them."""
    return lambda timing: 1e3 * float(np.quantile(trials(timing), quantile))


def images_per_second(timing: Timing) -> float:
    """At the median."""
    return images(timing) / median(timing)


def work(name: str, scale: float = 1) -> Number:
    """A number that the record holds beside the times, times `scale`."""
    return lambda timing: timing.work[name] * scale if name in timing.work else None


def best_rate(name: str, scale: float = 1) -> Number:
    """A number of the record's `work` a second, of the fastest trial of any series, times `scale`."""

    def rate(timing: Timing) -> float | None:
        fastest = min((min(seconds) for seconds in timing.seconds.values() if seconds), default=None)
        return scale * timing.work[name] / fastest if fastest and name in timing.work else None

    return rate


def share_of_peak(timing: Timing) -> float | None:
    """FLOP a second at the median, in percent of what a large matrix product reaches on the device."""
    if not {"flop", "peak_flop_per_second"} <= set(timing.work):
        return None
    return 100 * timing.work["flop"] / (median(timing) * timing.work["peak_flop_per_second"])


def share_of_floor(timing: Timing) -> float | None:
    """How much of the median the floor is, in percent."""
    return None if timing.floor is None else 100 * timing.floor / median(timing)


def per_pixel(seconds_or_bytes: Number, scale: float = 1) -> Number:
    """A number over the pixels of the batch, times `scale`."""

    def of(timing: Timing) -> float | None:
        value = seconds_or_bytes(timing)
        return None if value is None else scale * value / pixels(timing)

    return of


def pixels(timing: Timing) -> int:
    """Of all images of the batch."""
    height, width, batch = (int(timing.settings[name]) for name in ("height", "width", "batch"))
    return height * width * batch


def ratios(timing: Timing, slow: str, fast: str) -> NDArray[np.float64]:
    """Seconds of one series over those of another, trial by trial."""
    return np.array(timing.seconds[slow]) / np.array(timing.seconds[fast])


def fastest(peer: str, ours: str = "") -> Number:
    """The median ratio of a peer to the fastest of ours, or to the one that is named; None under ten pairs."""

    def of(timing: Timing) -> float | None:
        names = [name for name in timing.seconds if (name == ours if ours else name.startswith("ours"))]
        found = [ratios(timing, peer, name) for name in names if peer in timing.seconds]
        return max((float(np.median(pairs)) for pairs in found if len(pairs) >= ENOUGH_PAIRS), default=None)

    return of


def counts(timing: Timing) -> Sequence[int]:
    """How many images have each of the sizes of a timing over real sizes, in the order of its trials.

    Raises:
        UserError: the record does not say, or not for each trial.
    """
    sizes = timing.provenance.get("sizes")
    trials = {len(series) for series in timing.seconds.values()}
    if not isinstance(sizes, list) or {len(sizes)} != trials or any(len(size) != 3 for size in sizes):
        raise UserError(f"{timing.id}: provenance.sizes is not one [height, width, count] a trial; measure it again")
    return [int(count) for _, _, count in sizes]


def over_distribution(timing: Timing) -> float:
    """Peer / ours, fast, over all images, each as often as its size occurs; the first of a size fills the cache."""
    count = np.array(counts(timing))
    first, again = (np.array(timing.seconds[f"ours, fast, {name}"]) for name in ("first", "again"))
    return float(count @ _peer(timing) / (first + (count - 1) * again).sum())


def plain_over_distribution(timing: Timing) -> float:
    """Peer / ours, over all images."""
    count = np.array(counts(timing))
    return float(count @ _peer(timing) / (count @ np.array(timing.seconds["ours"])))


def over_each_size_once(timing: Timing) -> float:
    """Peer / ours, fast, over one image of each size: every one of them fills the cache anew."""
    counts(timing)
    return float(_peer(timing).sum() / np.sum(timing.seconds["ours, fast, first"]))


def _peer(timing: Timing) -> NDArray[np.float64]:
    return np.array(timing.seconds[str(timing.settings["peer"])])
