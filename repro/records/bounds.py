"""What down- and upsampling the truth leaves of it (Appendix A): every procedure that was tried, at every factor."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from repro.records.checks import Check
from repro.records.parsing import begin, check_digest, parse_dataset, parse_provenance
from repro.records.schema import SCHEMA, Dataset, digest_of


@dataclass(frozen=True)
class Bound:
    """One procedure at one factor, over all images.

    Attributes:
        procedure: what it does, by the name of the choice: `down`, `up`, `void` and so on.
        factor: how many pixels a side become one.
        hit, truth, predicted: pixels of each class that stayed what they were, that were of it, and that became it;
            void pixels of the truth count in none, unless the procedure makes them background there too.
    """

    procedure: dict[str, str]
    factor: int
    hit: list[int]
    truth: list[int]
    predicted: list[int]


@dataclass(frozen=True, eq=False)
class Bounds:
    """The upper bounds of a split's labels. `write_plain` fills in `id` and `digest`; leave them out."""

    dataset: Dataset
    bounds: list[Bound]
    provenance: dict[str, Any]
    kind: str = "upper_bounds"
    schema: int = SCHEMA
    id: str = ""
    digest: str = ""
    folder: Path | None = None

    def to_json(self) -> dict[str, Any]:
        """The bounds as plain values."""
        data: dict[str, Any] = {name: getattr(self, name) for name in ("schema", "kind", "id", "digest", "provenance")}
        data["dataset"] = self.dataset.to_json()
        data["bounds"] = [dict(vars(bound)) for bound in self.bounds]
        return data

    def name(self, digest: str) -> str:
        """Its id: kind, dataset, split, and the beginning of its digest."""
        return f"upper_bounds.{self.dataset.name}.{self.dataset.split}.{digest[:8]}"


def parse(data: Any, where: str) -> Bounds:
    """Build upper bounds from parsed JSON; arguments and errors as for `repro.records.parsing.parse`."""
    check = begin(data, Bounds, where)
    dataset = parse_dataset(data["dataset"], check)
    classes = len(check.kind(check.keys(dataset.classes, ["semantic"], "dataset.classes")["semantic"], list, "classes"))
    found = [_bound(bound, classes, check) for bound in check.kind(data["bounds"], list, "bounds")]
    provenance = parse_provenance(data["provenance"], check)
    rest = {name: data[name] for name in ("kind", "schema", "id", "digest")}
    bounds = Bounds(dataset, found, provenance, **rest)
    check_digest(data, bounds.name(digest_of(data)), check)
    return bounds


def _bound(data: Any, classes: int, check: Check) -> Bound:
    bound = Bound(**check.keys(data, [f.name for f in fields(Bound)], "bounds"))
    for name, choice in check.kind(bound.procedure, dict, "bounds.procedure").items():
        check.kind(choice, str, f"bounds.procedure.{name}")
    if check.kind(bound.factor, int, "bounds.factor") < 1:
        raise check.refuse(f"bounds.factor is {bound.factor}")
    for name in ("hit", "truth", "predicted"):
        counts = check.kind(getattr(bound, name), list, f"bounds.{name}")
        if len(counts) != classes or not all(type(count) is int and count >= 0 for count in counts):
            raise check.refuse(f"bounds.{name} is not a count for each of {classes} classes")
    return bound
