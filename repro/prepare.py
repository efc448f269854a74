"""Brings a dataset into the folder that its experiments read: from local archives, from the network, or drawn."""

import importlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from repro.data import prepared
from repro.data.assemble import link
from repro.data.download import Archive, obtain, wanted
from repro.data.sample.folder import drawn_by, is_drawn
from repro.data.unpack import unpack
from repro.errors import UserError
from repro.experiments import data_folder
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
        UserError: an unknown dataset, archives that are not to be had, or what the dataset's own `prepare` refuses.
    """
    module = dataset_module(name)
    root = root or data_folder() / name
    if is_drawn(root):
        raise UserError(f"{root} holds a drawn sample: choose another folder with --root, or delete it")
    if prepared.is_complete(root):
        return root
    if unpacked is not None:
        module.prepare(unpacked, root, **extra)
        prepared.note(root, {}, published=verify)
        return root
    archives = obtain(choose_source(module, given), archives_folder(), given, verify=verify)
    # beside the root, so that files can be linked instead of copied
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{root.name}-", suffix=".unpacked", dir=root.parent) as temporary:
        for archive, path in archives.items():
            if archive.endswith(PACKED):
                unpack(path, Path(temporary, archive.split(".")[0]))
            else:
                link(path, Path(temporary, archive))
        module.prepare(Path(temporary), root, **extra)
    prepared.note(root, archives, published=verify)
    return root


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


def dataset_module(name: str) -> ModuleType:
    """The module of `repro.data` that describes a dataset.

    Raises:
        UserError: there is none.
    """
    if name not in DATASETS:
        raise UserError(f"unknown dataset {name!r}; there are {', '.join(DATASETS)}, and the drawn sample")
    return importlib.import_module(f"repro.data.{name}")


def choose_source(module: ModuleType, given: Sequence[Path] = ()) -> tuple[Archive, ...]:
    """The archives to make a dataset from: of several published forms the one that the user has, else the first."""
    forms: tuple[tuple[Archive, ...], ...] = module.SOURCES
    names = {path.name for path in given}
    fitting = [form for form in forms if names <= {archive.name for archive in form}]
    if not fitting:  # `obtain` says what is wanted instead
        return forms[0]
    return min(fitting, key=lambda form: len(wanted(form, archives_folder(), given)))


def archives_folder() -> Path:
    """Where archives are looked for and downloaded to."""
    return data_folder() / "archives"
