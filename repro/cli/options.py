"""Options that several verbs share, and how settings are read from the command line."""

import ast
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from repro.errors import UserError

Name = Annotated[str, typer.Argument(help="an experiment, such as sample/fcn16s_vgg16, or a config file")]
WorkDirs = Annotated[Path, typer.Option(help="folder of all runs and records")]
Data = Annotated[Path | None, typer.Option(help="folder of the dataset, instead of the experiment's own")]
Options = Annotated[
    list[str] | None, typer.Option("--cfg-options", help="change a setting: key=value; may be repeated")
]
Archives = Annotated[list[Path] | None, typer.Option("--archive", help="a file that you have; may be repeated")]
Unverified = Annotated[bool, typer.Option(help="take files of any checksum; results are marked")]
Seed = Annotated[int | None, typer.Option(help="seed, instead of the experiment's own")]
Launcher = Annotated[Literal["none", "pytorch", "slurm", "mpi"], typer.Option(help="what started the processes")]


def parse(pairs: list[str] | None) -> dict[str, Any]:
    """The settings `key=value` as a dictionary; values are Python literals, else strings.

    Raises:
        UserError: a setting without `=`.
    """
    options = {}
    for pair in pairs or []:
        key, separator, value = pair.partition("=")
        if not separator:
            raise UserError(f"--cfg-options takes key=value, not {pair!r}")
        try:
            options[key] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            options[key] = value
    return options
