"""Claims and records become tables and figures. Nothing here imports torch or mmseg."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from repro.report.render import table

__all__ = ["table"]


def __getattr__(name: str) -> Any:
    if name == "table":  # on first use: pandas is slow to import
        from repro.report.render import table

        return table
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
