"""Makes sure, before anything is trained, that a group's data and starting weights are at hand."""

from collections.abc import Sequence
from pathlib import Path

from repro import experiments
from repro.data import prepared
from repro.data.download import Archive, wanted
from repro.errors import UserError
from repro.experiments import Experiment, data_folder
from repro.prepare import (
    WRITERS,
    archives_folder,
    choose_source,
    dataset_module,
    has_sample,
    prepare,
    prepare_sample,
)
from repro.sample import folder_of
from repro.settings import load_config
from repro.train import weights_file

SAMPLES = {folder_of(name): name for name in WRITERS}


def prepare_all(
    stages: Sequence[Experiment], *, work_dirs: Path, data_root: Path | None, given: Sequence[Path], verify: bool
) -> None:
    """Prepare or draw the datasets that experiments read, unless the user names a folder.

    Raises:
        UserError: in one line, every file that is wanted, where it comes from and where to put it.
    """
    weights = missing_classifiers(stages, work_dirs)
    folders = [] if data_root else sorted({dataset_folder(stage) for stage in stages})
    for folder in folders:
        if folder.name in SAMPLES:
            if not has_sample(SAMPLES[folder.name], folder):
                prepare_sample(SAMPLES[folder.name], folder)
        elif not prepared.is_complete(folder) and not has_lists(folder):
            source = choose_source(dataset_module(folder.name), given)
            lacking = wanted(source, archives_folder(), given)
            if weights:  # before gigabytes are downloaded in vain
                raise UserError(describe(lacking, weights))
            try:
                prepare(folder.name, folder, given=given, verify=verify)
            except UserError as error:
                if not lacking:
                    raise
                raise UserError(f"{describe(lacking, weights)}; {' '.join(str(error).split())}") from error
    if weights:
        raise UserError(describe((), weights))


def dataset_folder(experiment: Experiment) -> Path:
    """Where the dataset lies that an experiment trains on."""
    return Path(load_config(experiment).train_dataloader.dataset.data_root)


def has_lists(folder: Path) -> bool:
    """Whether somebody has put a dataset there without `prepare`."""
    return (folder / dataset_module(folder.name).DATASET.LISTS).is_dir()


def missing_classifiers(stages: Sequence[Experiment], work_dirs: Path) -> list[Path]:
    """The ILSVRC classifiers' files that stages still have to start from and that are not there."""
    waiting = [stage for stage in stages if not weights_file(stage.name, work_dirs).is_file()]
    names = sorted({name for stage in waiting for name in stage.starts_from if name in experiments.CLASSIFIERS})
    return [path for path in (weights_file(name, work_dirs) for name in names) if not path.is_file()]


def describe(archives: Sequence[Archive], weights: Sequence[Path]) -> str:
    """One line: the files wanted, where they come from, and where to put them."""
    parts = []
    if archives:
        named = ", ".join(f"{archive.name} ({archive.holds}; {' or '.join(archive.urls)})" for archive in archives)
        parts.append(f"{named} in {archives_folder()}")
    if weights:
        named = ", ".join(path.name for path in weights)
        parts.append(f"the ILSVRC classifiers' weights {named} in {data_folder() / 'weights' / 'ilsvrc'}")
    return f"wanted: {'; '.join(parts)}"
