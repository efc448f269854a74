"""Finds the experiments: one config file is one experiment, and one row of a table.

Cards are read from the files' text, not imported, so listing them is quick and needs neither torch nor mmseg.
"""

import ast
import difflib
import os
import re
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from repro.errors import UserError

CONFIGS = Path(__file__).parent / "configs"
# on the sample, the `sample/classifier_...` that stands for a classifier trained on ILSVRC
STAND_INS = {
    "ilsvrc/vgg16": "vgg16",
    "ilsvrc/caffenet": "alexnet",
    "ilsvrc/googlenet": "googlenet",
    "ilsvrc/vgg16_torchvision": "vgg16",
    "ilsvrc/vgg16_features_torchvision": "vgg16",
    "ilsvrc/alexnet_torchvision": "alexnet_torchvision",
    "ilsvrc/googlenet_torchvision": "googlenet_torchvision",
}


@dataclass(frozen=True)
class Experiment:
    """The card of an experiment.

    Attributes:
        name: folder and file, as `voc2011/fcn16s_vgg16`.
        path: of the config file.
        summary: first sentence of its docstring.
        recipe: whose training it repeats: "release", "cvpr2015" or "sample".
        starts_from: experiments or weights it begins with: none for one that begins at random, two for a fusion.
        claims: keys `source/table/row` of the printed numbers that it can answer.
        on_sample: whether it runs on drawn data with a narrow net, by the settings of `repro.sample`.
    """

    name: str
    path: Path
    summary: str
    recipe: str
    starts_from: tuple[str, ...] = ()
    claims: tuple[str, ...] = field(default=())
    on_sample: bool = False

    @property
    def group(self) -> str:
        """The folder: a dataset, or `sample`; or what is asked beyond the tables, `ablations` on the sample."""
        return self.name.rpartition("/")[0]

    @property
    def trains_classifier(self) -> bool:
        """Whether it is a stage 0, which other experiments start from and no table shows."""
        return self.path.stem.startswith("classifier_")


@cache
def find() -> dict[str, Experiment]:
    """Every experiment of the suite by name, in alphabetical order."""
    files = sorted(path for path in CONFIGS.glob("*/*.py") if path.parent.name != "_base_" and path.stem != "__init__")
    return {experiment.name: experiment for experiment in map(read_card, files)}


def read_card(path: Path) -> Experiment:
    """The card of a config file.

    Raises:
        UserError: it has no docstring, or no `experiment = dict(...)` of plain values.
    """
    try:
        module = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"{path} is no Python file: {error}") from error
    summary = (ast.get_docstring(module) or "").split("\n\n")[0].replace("\n", " ")
    cards = [
        node.value
        for node in module.body
        if isinstance(node, ast.Assign) and [getattr(target, "id", "") for target in node.targets] == ["experiment"]
    ]
    if not summary or not cards or not isinstance(cards[-1], ast.Call):
        raise UserError(f"{path} is no experiment: it needs a docstring and `experiment = dict(recipe=..., ...)`")
    own = path.parent.parent == CONFIGS
    # a user's own file never takes the name of one of the suite's
    name = f"{path.parent.name if own else 'local'}/{plain_name(path.stem)}"
    try:
        card = {keyword.arg: ast.literal_eval(keyword.value) for keyword in cards[-1].keywords if keyword.arg}
        card["claims"] = tuple(card.get("claims", ())) if own else ()
        parents = card.get("starts_from", ())
        card["starts_from"] = (parents,) if isinstance(parents, str) else tuple(parents)
        return Experiment(name=name, path=path, summary=summary, **card)
    except (TypeError, ValueError) as error:
        raise UserError(
            f"the card of {path} holds something else than recipe, starts_from and claims, as plain values"
        ) from error


def get(name: str) -> Experiment:
    """The experiment of this name, or of a config file of the user's own; `sample/<name>` is one on drawn data.

    Raises:
        UserError: there is none; suggests the nearest names.
    """
    if name.endswith(".py") and Path(name).is_file():
        return read_card(Path(name).resolve())
    if name in find():
        return find()[name]
    if name.removeprefix("sample/") in find():
        return on_sample(find()[name.removeprefix("sample/")])
    raise UserError(f"unknown experiment {name!r}{_suggest(name, list(find()))}; `repro list` shows all")


def on_sample(experiment: Experiment) -> Experiment:
    """The same experiment on drawn data, with a narrow net: `sample/<name>`, which answers no claim.

    It starts from its parents on the sample; in place of an ILSVRC classifier from one trained on drawn objects.
    """
    parents = tuple(
        f"sample/classifier_{STAND_INS[parent]}" if parent in STAND_INS else f"sample/{parent}"
        for parent in experiment.starts_from
    )
    return replace(
        experiment,
        name=f"sample/{experiment.name}",
        recipe="sample",
        starts_from=parents,
        claims=(),
        on_sample=True,
    )


def chain(group: str) -> list[Experiment]:
    """The experiments of a group that are scored, and those of it that they start from, parents first.

    Raises:
        UserError: there is no such group; suggests the nearest.
    """
    groups = sorted({experiment.group for experiment in find().values()})
    if group not in groups:
        raise UserError(f"unknown group {group!r}{_suggest(group, groups)}; there are {', '.join(groups)}")
    members = [experiment for experiment in find().values() if experiment.group == group]
    needed = {parent for experiment in members if not experiment.trains_classifier for parent in experiment.starts_from}
    waiting = [experiment for experiment in members if not experiment.trains_classifier or experiment.name in needed]
    ordered: list[Experiment] = []
    while waiting:
        names = {experiment.name for experiment in waiting}
        ready = [experiment for experiment in waiting if not names.intersection(experiment.starts_from)]
        if not ready:
            raise UserError(f"the experiments {', '.join(sorted(names))} start from each other")
        ordered += ready
        waiting = [experiment for experiment in waiting if experiment not in ready]
    return ordered


def is_ilsvrc(name: str) -> bool:
    """Whether a net to start from is a classifier trained on ILSVRC: converted from others' files, not trained here."""
    return name.startswith("ilsvrc/")


def plain_name(name: str) -> str:
    """A file's or folder's name as it stands in the names of records: letters, digits, `_` and `-`."""
    return re.sub("[^A-Za-z0-9_-]+", "-", name)


def data_folder() -> Path:
    """Where datasets lie: `REPRO_DATA`, or `./data`."""
    return Path(os.environ.get("REPRO_DATA", "data"))


def _suggest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(near)}?" if near else ""
