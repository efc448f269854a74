"""Imports mmseg without its noise.

At import it prints on stdout about an optional service and warns about compiled operators that FCN does not use;
either would spoil piped output. Every package that needs mmseg imports this module first.
"""

import contextlib
import io
import warnings

with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
    warnings.simplefilter("ignore")
    import mmseg.datasets
    import mmseg.models  # noqa: F401
