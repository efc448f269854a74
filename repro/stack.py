"""The parts of mmseg that are noisy to import, imported quietly.

At import mmseg prints on stdout about an optional service and warns about compiled operators that FCN does not use;
either would spoil piped output. Import these names from here.
"""

import contextlib
import io
import warnings

with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
    warnings.simplefilter("ignore")
    from mmseg.datasets import BaseSegDataset
    from mmseg.datasets.transforms import PackSegInputs
    from mmseg.models.segmentors.base import BaseSegmentor

__all__ = ["BaseSegDataset", "BaseSegmentor", "PackSegInputs"]
