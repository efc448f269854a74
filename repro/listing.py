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
from repro.metrics import HEADINGS, METRICS, bootstrap, paired_bootstrap
from repro.records import Record


def show() -> None:
    """Print every experiment with its parents, the claims it answers and the number of its records."""
    folders = (Path("work_dirs/records"), experiments.CONFIGS.parents[1] / "tables" / "records")
    measured = {path.name: _experiment(path) for folder in folders for path in folder.rglob("[!.]*.json")}
    counts = Counter(measured.values())
    table = Table("experiment", "starts from", "claims", "records", box=None, pad_edge=False)
    for name, experiment in experiments.find().items():
        claims = ", ".join(experiment.claims)
        table.add_row(name, " + ".join(experiment.starts_from), claims, str(counts[name]) if counts[name] else "—")
    Console(width=None if Console().is_terminal else 200).print(table)


def print_scores(record: Record) -> None:
    """Print the four numbers of each of a record's heads and the IU of each class, with 95% intervals over images."""
    console = Console(width=None if Console().is_terminal else 120)
    for head in record.confusion:
        estimate = bootstrap(record.images(head))
        parts = (estimate.value, estimate.low, estimate.high)
        title = record.experiment if list(record.confusion) == ["semantic"] else f"{record.experiment}, {head}"
        table = Table(title, "%", "95% interval", box=None, pad_edge=False)
        for metric in METRICS:
            table.add_row(HEADINGS[metric], *_cells(*(getattr(part, metric) for part in parts)))
        for index, name in enumerate(record.dataset.classes[head]):
            if estimate.value.iu[index] == estimate.value.iu[index]:  # not nan: the class occurs
                table.add_row(f"  {name}", *_cells(*(part.iu[index] for part in parts)))
        console.print(table)


def print_gains(scored: Mapping[Experiment, Record]) -> None:
    """Print what each net gains over each net it started from, with a paired 95% interval over images."""
    by_name = {experiment.name: record for experiment, record in scored.items()}
    for experiment, record in scored.items():
        for before in [by_name[parent] for parent in experiment.starts_from if parent in by_name]:
            for head in [head for head in record.confusion if record.shares_labels(before, head)]:
                gain = paired_bootstrap(record.images(head), before.images(head))
                value, interval = _cells(*(part.mean_iu for part in (gain.value, gain.low, gain.high)))
                what = "mean IU" if head == "semantic" else f"{head} mean IU"
                print(f"{record.experiment} - {before.experiment}: {what} {value} ({interval})")


def _cells(value: float, low: float, high: float) -> tuple[str, str]:
    return f"{100 * value:.1f}", f"{100 * low:.1f} to {100 * high:.1f}"


def _experiment(path: Path) -> str | None:
    """The experiment that a record evaluates; None for a record of another kind."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return str(data["experiment"]) if data["kind"] == "evaluation" else None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is no record: restore it, or move it away") from error
