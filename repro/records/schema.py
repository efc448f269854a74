"""What an evaluation is: its fields, its JSON, the digest of its content, and its name."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.errors import UserError
from repro.files import sha256
from repro.metrics import ImageConfusions

# 2: a dataset may name its frame, a net may have the geometric head alone, weights may have several parents.
# 3: kinds `timing` and `upper_bounds`.
# Records of versions 1 and 2 are read as they are.
SCHEMA = 3
HEADS = ("semantic", "geometric")
PROVENANCE = ("commit", "dirty", "versions", "device", "threads", "precision", "seed", "command", "platform", "time")


@dataclass(frozen=True)
class Dataset:
    """What was scored: `ids_sha256` of its ids, `content_sha256` of its images and labels, each head's classes.

    `frame` is height x width, such as `425x560`, where a dataset is cut in more than one way (NYUDv2); else None.
    """

    name: str
    split: str
    images: int
    ids_sha256: str
    content_sha256: str
    classes: dict[str, list[str]]
    frame: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The dataset as plain values. An absent frame is left out, so that older records keep their digest."""
        return {key: value for key, value in vars(self).items() if (key, value) != ("frame", None)}


@dataclass(frozen=True)
class Weights:
    """Digest of the weights' tensors and of those that their training started from.

    `parent_sha256` joins the digests of several parents by `+` (late fusion), and is None where there was none.
    """

    sha256: str
    parent_sha256: str | None
    experiment: str


@dataclass(frozen=True)
class ImageFile:
    """Name and SHA-256 of the npz with one head's per-image confusions, in the folder of the record."""

    name: str
    sha256: str


@dataclass(frozen=True, eq=False)
class Record:
    """One evaluation. `write` fills in `id`, `digest` and `images_file`; leave them out.

    Attributes:
        experiment: such as `voc2011/fcn16s_vgg16`.
        recipe: the name of its schedule.
        claims: keys `source/table/row` of the claims it answers; none for the sample.
        confusion: head -> (C, C) int64, row = truth, column = predicted; one head of `HEADS` or both.
        config_sha256: of the config as it ran.
        training: `iterations` and `seed` (None where unknown), and whatever else describes the run.
        provenance: what `repro.provenance.collect` returns.
        folder: where it was read from or written to; not part of the content.
    """

    experiment: str
    recipe: str
    claims: list[str]
    dataset: Dataset
    confusion: dict[str, NDArray[np.int64]]
    weights: Weights
    config_sha256: str
    training: dict[str, Any]
    provenance: dict[str, Any]
    images_file: dict[str, ImageFile] = field(default_factory=dict)
    kind: str = "evaluation"
    schema: int = SCHEMA
    id: str = ""
    digest: str = ""
    folder: Path | None = None

    def images(self, head: str = "semantic") -> ImageConfusions:
        """The per-image confusions of a head.

        Raises:
            UserError: the file is missing, damaged, or not the one that was written.
        """
        if self.folder is None:
            raise ValueError("the record has not been written")
        path = self.folder / self.images_file[head].name
        if not path.is_file():
            raise UserError(f"{self.id}: {path} is missing; copy a record together with its per-image file")
        if sha256(path) != self.images_file[head].sha256:
            raise UserError(f"{self.id}: {path} is not the file that was written with the record; restore it")
        return ImageConfusions.load(path)

    def to_json(self) -> dict[str, Any]:
        """The record as plain values."""
        data: dict[str, Any] = {"schema": self.schema, "kind": self.kind, "id": self.id, "digest": self.digest}
        for name in ("experiment", "recipe", "claims", "config_sha256", "training", "provenance"):
            data[name] = getattr(self, name)
        data["dataset"] = self.dataset.to_json()
        data["weights"] = dict(vars(self.weights))
        data["images_file"] = {head: dict(vars(file)) for head, file in self.images_file.items()}
        data["confusion"] = {head: np.asarray(matrix).tolist() for head, matrix in self.confusion.items()}
        return data

    def name(self, digest: str) -> str:
        """The record's id: experiment, dataset, split, seed, and the beginning of its digest."""
        seed = "none" if self.training.get("seed") is None else self.training["seed"]
        experiment = self.experiment.replace("/", "-")
        return f"{experiment}.{self.dataset.name}.{self.dataset.split}.s{seed}.{digest[:8]}"

    def shares_labels(self, other: "Record", head: str) -> bool:
        """Whether both scored a head on the same labels. What else the nets saw of the images, as depth, may differ."""
        if head not in self.confusion or head not in other.confusion:
            return False
        ours, theirs = ((r.dataset.ids_sha256, r.dataset.classes[head]) for r in (self, other))
        return ours == theirs and np.array_equal(*(r.confusion[head].sum(axis=1) for r in (self, other)))


def digest_of(data: dict[str, Any]) -> str:
    """SHA-256 of the content: all but the id, the digest itself and the file names, which follow from the id.

    Raises:
        UserError: a value that JSON does not hold.
    """
    content = {key: value for key, value in data.items() if key not in ("id", "digest")}
    if "images_file" in data:
        content["images_file"] = {head: file["sha256"] for head, file in data["images_file"].items()}
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"the record of {data.get('experiment', data['kind'])} does not fit JSON: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()


def file_of(name: str, head: str) -> str:
    """The file of a head's per-image confusions, beside the record of this id."""
    return f"{name}.{head}.npz"
