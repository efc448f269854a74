"""Finds label PNGs, in folders and in zip files, and keeps them as they are stored: a few kilobytes each."""

import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from repro.data.images import read_label
from repro.data.splits import name_some
from repro.data.unpack import BROKEN
from repro.errors import UserError
from repro.upper_bounds.resample import Labels


@dataclass(frozen=True)
class Mask:
    """The bytes of a label PNG, the image's id (its name without `.png`), and where it was found."""

    id: str
    where: str
    data: bytes

    def read(self, num_classes: int) -> Labels:
        """Its class ids, (H, W); errors as for `repro.data.images.read_label`."""
        return read_label(self.where, num_classes, self.data)


def find(paths: Iterable[Path], ids: Iterable[str] | None = None) -> list[Mask]:
    """The masks at `paths`, sorted by id.

    Args:
        paths: label PNGs, folders and zip files; of the last two, all PNGs at any depth.
        ids: of those to take; all by default.

    Raises:
        UserError: nothing is found, an id is missing or comes twice, a file cannot be read.
    """
    wanted = None if ids is None else set(ids)
    masks = [mask for path in paths for mask in _find(path) if wanted is None or mask.id in wanted]
    if not masks:
        raise UserError("no label PNG is among what was named; name PNGs, folders or zip files of them")
    twice = [image for image, count in Counter(mask.id for mask in masks).items() if count > 1]
    if twice:
        raise UserError(f"there are several masks of {name_some(twice)}; name one folder or file of each")
    missing = (wanted or set()) - {mask.id for mask in masks}
    if missing:
        raise UserError(
            f"{len(missing)} masks are missing: {name_some(sorted(missing))}; name the folder that has them"
        )
    return sorted(masks, key=lambda mask: mask.id)


def _find(path: Path) -> Iterator[Mask]:
    try:
        if path.is_dir():
            for png in sorted(path.rglob("[!.]*.png")):
                yield Mask(png.stem, str(png), png.read_bytes())
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    file = PurePosixPath(name)
                    if file.suffix == ".png" and not file.name.startswith("."):
                        yield Mask(file.stem, f"{path}/{name}", archive.read(name))
        else:
            yield Mask(path.stem, str(path), path.read_bytes())
    except (OSError, *BROKEN) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read {path}: {reason}; name label PNGs, folders or zip files of them") from error
