"""Brings a dataset into the folder that its experiments read: from local archives, from the network, or drawn."""

import importlib
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from repro.data import prepared
from repro.data.assemble import link
from repro.data.download import Archive, obtain, wanted
from repro.data.prepared import Prepared
from repro.data.sample.folder import drawn_by, is_drawn
from repro.data.unpack import unpack
from repro.errors import UserError
from repro.experiments import data_folder
from repro.files import sha256
from repro.sample import folder_of

DATASETS = ("voc2011", "nyudv2", "siftflow", "pascal_context", "camvid")
WRITERS = {"voc2011": "voc", "nyudv2": "nyudv2", "siftflow": "siftflow", "pascal_context": "pascal_context"}
PACKED = (".tar", ".tgz", ".tar.gz", ".zip")


def prepare(
    name: str,
    root: Path | None = None,
    *,
    given: Sequence[Path] = (),
    unpacked: Path | None = None,
    verify: bool = True,
    **extra: Any,
) -> Path:
    """Bring a dataset into one folder and return it; a complete folder is left alone, a half-done one completed.

    Archives come from `given`, from `<data folder>/archives`, or from their known addresses.

    Args:
        name: one of `DATASETS`.
        root: where to put it; `data_folder() / name` when None.
        given: archives that the user has.
        unpacked: a folder with the archives' content side by side; then no archive is looked for.
        verify: compare checksums. Of other archives the folder says so, and what is measured on it answers no claim.
        extra: what the dataset's own `prepare` takes beside.

    Raises:
        UserError: an unknown dataset, archives that are not to be had, a folder that is made from others, or what the
            dataset's own `prepare` refuses.
    """
    module = dataset_module(name)
    root = root or data_folder() / name
    if is_drawn(root):
        raise UserError(f"{root} holds a drawn sample: choose another folder with --root, or delete it")
    before = prepared.read(root)
    if before and before.published != verify:
        made, wanted_now = ("unverified", "the published") if verify else ("the published", "unverified")
        raise UserError(f"{root} is made from {made} archives, not from {wanted_now} ones: delete it, or choose --root")
    if before and before.complete and is_whole(name, root):
        return root
    if unpacked is not None:
        _assemble(module, unpacked, root, Prepared(published=verify), extra)
        return root
    archives = obtain_any(sources(module, extra), given, verify=verify)
    note = Prepared({archive: sha256(path) for archive, path in archives.items()}, published=verify)
    if before and dict(before.archives) != note.archives:
        raise UserError(f"{root} is made from other archives than {', '.join(archives)}: delete it, or choose --root")
    root.parent.mkdir(parents=True, exist_ok=True)
    # beside the root, so that files can be linked instead of copied
    with tempfile.TemporaryDirectory(prefix=f".{root.name}-", suffix=".unpacked", dir=root.parent) as temporary:
        for archive, path in archives.items():
            if archive.endswith(PACKED):
                unpack(path, Path(temporary, archive.split(".")[0]))
            else:
                link(path, Path(temporary, archive))
        try:
            _assemble(module, Path(temporary), root, note, extra)
        except UserError as error:  # the folder will be gone: name the file as it stands in the archive
            raise UserError(str(error).replace(f"{temporary}/", "").replace(temporary, "the archive")) from error
    return root


def is_whole(name: str, root: Path) -> bool:
    """Whether every file that the lists of a prepared folder name is there."""
    dataset = dataset_module(name).DATASET
    lists = sorted((root / dataset.LISTS).glob("*.txt"))
    try:
        for path in lists:
            dataset(str(path.relative_to(root)), data_root=str(root), **dataset.CHECKED.get(path.stem, {}))
    except UserError:
        return False
    return bool(lists)


def _assemble(module: ModuleType, source: Path, root: Path, note: Prepared, extra: dict[str, Any]) -> None:
    prepared.write(root, replace(note, complete=False))
    module.prepare(source, root, **extra)
    prepared.write(root, note)


def prepare_sample(
    name: str = "voc2011", root: Path | None = None, *, seed: int = 0, thin_parts: bool = True, **cut: int
) -> Path:
    """Draw the look-alike of a dataset and return its folder; a finished drawing is left alone.

    Args:
        name: of the dataset whose layout it has.
        root: where to put it; its place in `data_folder()` when None, which is for the default drawing alone.
        seed: of the drawing.
        thin_parts: whether the objects have them; else they are filled out to their convex hulls.
        cut: `train` and `val`, how many images, instead of the writer's own numbers.

    Raises:
        UserError: no such layout; another drawing without a folder of its own; a folder that cannot be written or holds
            something else.
    """
    if name not in WRITERS:
        raise UserError(f"there is no sample of {name!r}; there are samples of {', '.join(WRITERS)}")
    if root is None and (seed, thin_parts, cut) != (0, True, {}):
        raise UserError(
            f"data/{folder_of(name)} is for the default drawing, which the tables know: give this one another --root"
        )
    root = root or data_folder() / folder_of(name)
    getattr(_writer(name), f"write_{WRITERS[name]}")(root, seed=seed, thin_parts=thin_parts, **cut)
    return root


def has_sample(name: str, root: Path) -> bool:
    """Whether a folder holds a drawing, of whatever size and seed, as today's writer of this layout makes it."""
    return drawn_by(root) == (_writer(name).__name__, _writer(name).VERSION)


def _writer(name: str) -> ModuleType:
    return importlib.import_module(f"repro.data.sample.{WRITERS[name]}")


def layout_of(name: str) -> str:
    """The dataset whose layout a folder of this name has: of `sample` VOC 2011's, of `sample_nyudv2` NYUDv2's."""
    return {folder_of(dataset): dataset for dataset in WRITERS}.get(name, name)


def dataset_module(name: str) -> ModuleType:
    """The module of `repro.data` that describes a dataset.

    Raises:
        UserError: there is none.
    """
    if name not in DATASETS:
        drawn = ", ".join(map(folder_of, WRITERS))
        raise UserError(f"unknown dataset {name!r}; there are {', '.join(DATASETS)}, and drawn {drawn}")
    return importlib.import_module(f"repro.data.{name}")


def sources(module: ModuleType, extra: Collection[str] = ()) -> tuple[tuple[Archive, ...], ...]:
    """The forms in which a dataset is published, any one of which suffices, with `extra` at hand beside them."""
    return module.WITH_LISTS if "lists" in extra else module.SOURCES


def obtain_any(forms: Sequence[tuple[Archive, ...]], given: Sequence[Path], *, verify: bool) -> dict[str, Path]:
    """The archives of the form that the user has most of, else of the first that is to be had.

    Raises:
        UserError: none is; says what was tried.
    """
    names = {path.name for path in given}
    fitting = [form for form in forms if names <= {archive.name for archive in form}] or list(forms[:1])
    failures = []
    for form in sorted(fitting, key=lambda form: len(wanted(form, archives_folder(), given)) / len(form)):
        try:
            return obtain(form, archives_folder(), given, verify=verify)
        except UserError as error:
            failures.append(str(error))
    raise UserError("\nor instead: ".join(failures))


def archives_folder() -> Path:
    """Where archives are looked for and downloaded to."""
    return data_folder() / "archives"
