"""The verb that gathers everything on one page."""

from pathlib import Path
from typing import Annotated

import typer

from repro.cli.options import WorkDirs

app = typer.Typer()


@app.command()
def report(
    out: Annotated[Path, typer.Option(help="folder for the page and its figures")] = Path("work_dirs/report"),
    work_dirs: WorkDirs = Path("work_dirs"),
    records: Annotated[
        list[Path] | None, typer.Option(help="a folder of records, instead of the published ones; may be repeated")
    ] = None,
) -> None:
    """Write one HTML page that works offline: every table, each number's source, and figures."""
    from repro.report.page import report

    print(report(out, work_dirs, records))
