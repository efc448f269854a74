"""What a record says of itself, as names and words for a reader."""

import statistics
from typing import Any

from repro.metrics import scores
from repro.records import AnyRecord, Record, Timing


def facts(record: AnyRecord) -> dict[str, str]:
    """What was measured, on what, by what, and where: name -> words, in the order of reading."""
    if isinstance(record, Record):
        found = _of_evaluation(record)
    elif isinstance(record, Timing):
        found = _of_timing(record)
    else:
        data = record.dataset
        found = {"upper bounds of": f"{data.name} {data.split}", "n": f"{data.images} images"}
        found["candidates"] = str(len(record.bounds))
    provenance = dict(record.provenance)
    found["commit"] = str(provenance.pop("commit") or "unknown")
    found["commit"] += {True: ", with changes", False: "", None: ", perhaps with changes"}[provenance.pop("dirty")]
    order = ("device", "seed", "versions", "precision", "threads", "command", "platform", "time")
    rest = sorted(provenance.keys() - set(order))
    found |= {name: words(provenance[name], name) for name in (*order, *rest) if name in provenance}
    return found | {"digest": record.digest}


def _of_evaluation(record: Record) -> dict[str, str]:
    data, training = record.dataset, record.training
    found = {"experiment": record.experiment, "recipe": record.recipe}
    found["dataset"] = " ".join(filter(None, (data.name, data.split, data.frame)))
    found["n"] = f"{data.images} images"
    for head, matrix in record.confusion.items():
        found[f"{head} mean IU"] = f"{100 * scores(matrix).mean_iu:.2f}%"
    found["claims"] = ", ".join(record.claims) or "none"
    found["trained"] = f"{words(training.get('iterations'))} iterations, seed {words(training.get('seed'))}"
    found["weights sha256"] = record.weights.sha256
    found["started from sha256"] = record.weights.parent_sha256 or "nothing"
    found["config sha256"] = record.config_sha256
    return found


def _of_timing(record: Timing) -> dict[str, str]:
    found = {"case": record.case, "subject": record.subject, "settings": words(record.settings)}
    found["outcome"] = record.outcome
    for name, trials in record.seconds.items():
        if trials:
            found[name] = f"median {1000 * statistics.median(trials):.4g} ms, n = {len(trials)} trials"
    found["beside the times"] = words(record.work)
    found["claims"] = ", ".join(record.claims) or "none"
    return found


def words(value: Any, name: str = "") -> str:
    """A value of a record for a reader; of a long list its length."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {words(one)}" for key, one in value.items()) or "none"
    if isinstance(value, list):
        if name == "command":
            return " ".join(map(str, value))
        return ", ".join(map(words, value)) if len(value) <= 12 else f"{len(value)} values"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "unknown" if value is None else str(value)
