"""Brings weights that others publish to where they are looked for: ImageNet classifiers, and the authors' own FCNs."""

from collections.abc import Sequence
from pathlib import Path

from repro.data.download import Archive, obtain
from repro.errors import UserError
from repro.prepare import archives_folder
from repro.weights import published, store
from repro.weights.convert import CLASSIFIERS, convert, place_of, published_as
from repro.weights.published import Published
from repro.weights.torchvision import PRETRAINED, fetch


def archive(found: Published, holds: str) -> Archive:
    """A published weights file as something to obtain; `holds` says what it is."""
    return Archive(found.file, found.urls, found.checksum, found.size, holds)


PAPERS = tuple(published.ILSVRC)  # those that the paper's nets start from
SOURCES = {
    name: archive(found, f"the {what} {name}")
    for what, nets in (("ILSVRC classifier", published.ILSVRC), ("released", published.RELEASED))
    for name, found in nets.items()
}


def prepare_weights(names: Sequence[str] = PAPERS, *, given: Sequence[Path] = (), verify: bool = True) -> list[Path]:
    """Convert weights and return where they are, in the order of the names; those that are there are left alone.

    Files come from `given`, from `<data folder>/archives`, or from their known addresses; torchvision's also from
    torch.hub's cache, and by its own loader.

    Args:
        names: of classifiers, or the experiments that the authors' FCNs are.
        given: files that the user has, found by their names.
        verify: refuse a file with another checksum than the published one. What starts from another answers no claim.

    Raises:
        UserError: an unknown name or file, files that are not to be had, are not the published ones, or another net's.
    """
    for name in names:
        published_as(name)  # or nobody does
    files = [known.file for known in (*CLASSIFIERS.values(), *published.RELEASED.values())]
    if strange := [path for path in given if path.name not in files]:
        raise UserError(f"{strange[0]} is none of the files known: {', '.join(files)}; rename it if it is one")
    waiting = [name for name in names if not place_of(name).is_file()]
    found = _find([name for name in waiting if name in SOURCES], given, verify)
    for name in [name for name in waiting if name in PRETRAINED]:
        found[name] = _find_pretrained(name, given, verify)
    for name in waiting:
        store.save(convert(found[name], name), place_of(name))
    return [place_of(name) for name in names]


def _find(names: Sequence[str], given: Sequence[Path], verify: bool) -> dict[str, Path]:
    archives = {name: SOURCES[name] for name in names}
    own = [path for path in given if path.name in {archive.name for archive in archives.values()}]
    paths = obtain(list(archives.values()), archives_folder(), own, verify=verify)
    return {name: paths[archive.name] for name, archive in archives.items()}


def _find_pretrained(name: str, given: Sequence[Path], verify: bool) -> Path:
    known = CLASSIFIERS[name]
    own = [path for path in given if path.name == known.file]
    path = own[-1] if own else fetch(name, archives_folder())
    if not path.is_file():
        raise UserError(f"the file {path} is missing; correct the path")
    if verify and known.matches(path) is False:
        raise UserError(f"{path} is not the published file: its checksum differs; delete it, or pass --unverified")
    return path
