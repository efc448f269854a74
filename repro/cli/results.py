"""Verbs about what there is and what was measured: list, tables, publish."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command("list")
def list_experiments() -> None:
    """Show every experiment: what it starts from, what it claims, whether it was measured."""
    from repro import listing

    listing.show()


@app.command()
def tables(
    check: Annotated[bool, typer.Option(help="change nothing; fail if a table is out of date")] = False,
) -> None:
    """Render tables/ from claims and records."""
    from repro.report.render import render_all

    render_all(check=check)


@app.command()
def publish(
    records: Annotated[list[Path], typer.Argument(help="records, or folders of records")],
    machine: Annotated[str, typer.Option(help="name of the machine, for the folder")],
) -> None:
    """Copy records from a clean tree into tables/records/MACHINE."""
    from repro.report.publish import publish

    for path in publish(records, machine):
        print(path)
