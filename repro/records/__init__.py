"""The result schema: one JSON a measurement, its per-image confusions beside it. Append-only."""

from repro.records.files import read, read_all, write
from repro.records.schema import HEADS, PROVENANCE, SCHEMA, Dataset, ImageFile, Record, Weights

__all__ = [
    "HEADS",
    "PROVENANCE",
    "SCHEMA",
    "Dataset",
    "ImageFile",
    "Record",
    "Weights",
    "read",
    "read_all",
    "write",
]
