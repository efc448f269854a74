"""The two label sets that a net may score (section 5), and what each is called in configs and in datasets."""

from collections.abc import Mapping, Sequence
from typing import Any

HEADS = {"semantic": "decode_head", "geometric": "geometric_head"}  # the part of a model that scores a label set


def label_set(metainfo: Mapping[str, Any], name: str) -> tuple[list[str], Sequence[Sequence[int]]]:
    """Classes and palette (RGB, 0..255) of a label set, as a dataset's metainfo has them."""
    prefix = "" if name == "semantic" else f"{name}_"
    return list(metainfo[f"{prefix}classes"]), metainfo[f"{prefix}palette"]
