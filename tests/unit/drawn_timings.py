"""Drawn timings that the tests of charts and of the page share."""

import numpy as np
from written_records import provenance

from repro import records
from repro.records import Timing


def timing(case="forward", subject="voc2011/fcn8s_vgg16", seconds=None, device="A processor", work=None, **settings):
    """A timing, 500x500 by one, unless told otherwise; without trials it ran out of memory."""
    rng = np.random.default_rng(len(subject))
    seconds = {"forward": (0.1 + rng.gamma(1, 0.01, 20)).tolist()} if seconds is None else seconds
    usual: dict[str, str | int] = {"precision": "fp32", "mode": "eager", "batch": 1, "height": 500, "width": 500}
    return Timing(
        case=case,
        subject=subject,
        settings=usual | settings,
        seconds=seconds,
        work=work or {},
        provenance=provenance() | {"device": device},
        outcome="measured" if seconds else "out of memory",
    )


def written(timing, folder):
    """The timing as it is read after it was written."""
    return records.read_any(records.write_plain(timing, folder))
