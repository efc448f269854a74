"""The result schema: one JSON a measurement, an evaluation's per-image confusions beside it. Append-only."""

from repro.records.bounds import Bound, Bounds
from repro.records.files import AnyRecord, read, read_all, read_all_kinds, read_any, write, write_plain
from repro.records.schema import HEADS, PROVENANCE, SCHEMA, Dataset, ImageFile, Record, Weights
from repro.records.timing import Timing

__all__ = [
    "HEADS",
    "PROVENANCE",
    "SCHEMA",
    "AnyRecord",
    "Bound",
    "Bounds",
    "Dataset",
    "ImageFile",
    "Record",
    "Timing",
    "Weights",
    "read",
    "read_all",
    "read_all_kinds",
    "read_any",
    "write",
    "write_plain",
]
