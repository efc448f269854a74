"""Rows that several tables share."""

from repro.report.layouts.layout import Row


def by_stride(group: str) -> tuple[Row, ...]:
    """FCN-32s, 16s and 8s on VGG16, of a group's experiments, from the coarsest to the finest."""
    return tuple(Row(f"FCN-{stride}", experiment=f"{group}/fcn{stride}_vgg16") for stride in ("32s", "16s", "8s"))


def by_share(whole: str, patches: str) -> tuple[Row, ...]:
    """FCN-32s trained on whole images and on half and a quarter of their cells, as in Figure 5.

    Args:
        whole: the experiment on whole images.
        patches: the others' name up to their share in percent.
    """
    parts = (Row(f"FCN-32s, {share}% of the cells", experiment=f"{patches}_{share}") for share in (50, 25))
    return (Row("FCN-32s, whole images", experiment=whole), *parts)
