"""The verb that measures time."""

from pathlib import Path
from typing import Annotated

import typer

from repro.cli.options import WorkDirs

app = typer.Typer()


@app.command()
def time(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="nets, such as fcn8s_vgg16, or cases, such as section3_1; all by default"),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; the GPU by default, where there is one")] = None,
    precision: Annotated[list[str] | None, typer.Option(help="fp32, tf32 or bf16; may be repeated")] = None,
    mode: Annotated[
        list[str] | None,
        typer.Option(help="eager, fast, channels_last, compile, cuda_graph, or several joined by +; may be repeated"),
    ] = None,
    rounds: Annotated[int, typer.Option(help="trials of a case")] = 20,
    full: Annotated[
        bool, typer.Option("--full", help="also what takes long: every net in every mode, batches, large images")
    ] = False,
    work_dirs: WorkDirs = Path("work_dirs"),
) -> None:
    """Time nets by the paper's protocol and today's, and write records."""
    from repro.timing.run import time_nets

    complete = time_nets(
        names or (),
        device=device,
        precisions=precision or (),
        modes=mode or (),
        rounds=rounds,
        full=full,
        work_dirs=work_dirs,
    )
    if not complete:
        raise typer.Exit(1)
