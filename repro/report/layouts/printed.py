"""Tables of the paper whose recipe no experiment repeats: they stand as printed, above what was measured instead."""

from repro.report.layouts.layout import Block, Row

WHY = (
    "The paper's text names one recipe for all its nets (section 4.3). The experiments here repeat the released nets' "
    "recipe, another one: they answer none of these claims, so what they measure stands in a table of its own and has "
    "no verdict."
)
RELEASED = "Trained by the released (heavy) recipe: a difference from what the paper prints may be owed to that alone."


def printed(title: str, table: str, labels: tuple[str, ...], metrics: tuple[str, ...], *footnotes: str) -> Block:
    """A block of the claims `table/label`, with the columns `metrics` where the source prints them."""
    rows = tuple(Row(label, claim=f"{table}/{label}") for label in labels)
    return Block(title=title, rows=rows, metrics=metrics, shape="printed", footnotes=footnotes)
