"""The embedded sample's own table, and any other table filled with nets that were trained on drawn images."""

from collections.abc import Sequence
from dataclasses import replace

from repro.errors import UserError
from repro.metrics import METRICS
from repro.report.layouts.layout import Block, Layout, Rank, Row
from repro.report.layouts.rows import by_share, by_stride
from repro.report.layouts.selections import SELECTIONS

NO_CLAIM = "Drawn images: these numbers compare with no claim of any paper."

STRIDES = "Finer strides on drawn scenes"

SAMPLE = Layout(
    name="sample",
    title="The embedded sample",
    summary="The story of 32s, 16s and 8s on drawn images, with nets of an eighth of the width",
    command="tox -e reproduce-sample",
    blocks=(
        Block(
            title=STRIDES,
            rows=by_stride("sample"),
            metrics=METRICS,
            selection="sample",
            recipe="sample",
            shape="scores",
            footnotes=(NO_CLAIM,),
        ),
        Block(
            title="Controls: the same further training of FCN-32s without the skip",
            rows=(
                Row("FCN-16s, pool4's score kept at zero", experiment="ablations/fcn16s_sample_zero_skip"),
                Row("FCN-32s trained on at that rate", experiment="ablations/fcn32s_sample_lower_rate"),
            ),
            metrics=METRICS,
            selection="sample",
            recipe="sample",
            shape="scores",
            footnotes=(
                "Both start where FCN-16s starts. What they gain on FCN-32s is not owed to the skip (section 4.2).",
            ),
            command="repro reproduce ablations",
        ),
        Block(
            title="Training on patches, as in Figure 5",
            rows=by_share("ablations/fcn32s_sample_patches_100", "ablations/fcn32s_sample_patches"),
            metrics=METRICS,
            selection="sample",
            recipe="sample",
            shape="scores",
            footnotes=(
                "Each cell of the coarsest map is kept with this probability, and an update takes as many more images: "
                "all three see the same number of images, at one constant rate.",
            ),
            command="repro reproduce ablations",
        ),
    ),
    ranks=(Rank("the finer the stride the better", "README", STRIDES, ("FCN-8s", "FCN-16s", "FCN-32s")),),
)


def on_sample(layout: Layout) -> Layout:
    """A table with the rows that this suite measures, filled by the same experiments on drawn images.

    Columns and blocks that only stand as printed are left out, blocks of experiments of another group, and those
    that show nothing beyond another block.

    Raises:
        UserError: nothing is drawn in the form of this table's dataset, or the table is of drawn images already.
    """
    if f"sample_{layout.name}" not in SELECTIONS:
        raise UserError(f"the table {layout.name} has no other one on drawn images")
    own = [
        block
        for block in layout.blocks
        if all((row.experiment or "").startswith(f"{layout.name}/") for row in block.rows)
    ]
    blocks = tuple(_drawn(block, layout.name) for block in own if not _repeats(block, own))
    return replace(
        layout,
        name=f"sample_{layout.name}",
        title=f"{layout.title}: the same experiments on drawn images",
        summary=f"{layout.summary}. Here the images are drawn, and the nets have an eighth of the width",
        command=f"repro reproduce {layout.name} --sample",
        blocks=blocks,
        ranks=(),  # the paper speaks of no drawn image
    )


def _repeats(block: Block, others: Sequence[Block]) -> bool:
    """Whether one other block shows all numbers of a block, and more."""
    numbers = _numbers(block)
    return any(numbers < _numbers(other) for other in others)


def _numbers(block: Block) -> set[tuple[object, ...]]:
    rule = (block.absent, block.classes, block.without)
    return {(row.experiment, metric, *rule) for row in block.rows for metric in block.columns(row)}


def _drawn(block: Block, group: str) -> Block:
    rows = tuple(replace(row, claim=None, experiment=f"sample/{row.experiment}") for row in block.rows)
    return replace(
        block,
        title=block.drawn or f"{block.title} (drawn)",
        rows=rows,
        selection=f"sample_{group}",
        recipe="sample",
        shape="scores",
        printed_only=(),
        footnotes=(NO_CLAIM,),
        command="",
    )
