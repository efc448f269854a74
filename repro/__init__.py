"""Reproduce, time and question "Fully Convolutional Networks for Semantic Segmentation" (Long et al., CVPR 2015)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from repro.models.window import fast
    from repro.predict import load

__version__ = "0.1.0"
__all__ = ["fast", "load"]


def __getattr__(name: str) -> Any:
    if name == "load":  # on first use: torch and mmseg take seconds to import
        from repro.predict import load

        return load
    if name == "fast":
        from repro.models.window import fast

        return fast
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
