"""What the command prints: the list of experiments, and the scores of one."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from repro import experiments
from repro.errors import UserError
from repro.experiments import Experiment
from repro.metrics import METRICS, bootstrap, paired_bootstrap
from repro.records import Record

HEADINGS = {"pixel_acc": "pixel acc.", "mean_acc": "mean acc.", "mean_iu": "mean IU", "fw_iu": "f.w. IU"}


def show() -> None:
    """Print every experiment with its parent, the claims it answers and the number of its records."""
    folders = (Path("work_dirs/records"), experiments.CONFIGS.parents[1] / "tables" / "records")
    measured = {path.name: _experiment(path) for folder in folders for path in folder.rglob("[!.]*.json")}
    counts = Counter(measured.values())
    table = Table("experiment", "starts from", "claims", "records", box=None, pad_edge=False)
    for name, experiment in experiments.find().items():
        claims = ", ".join(experiment.claims)
        table.add_row(name, experiment.starts_from or "", claims, str(counts[name]) if counts[name] else "—")
    Console(width=None if Console().is_terminal else 200).print(table)


def print_scores(record: Record) -> None:
    """Print a record's four numbers and the IU of each class, with 95% intervals over images."""
    estimate = bootstrap(record.images())
    console = Console(width=None if Console().is_terminal else 120)
    table = Table(f"{record.experiment}", "%", "95% interval", box=None, pad_edge=False)
    for metric in METRICS:
        bounds = (getattr(part, metric) for part in (estimate.value, estimate.low, estimate.high))
        table.add_row(HEADINGS[metric], *_cells(*bounds))
    for index, name in enumerate(record.dataset.classes["semantic"]):
        if estimate.value.iu[index] == estimate.value.iu[index]:  # not nan: the class occurs
            table.add_row(
                f"  {name}", *_cells(*(part.iu[index] for part in (estimate.value, estimate.low, estimate.high)))
            )
    console.print(table)


def print_gains(scored: Mapping[Experiment, Record]) -> None:
    """Print what each net gains over the net it started from, with a paired 95% interval over images."""
    by_name = {experiment.name: record for experiment, record in scored.items()}
    for experiment, record in scored.items():
        before = by_name.get(experiment.starts_from or "")
        if before and before.dataset.content_sha256 == record.dataset.content_sha256:
            gain = paired_bootstrap(record.images(), before.images())
            value, interval = _cells(*(part.mean_iu for part in (gain.value, gain.low, gain.high)))
            print(f"{record.experiment} - {before.experiment}: mean IU {value} ({interval})")


def _cells(value: float, low: float, high: float) -> tuple[str, str]:
    return f"{100 * value:.1f}", f"{100 * low:.1f} to {100 * high:.1f}"


def _experiment(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["experiment"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no record: restore it, or move it away") from error
