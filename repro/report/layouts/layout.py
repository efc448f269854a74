"""The parts of a table: rows, blocks of rows, and the file that they make. No numbers."""

from dataclasses import dataclass
from typing import Literal

from repro.metrics import HEADINGS as SCORE_HEADINGS
from repro.metrics import Absent
from repro.records import Record
from repro.report.layouts.selections import SELECTIONS

HEADINGS = {
    **SCORE_HEADINGS,
    "geom_acc": "geom. acc.",
    "mean_iu_voc2011_test": "mean IU, VOC 2011 test",
    "mean_iu_voc2012_test": "mean IU, VOC 2012 test",
    "inference_time": "inference time",
    "forward_time": "forward time",
    "conv_layers": "conv. layers",
    "parameters": "parameters",
    "rf_size": "receptive field (px)",
    "max_stride": "max stride (px)",
}


def source_of(metric: str) -> tuple[str, str]:
    """The head that a column is measured on, and which of its numbers it is."""
    return ("geometric", "pixel_acc") if metric == "geom_acc" else ("semantic", metric)


@dataclass(frozen=True)
class Row:
    """A net. It takes the records of its `experiment`, and beside a `claim` those only that answer it.

    `metrics` are those of the block's columns that it has, where it does not have all. A row without experiment stands
    in a block of the shape `printed`.
    """

    label: str
    claim: str | None = None
    experiment: str | None = None
    metrics: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What joins it with its numbers: its claim, or else its experiment."""
        return self.claim or self.experiment or ""

    def answered_by(self, record: Record) -> bool:
        """Whether a record is about this row, taken or not."""
        return self.claim in record.claims if self.claim else self.experiment == record.experiment


@dataclass(frozen=True)
class Block:
    """One table of a file.

    Attributes:
        shape: how it prints: `claims` a line for each net and metric, claim beside measurement; `scores` a line for
            each net, measured; `printed` a line for each net, as its source prints it.
        selection, recipe: name the images and the schedule of the records that it takes: a record answers only claims
            of its own recipe. A block of the shape `printed` takes none.
        printed_only: columns of claims that stand as printed and that no record measures.
        absent: which classes a mean runs over, as for `repro.metrics.scores`.
        classes, without: names of the semantic classes that it scores over, or leaves out; empty for all, or none.
        command: measures it, where that is another than the layout's.
        drawn: its title where the same experiments learn drawn images, if its own is not to stand there.
    """

    title: str
    rows: tuple[Row, ...]
    metrics: tuple[str, ...]
    selection: str = ""
    recipe: str = ""
    shape: Literal["claims", "scores", "printed"] = "claims"
    printed_only: tuple[str, ...] = ()
    absent: Absent = "present"
    classes: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    footnotes: tuple[str, ...] = ()
    command: str = ""
    drawn: str = ""

    def columns(self, row: Row) -> tuple[str, ...]:
        """The metrics of a row, in the block's order."""
        return tuple(metric for metric in self.metrics if metric in (row.metrics or self.metrics))

    def class_ids(self, record: Record) -> list[int] | None:
        """Ids of the record's semantic classes that the block scores over; None for all."""
        if not self.classes and not self.without:
            return None
        names = record.dataset.classes["semantic"]
        return [n for n, name in enumerate(names) if name in (self.classes or names) and name not in self.without]

    def refuses(self, record: Record, row: Row) -> str | None:
        """Why a record does not fill a row, in a few words; None when it does."""
        if record.experiment != row.experiment:
            return f"experiment {record.experiment}"
        if record.recipe != self.recipe:
            return f"recipe {record.recipe}"
        for head, _ in map(source_of, self.columns(row)):
            if head not in record.confusion:
                return f"no {head} labels scored"
        return SELECTIONS[self.selection].refuses(record) or self._misses_classes(record)

    def _misses_classes(self, record: Record) -> str | None:
        ids = self.class_ids(record)
        if ids is None:
            return None
        for name in (*self.classes, *self.without):
            if name not in record.dataset.classes["semantic"]:
                return f"no class {name}"
        return None if record.confusion["semantic"][ids].any() else "no pixel of these classes"


@dataclass(frozen=True)
class Rank:
    """A statement about an order, such as "8s is best on VOC 2011".

    Attributes:
        statement: in words, as the paper means it.
        locator: where the paper makes it.
        block: title of the block whose rows it is about.
        rows: their labels, from the best to the worst.
        metric: that it is about.
        as_good: whether it says of two rows that the first is as good as the second, and not better.
    """

    statement: str
    locator: str
    block: str
    rows: tuple[str, ...]
    metric: str = "mean_iu"
    as_good: bool = False


@dataclass(frozen=True)
class Layout:
    """One file in `tables/` and the command that fills it."""

    name: str
    title: str
    summary: str
    command: str
    blocks: tuple[Block, ...]
    ranks: tuple[Rank, ...] = ()
