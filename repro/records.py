"""The result schema, version 1: one JSON a measurement, its per-image confusions beside it. Append-only."""

import contextlib
import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.data.splits import ids_sha256
from repro.errors import UserError
from repro.files import atomic, sha256
from repro.metrics import ImageConfusions

SCHEMA = 1
HEADS = ("semantic", "geometric")
PROVENANCE = ("commit", "dirty", "versions", "device", "threads", "precision", "seed", "command", "platform", "time")


@dataclass(frozen=True)
class Dataset:
    """What was scored: `ids_sha256` of its ids, `content_sha256` of its images and labels, each head's classes."""

    name: str
    split: str
    images: int
    ids_sha256: str
    content_sha256: str
    classes: dict[str, list[str]]


@dataclass(frozen=True)
class Weights:
    """Digest of the weights' tensors and of those that their training started from (None: from none)."""

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
    """One measurement. `write` fills in `id`, `digest` and `images_file`; leave them out.

    Attributes:
        experiment: such as `voc2011/fcn16s_vgg16`.
        recipe: the name of its schedule.
        claims: keys `source/table/row` of the claims it answers; none for the sample.
        confusion: head -> (C, C) int64, row = truth, column = predicted.
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


def write(record: Record, confusions: Mapping[str, ImageConfusions], folder: Path | str) -> Path:
    """Write the per-image files and then the record, each whole or not at all; never over another.

    Args:
        record: without `id`, `digest` and `images_file`.
        confusions: head -> the per-image confusions whose sum is `record.confusion[head]`.

    Returns:
        The path of the JSON. Writing the same measurement again changes nothing.

    Raises:
        UserError: the record is not valid, its matrices are not the sums of `confusions`, the folder cannot be written,
            or another file stands where one would go.
    """
    folder = Path(folder)
    if set(confusions) != set(record.confusion):
        raise UserError(f"per-image confusions of {sorted(confusions)} for matrices of {sorted(record.confusion)}")
    blobs = {head: confusions[head].to_bytes() for head in sorted(confusions)}
    hashes = {head: hashlib.sha256(blob).hexdigest() for head, blob in blobs.items()}
    record = replace(record, images_file={head: ImageFile("", value) for head, value in hashes.items()})
    digest = _digest(_to_json(record))
    name = _name(record, digest)
    files = {head: ImageFile(_file(name, head), value) for head, value in hashes.items()}
    record = replace(record, id=name, digest=digest, images_file=files, folder=folder)
    text = _format(_to_json(record))
    _parse(json.loads(text), name)  # the reader's rules hold for the writer
    for head in blobs:
        _check_sum(record, head, confusions[head])

    targets = [(folder / files[head].name, blob) for head, blob in blobs.items()]
    targets.append((folder / f"{name}.json", text.encode()))
    for path, content in targets:
        if path.exists() and path.read_bytes() != content:
            raise UserError(
                f"{path} exists and differs; records are append-only: move it away or choose another folder"
            )
    for path, content in targets:
        if not path.exists():
            with atomic(path) as temporary:
                temporary.write_bytes(content)
    return targets[-1][0]


def read(path: Path | str) -> Record:
    """Read and verify a record and its per-image files.

    Raises:
        UserError: naming the record and what is wrong: not JSON, a newer schema, a missing or unknown field, a number
            that is not finite, content unlike its digest, a per-image file that does not sum to the matrix.
    """
    path = Path(path)

    def refuse(constant: str) -> None:
        raise UserError(f"{path}: holds {constant}; a record's numbers are finite")

    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not a record: {error}") from error
    record = replace(_parse(data, str(path)), folder=path.parent)
    for head in record.confusion:
        _check_sum(record, head, record.images(head))
    return record


def read_all(*folders: Path | str) -> list[Record]:
    """All records in the folders and below them, sorted by id. A folder that does not exist holds none.

    Raises:
        UserError: see `read`; also two records of one id.
    """
    found: dict[str, Record] = {}
    for path in sorted(path for folder in folders for path in Path(folder).rglob("*.json")):
        if path.name.startswith("."):  # another process is writing it
            continue
        record = read(path)
        if record.id in found:
            raise UserError(f"{record.id} is in {found[record.id].folder} and in {path.parent}; keep one of the two")
        found[record.id] = record
    return [found[name] for name in sorted(found)]


def _to_json(record: Record) -> dict[str, Any]:
    data: dict[str, Any] = {"schema": record.schema, "kind": record.kind, "id": record.id, "digest": record.digest}
    for name in ("experiment", "recipe", "claims", "config_sha256", "training", "provenance"):
        data[name] = getattr(record, name)
    data["dataset"] = dict(vars(record.dataset))
    data["weights"] = dict(vars(record.weights))
    data["images_file"] = {head: dict(vars(file)) for head, file in record.images_file.items()}
    data["confusion"] = {head: np.asarray(matrix).tolist() for head, matrix in record.confusion.items()}
    return data


def _digest(data: dict[str, Any]) -> str:
    """SHA-256 of the content: all but the id, the digest itself and the file names, which follow from the id."""
    content = {key: value for key, value in data.items() if key not in ("id", "digest")}
    content["images_file"] = {head: file["sha256"] for head, file in data["images_file"].items()}
    try:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"the record of {data['experiment']} does not fit JSON: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()


def _name(record: Record, digest: str) -> str:
    seed = "none" if record.training.get("seed") is None else record.training["seed"]
    experiment = record.experiment.replace("/", "-")
    return f"{experiment}.{record.dataset.name}.{record.dataset.split}.s{seed}.{digest[:8]}"


def _file(name: str, head: str) -> str:
    return f"{name}.{head}.npz"


def _format(data: dict[str, Any]) -> str:
    """JSON that reads and diffs well: a row of a matrix, or any list of integers, stands on one line."""
    text = json.dumps(data, indent=1, allow_nan=False, ensure_ascii=False)
    return re.sub(r"\[\n\s*(-?\d+(?:,\n\s*-?\d+)*)\n\s*\]", lambda row: f"[{' '.join(row[1].split())}]", text) + "\n"


def _check_sum(record: Record, head: str, confusions: ImageConfusions) -> None:
    if not np.array_equal(confusions.total(), record.confusion[head]):
        raise UserError(f"{record.id}: the per-image confusions of {head} do not sum to its matrix; evaluate again")
    if len(confusions.ids) != record.dataset.images or ids_sha256(confusions.ids) != record.dataset.ids_sha256:
        raise UserError(f"{record.id}: the per-image confusions of {head} are not over the split that it names")


def _parse(data: Any, where: str) -> Record:
    """Build a record from parsed JSON, refusing whatever the schema does not allow."""

    def refuse(what: str) -> UserError:
        return UserError(f"{where}: {what}")

    def need(value: Any, kind: type | tuple[type, ...], what: str) -> Any:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise refuse(f"{what} is {type(value).__name__}, not {' or '.join(k.__name__ for k in _tuple(kind))}")
        return value

    def keys(value: Any, names: Iterable[str], what: str, more: bool = False) -> dict[str, Any]:
        need(value, dict, what)
        for name in names:
            if name not in value:
                raise refuse(f"the field {what}.{name} is missing".replace("record.", ""))
        unknown = sorted(set(value) - set(names))
        if unknown and not more:
            raise refuse(f"unknown field {what}.{unknown[0]}".replace("record.", ""))
        return value

    def text(value: Any, pattern: str, what: str) -> str:
        if not re.fullmatch(pattern, need(value, str, what)):
            raise refuse(f"{what} {value!r} is not of the form {pattern}")
        return value

    hexadecimal, word, path = "[0-9a-f]{64}", "[A-Za-z0-9_-]+", r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*"
    schema = need(keys(data, ["schema"], "record", more=True)["schema"], int, "schema")
    if schema > SCHEMA:
        raise refuse(f"schema {schema} is newer than this suite's {SCHEMA}; update the suite")
    if schema < 1:
        raise refuse(f"schema {schema} does not exist")
    keys(data, [f.name for f in fields(Record) if f.name != "folder"], "record")
    if data["kind"] != "evaluation":
        raise refuse(f"unknown kind {data['kind']!r}")
    _finite(data, "", refuse)

    text(data["experiment"], path, "experiment")
    need(data["recipe"], str, "recipe")
    for claim in need(data["claims"], list, "claims"):
        text(claim, "[^/]+/[^/]+/.+", "a claim")
    text(data["config_sha256"], hexadecimal, "config_sha256")
    training = keys(data["training"], ["iterations", "seed"], "training", more=True)
    need(training["iterations"], (int, type(None)), "training.iterations")
    need(training["seed"], (int, type(None)), "training.seed")
    provenance = keys(data["provenance"], PROVENANCE, "provenance", more=True)
    need(provenance["commit"], (str, type(None)), "provenance.commit")
    if provenance["dirty"] not in (True, False, None):
        raise refuse("provenance.dirty is neither true, false nor null")
    need(provenance["device"], str, "provenance.device")
    need(provenance["time"], str, "provenance.time")

    dataset = Dataset(**keys(data["dataset"], [f.name for f in fields(Dataset)], "dataset"))
    text(dataset.name, word, "dataset.name")
    text(dataset.split, word, "dataset.split")
    need(dataset.images, int, "dataset.images")
    text(dataset.ids_sha256, hexadecimal, "dataset.ids_sha256")
    text(dataset.content_sha256, hexadecimal, "dataset.content_sha256")
    weights = Weights(**keys(data["weights"], [f.name for f in fields(Weights)], "weights"))
    text(weights.sha256, hexadecimal, "weights.sha256")
    if weights.parent_sha256 is not None:
        text(weights.parent_sha256, hexadecimal, "weights.parent_sha256")
    need(weights.experiment, str, "weights.experiment")

    heads = need(data["confusion"], dict, "confusion")
    if "semantic" not in heads or set(heads) - set(HEADS):
        raise refuse(f"confusion holds {sorted(heads)}; it holds semantic, and geometric where there is such a head")
    confusion, files = {}, {}
    for head in heads:
        classes = need(keys(dataset.classes, heads, "dataset.classes")[head], list, f"dataset.classes.{head}")
        confusion[head] = _matrix(heads[head], len(classes), f"confusion.{head}", refuse)
        file = keys(keys(data["images_file"], heads, "images_file")[head], ["name", "sha256"], f"images_file.{head}")
        files[head] = ImageFile(need(file["name"], str, "name"), text(file["sha256"], hexadecimal, "sha256"))

    record = Record(
        **{name: data[name] for name in ("experiment", "recipe", "claims", "config_sha256", "kind", "schema", "id")},
        digest=data["digest"],
        training=training,
        provenance=provenance,
        dataset=dataset,
        weights=weights,
        confusion=confusion,
        images_file=files,
    )
    digest = _digest(data)
    name = _name(record, digest)
    if data["digest"] != digest or data["id"] != name:
        raise refuse("the content does not match its digest: it was changed after it was written; restore it")
    if any(file.name != _file(name, head) for head, file in files.items()):
        raise refuse("images_file does not name the record's own file")
    return record


def _tuple(kind: type | tuple[type, ...]) -> tuple[type, ...]:
    return kind if isinstance(kind, tuple) else (kind,)


def _finite(value: Any, where: str, refuse: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise refuse(f"{where} is not a finite number")
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        _finite(item, f"{where}.{key}".removeprefix("."), refuse)


def _matrix(rows: Any, size: int, what: str, refuse: Any) -> NDArray[np.int64]:
    square = isinstance(rows, list) and len(rows) == size and all(isinstance(r, list) and len(r) == size for r in rows)
    if not square or not all(type(n) is int and n >= 0 for row in rows for n in row):
        raise refuse(f"{what} is not {size} x {size} non-negative integers, one row a class")
    with contextlib.suppress(OverflowError):
        return np.array(rows, dtype=np.int64).reshape(size, size)
    raise refuse(f"{what} holds a count beyond 64 bits")
