"""Makes sure, before anything is trained, that a group's data and starting weights are at hand."""

from collections.abc import Collection, Sequence
from pathlib import Path

from repro.data import prepared
from repro.data.download import Archive, wanted
from repro.errors import UserError
from repro.experiments import Experiment, data_folder, is_ilsvrc
from repro.prepare import (
    WRITERS,
    archives_folder,
    dataset_module,
    has_sample,
    layout_of,
    prepare,
    prepare_sample,
    sources,
)
from repro.pretrained import prepare_weights
from repro.sample import folder_of
from repro.settings import load_config
from repro.train import weights_file
from repro.weights.convert import CLASSIFIERS

SAMPLES = [folder_of(name) for name in WRITERS]


def prepare_all(
    stages: Sequence[Experiment],
    *,
    work_dirs: Path,
    data_root: Path | None = None,
    members: Collection[Experiment] | None = None,
    given: Sequence[Path] = (),
    verify: bool = True,
) -> None:
    """Prepare, download or draw what experiments start from and read.

    Args:
        stages: all that run.
        data_root: a folder of the user's, which needs nothing prepared.
        members: the stages that read `data_root`; all of them when None.
        given, verify: as `repro.prepare.prepare`'s.

    Raises:
        UserError: in one line, every file that is wanted, where it comes from and where to put it.
    """
    own = [stage for stage in stages if data_root is None or (members is not None and stage not in members)]
    folders = sorted({dataset_folder(stage) for stage in own})
    published = [folder for folder in folders if folder.name not in SAMPLES and not is_there(folder)]
    weights = missing_classifiers(stages, work_dirs)
    archives = [form for folder in published for form in lacking_forms(folder.name, given)]
    files = [path for path in given if path.name in {known.file for known in CLASSIFIERS.values()}]
    try:
        prepare_weights([path.stem for path in weights], given=files, verify=verify)
        for folder in published:
            prepare(folder.name, folder, given=[path for path in given if path not in files], verify=verify)
    except UserError as error:
        if not (archives or weights):
            raise
        raise UserError(f"{describe(archives, weights)}; {' '.join(str(error).split())}") from error
    for folder in folders:
        if folder.name in SAMPLES and not has_sample(layout_of(folder.name), folder):
            prepare_sample(layout_of(folder.name), folder)


def lacking_forms(name: str, given: Sequence[Path]) -> list[tuple[Archive, ...]]:
    """The published forms of a dataset, unless all archives of one are at hand."""
    forms = list(sources(dataset_module(name)))
    local = {path.name for path in given}
    lacking = [[archive for archive in wanted(form, archives_folder()) if archive.name not in local] for form in forms]
    return forms if all(lacking) else []


def dataset_folder(experiment: Experiment) -> Path:
    """Where the dataset lies that an experiment trains on."""
    return Path(load_config(experiment).train_dataloader.dataset.data_root)


def is_there(folder: Path) -> bool:
    """Whether a dataset is prepared, or somebody has put it there without `prepare`."""
    note = prepared.read(folder)
    return note.complete if note else (folder / dataset_module(folder.name).DATASET.LISTS).is_dir()


def missing_classifiers(stages: Sequence[Experiment], work_dirs: Path) -> list[Path]:
    """The ILSVRC classifiers' files that stages still have to start from and that are not there."""
    waiting = [stage for stage in stages if not weights_file(stage.name, work_dirs).is_file()]
    names = sorted({name for stage in waiting for name in stage.starts_from if is_ilsvrc(name)})
    return [path for path in (weights_file(name, work_dirs) for name in names) if not path.is_file()]


def describe(forms: Sequence[Sequence[Archive]], weights: Sequence[Path]) -> str:
    """One line: the files wanted, where they come from, and where to put them.

    Args:
        forms: of a dataset, any one of which suffices.
        weights: the ILSVRC classifiers' files.
    """
    parts = []
    if forms:
        either = ", or else ".join(" and ".join(map(_name, form)) for form in forms)
        parts.append(f"in {archives_folder()} {either}")
    if weights:
        names = " ".join(path.stem for path in weights)
        parts.append(
            f"in {data_folder() / 'weights' / 'ilsvrc'} {', '.join(path.name for path in weights)} "
            f"(the ILSVRC classifiers; `repro prepare weights {names}`)"
        )
    return f"wanted: {'; '.join(parts)}"


def _name(archive: Archive) -> str:
    return f"{archive.name} ({'; '.join(filter(None, [archive.holds, ' or '.join(archive.urls)]))})"
