"""Datasets, splits and transforms. Importing this package registers them with mmseg."""

from repro import stack  # noqa: F401  first: it brings mmseg in quietly
from repro.data import crops, transforms, voc2011  # noqa: F401
