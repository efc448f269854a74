"""The command `repro`: one verb, one function call."""

import sys
from typing import Annotated

import typer

from repro import __version__
from repro.cli import inputs, report, results, runs, timing
from repro.errors import UserError

INTERRUPTED = 130  # typer's exit code for a KeyboardInterrupt
app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
for verbs in (results.app, report.app, inputs.app, runs.app, timing.app):
    app.add_typer(verbs)


def main() -> None:
    """Run the command; a user's mistake is one line and exit code 2."""
    try:
        app()
    except UserError as error:
        print(f"repro: {error}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            print(
                "repro: interrupted; a training goes on from its checkpoint, a timing keeps what it has timed",
                file=sys.stderr,
            )
        raise


def _version(show: bool) -> None:
    if show:
        print(f"repro {__version__}")
        raise typer.Exit


@app.callback()
def _root(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True)] = False) -> None:
    """Reproduce "Fully Convolutional Networks for Semantic Segmentation" (CVPR 2015)."""
