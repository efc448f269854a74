"""What is computed from one timing. None where the record does not hold what it takes."""

from collections.abc import Callable
from dataclasses import dataclass
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


def taken_memory(timing: Timing) -> float | None:
    """Bytes that the trials took beyond what was held before them."""
    if not {"peak_memory_bytes", "held_memory_bytes"} <= set(timing.work):
        return None
    return timing.work["peak_memory_bytes"] - timing.work["held_memory_bytes"]


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


@dataclass(frozen=True)
class Size:
    """One size of a timing over real sizes: how many images have it, and its trials by series, in seconds."""

    count: int
    seconds: dict[str, NDArray[np.float64]]

    def median(self, series: str) -> float:
        """Median of its trials of a series."""
        return float(np.median(self.seconds[series]))

    @property
    def first(self) -> float:
        """What the fast net took when it first met the size; it knows those that leave the same remainder."""
        return float(self.seconds["ours, fast, first"][0])


def sizes(timing: Timing) -> list[Size]:
    """The distinct sizes of a timing over real sizes, in the order in which they were met.

    Raises:
        UserError: the record does not say which size each trial is of.
    """
    found = timing.provenance.get("sizes")
    trials = {len(series) for series in timing.seconds.values()}
    if not isinstance(found, list) or {len(found)} != trials or any(len(size) != 3 for size in found):
        raise UserError(f"{timing.id}: provenance.sizes is not one [height, width, count] a trial; measure it again")
    places: dict[tuple[int, ...], list[int]] = {}
    for place, size in enumerate(found):
        places.setdefault(tuple(size), []).append(place)
    series = {name: np.array(seconds) for name, seconds in timing.seconds.items()}
    return [
        Size(count, {name: seconds[where] for name, seconds in series.items()})
        for (_, _, count), where in places.items()
    ]


def over_distribution(timing: Timing) -> float:
    """Peer / ours, fast, over all images, each as often as its size occurs; the cache begins empty."""
    ours = sum(size.first + (size.count - 1) * size.median("ours, fast, again") for size in sizes(timing))
    return _over_all_images(timing, str(timing.settings["peer"])) / ours


def plain_over_distribution(timing: Timing) -> float:
    """Peer / ours, over all images."""
    return _over_all_images(timing, str(timing.settings["peer"])) / _over_all_images(timing, "ours")


def _over_all_images(timing: Timing, series: str) -> float:
    """Seconds of a series, each size as often as it occurs."""
    return sum(size.count * size.median(series) for size in sizes(timing))


def over_each_size_once(timing: Timing) -> float:
    """Peer / ours, fast, over the first image of each size; the cache begins empty."""
    peer, found = str(timing.settings["peer"]), sizes(timing)
    return sum(size.median(peer) for size in found) / sum(size.first for size in found)


def over_sizes(quantile: float) -> Number:
    """A quantile over the sizes of peer / ours, fast, of the first image of each."""

    def of(timing: Timing) -> float:
        peer = str(timing.settings["peer"])
        return float(np.quantile([size.median(peer) / size.first for size in sizes(timing)], quantile))

    return of
