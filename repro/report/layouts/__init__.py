"""What each table shows: the order of its rows, its columns, the records it takes, its footnotes. No numbers."""

from repro.report.layouts.camvid import CAMVID
from repro.report.layouts.layout import HEADINGS, Block, Layout, Row
from repro.report.layouts.nyudv2 import NYUDV2
from repro.report.layouts.pascal_context import PASCAL_CONTEXT
from repro.report.layouts.sample import SAMPLE, on_sample
from repro.report.layouts.selections import SELECTIONS, Selection
from repro.report.layouts.siftflow import SIFTFLOW
from repro.report.layouts.voc2011 import VOC2011

LAYOUTS = {layout.name: layout for layout in (VOC2011, NYUDV2, SIFTFLOW, PASCAL_CONTEXT, CAMVID, SAMPLE)}

__all__ = ["HEADINGS", "LAYOUTS", "SELECTIONS", "Block", "Layout", "Row", "Selection", "on_sample"]
