"""Pictures and charts as SVG or PNG, by the ending of the path: the same bytes every time."""

from repro.report.figures.costs import Tradeoff, cost, tradeoff
from repro.report.figures.pictures import TITLES, VOID_COLOUR, colour, grid, heat
from repro.report.figures.scores import class_iu, confusion_matrix
from repro.report.figures.times import latency
from repro.report.figures.training import patch_sampling, training_curves

__all__ = [
    "TITLES",
    "VOID_COLOUR",
    "Tradeoff",
    "class_iu",
    "colour",
    "confusion_matrix",
    "cost",
    "grid",
    "heat",
    "latency",
    "patch_sampling",
    "tradeoff",
    "training_curves",
]
