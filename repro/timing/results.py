"""From pytest-benchmark's JSON to records, and the table that `repro time` prints."""

import json
import secrets
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from repro.records import Timing


def read_benchmarks(path: Path, command: Sequence[str]) -> list[Timing]:
    """The timings in a JSON of pytest-benchmark, not yet written.

    Every row gets the peaks that its device reached in the same run: `work` has `peak_flop_per_second`, in the row's
    own precision, and `peak_bytes_per_second`. Its provenance names the `run`.

    Args:
        command: what the user typed, for the provenance.
    """
    found = json.loads(path.read_text(encoding="utf-8"))["benchmarks"]
    rows = [
        (benchmark["extra_info"]["timing"], benchmark["stats"]["data"])
        for benchmark in found
        if "timing" in benchmark["extra_info"]
    ]
    run = {"command": list(command), "run": secrets.token_hex(4)}
    timings = [_timing(row, trials, run) for row, trials in rows]
    peaks = _peaks(timings)
    for timing in timings:
        if timing.case != "floor":
            timing.work.update(peaks.get(("flop", timing.settings["device"], timing.settings.get("precision")), {}))
            timing.work.update(peaks.get(("bytes", timing.settings["device"]), {}))
    return timings


def _timing(row: dict[str, Any], trials: list[float], run: dict[str, Any]) -> Timing:
    measured = row["outcome"] == "measured"
    seconds = row["in_turn"] or dict.fromkeys(row["series"], trials)
    return Timing(
        case=row["case"],
        subject=row["subject"],
        settings=row["settings"],
        seconds=seconds if measured else {},
        work=row["work"],
        provenance=row["provenance"] | run,
        outcome=row["outcome"],
        claims=row["claims"],
    )


def _peaks(timings: Sequence[Timing]) -> dict[tuple, dict[str, float]]:
    """The fastest trial of each case of the floor, by what it shows."""
    peaks = {}
    for timing in timings:
        if timing.case == "floor" and timing.seconds:
            fastest = min(min(trials) for trials in timing.seconds.values())
            if "flop" in timing.work:
                key: tuple = "flop", timing.settings["device"], timing.settings["precision"]
                peaks[key] = {"peak_flop_per_second": timing.work["flop"] / fastest}
            else:
                key = "bytes", timing.settings["device"]
                peaks[key] = {"peak_bytes_per_second": timing.work["bytes"] / fastest}
    return peaks


def print_timings(timings: Sequence[Timing]) -> None:
    """Print one line a series: median and mean of its trials in milliseconds, and the floor's share of the median."""
    table = Table(box=box.SIMPLE)
    for heading in ("case", "what", "settings"):
        table.add_column(heading, overflow="fold")
    for heading in ("median, ms", "mean, ms", "floor"):
        table.add_column(heading, justify="right")
    for timing in timings:
        settings = _words(timing.settings)
        if not timing.seconds:
            table.add_row(timing.case, timing.subject, settings, timing.outcome)
        for series, trials in timing.seconds.items():
            what = timing.subject if len(timing.seconds) == 1 else f"{timing.subject}: {series}"
            median, mean = statistics.median(trials), statistics.fmean(trials)
            share = "" if timing.floor is None else f"{timing.floor / median:.0%}"
            table.add_row(timing.case, what, settings, f"{1000 * median:.1f}", f"{1000 * mean:.1f}", share)
    Console().print(table)


def _words(settings: Mapping[str, str | int]) -> str:
    """Settings in a line: `fp32 eager, 8 of 500x500`."""
    known = dict(settings)
    height, width, batch = (known.pop(name, None) for name in ("height", "width", "batch"))
    known.pop("device")
    size = [f"{batch} of " * bool(batch) + f"{height}x{width}"] if height else []
    return ", ".join(filter(None, [" ".join(map(str, known.values())), *size]))
