"""Reads what mmengine wrote down while an experiment trained: its scalars and its settings."""

import ast
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.errors import UserError


@dataclass(frozen=True, eq=False)
class Run:
    """The training of one experiment, from all the times that it was started.

    Attributes:
        name: of the experiment, such as `voc2011/fcn16s_vgg16`.
        scalars: by name, such as `loss`, `lr` or `mean_iu`, the iterations and the values there, (K,) int64 and (K,)
            float64. A loss is the mean over as many iterations as mmengine logs at a time.
        settings: the plain values among its settings, by their dotted names.
        processes: how many trained together.
    """

    name: str
    scalars: dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]
    settings: dict[str, Any]
    processes: int = 1

    @property
    def group(self) -> str:
        """The folder of the experiment."""
        return self.name.rpartition("/")[0]

    @property
    def recipe(self) -> str:
        """Of the experiment's card; empty where it has none."""
        return str(self.settings.get("experiment.recipe", ""))

    @property
    def images(self) -> int:
        """How many images an iteration looks at."""
        return int(self.settings.get("train_dataloader.batch_size", 1)) * self.processes

    @property
    def accumulated(self) -> int:
        """How many iterations make an update of the weights."""
        return int(self.settings.get("optim_wrapper.accumulative_counts", 1))

    @property
    def sampled(self) -> float:
        """The probability with which a cell of the coarsest map counts in the loss (Fig. 5); 1 for whole images."""
        return float(self.settings.get("model.decode_head.loss.sampled", 1))


def find_runs(work_dirs: Path | str) -> list[Run]:
    """Every training below `work_dirs` that logged a loss, by name; none where the folder does not exist.

    Raises:
        UserError: scalars or settings that mmengine did not write so.
    """
    work_dirs = Path(work_dirs)
    folders = sorted({path.parents[2] for path in work_dirs.rglob("*/vis_data/scalars.json")})
    runs = [read_run(folder, folder.relative_to(work_dirs).as_posix()) for folder in folders]
    return [run for run in runs if "loss" in run.scalars]


def read_run(folder: Path | str, name: str) -> Run:
    """Read the training in `<folder>/<start>/vis_data`; errors as for `find_runs`.

    A training that was stopped and went on has a folder for each start. Where they overlap the later one counts: from
    the first iteration that it logged, what an earlier one wrote is forgotten.
    """
    files = sorted(Path(folder).glob("*/vis_data/scalars.json"))  # the starts' names are times
    if not files:
        raise UserError(f"no training in {folder}: no vis_data/scalars.json below it")
    lines: list[dict[str, Any]] = []
    for file in files:
        later = _read_lines(file)
        if later:
            lines = [line for line in lines if line["step"] < later[0]["step"]] + later
    points: dict[str, list[tuple[int, float]]] = {}
    for line in lines:
        for key in line.keys() - {"step", "iter", "epoch"}:
            points.setdefault(key, []).append((line["step"], line[key]))
    scalars = {
        key: (np.array([step for step, _ in found], np.int64), np.array([value for _, value in found], np.float64))
        for key, found in sorted(points.items())
    }
    return Run(name, scalars, _settings(files[-1].with_name("config.py")), _processes(files[-1].parents[1]))


def _read_lines(file: Path) -> list[dict[str, Any]]:
    """The lines of a file of scalars: JSON objects with a `step`. Its last one may have been cut off."""
    try:
        texts = file.read_text(encoding="utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {file}: {error}") from error
    lines = []
    for number, text in enumerate(texts, start=1):
        try:
            line = json.loads(text)
            numbers = all(isinstance(value, int | float) for value in line.values())
            if not numbers or not isinstance(line["step"], int):
                raise ValueError("not an object of numbers")
        except (ValueError, KeyError, AttributeError, RecursionError) as error:
            if number == len(texts) and not text.endswith("\n"):
                break  # the process was stopped while it wrote
            raise UserError(f"{file}, line {number}: not a line of mmengine's scalars; move the file away") from error
        lines.append(line)
    return lines


def _settings(config: Path) -> dict[str, Any]:
    """The plain settings of a config that mmengine wrote out, by their dotted names; none where there is no file."""
    if not config.is_file():
        return {}
    try:
        module = ast.parse(config.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{config} is not a config that mmengine wrote: {error}") from error
    found: dict[str, Any] = {}

    def visit(name: str, node: ast.expr) -> None:
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                visit(f"{name}.{keyword.arg}", keyword.value)
        elif isinstance(node, ast.Constant):
            found[name] = node.value

    for statement in module.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            visit(statement.targets[0].id, statement.value)
    return found


def _processes(start: Path) -> int:
    """How many processes trained together, by the log's own word; one where there is no log."""
    for log in sorted(start.glob("*.log")):
        with log.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if match := re.match(r"\s*GPU number: (\d+)$", line):
                    return int(match[1])
    return 1
