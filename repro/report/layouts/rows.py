"""Rows that several tables share."""

from repro.report.layouts.layout import Row


def by_stride(group: str) -> tuple[Row, ...]:
    """FCN-32s, 16s and 8s on VGG16, of a group's experiments, from the coarsest to the finest."""
    return tuple(Row(f"FCN-{stride}", experiment=f"{group}/fcn{stride}_vgg16") for stride in ("32s", "16s", "8s"))
