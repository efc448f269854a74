"""Builds a record from parsed JSON, and refuses by name whatever the schema does not allow."""

import contextlib
import math
import re
from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.errors import UserError
from repro.records.schema import (
    HEADS,
    PROVENANCE,
    SCHEMA,
    Dataset,
    ImageFile,
    Record,
    Weights,
    digest_of,
    file_of,
    name_of,
)

DIGEST, WORD, PATH = "[0-9a-f]{64}", "[A-Za-z0-9_-]+", r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*"


def parse(data: Any, where: str) -> Record:
    """Build a record from parsed JSON.

    Args:
        where: the file, for the messages.

    Raises:
        UserError: a field that is missing, unknown or of another form, a newer schema, a number that is not finite, or
            content unlike its digest.
    """
    check = _Check(where)
    schema = check.kind(check.keys(data, ["schema"], "record", more=True)["schema"], int, "schema")
    if schema > SCHEMA:
        raise check.refuse(f"schema {schema} is newer than this suite's {SCHEMA}; update the suite")
    if schema < 1:
        raise check.refuse(f"schema {schema} does not exist")
    check.keys(data, [f.name for f in fields(Record) if f.name != "folder"], "record")
    if data["kind"] != "evaluation":
        raise check.refuse(f"unknown kind {data['kind']!r}")
    check.finite(data, "")

    check.text(data["experiment"], PATH, "experiment")
    check.kind(data["recipe"], str, "recipe")
    for claim in check.kind(data["claims"], list, "claims"):
        check.text(claim, "[^/]+/[^/]+/.+", "a claim")
    check.text(data["config_sha256"], DIGEST, "config_sha256")
    training = check.keys(data["training"], ["iterations", "seed"], "training", more=True)
    check.kind(training["iterations"], (int, type(None)), "training.iterations")
    check.kind(training["seed"], (int, type(None)), "training.seed")
    dataset = _dataset(data["dataset"], check)
    confusion, files = _heads(data, dataset, check)
    record = Record(
        **{name: data[name] for name in ("experiment", "recipe", "claims", "config_sha256", "kind", "schema", "id")},
        digest=data["digest"],
        training=training,
        provenance=_provenance(data["provenance"], check),
        dataset=dataset,
        weights=_weights(data["weights"], check),
        confusion=confusion,
        images_file=files,
    )
    digest = digest_of(data)
    name = name_of(record, digest)
    if data["digest"] != digest or data["id"] != name:
        raise check.refuse("the content does not match its digest: it was changed after it was written; restore it")
    if any(file.name != file_of(name, head) for head, file in files.items()):
        raise check.refuse("images_file does not name the record's own file")
    return record


class _Check:
    """Checks of single values. Each returns the value, or refuses it, naming the file and the field."""

    def __init__(self, where: str) -> None:
        self.where = where

    def refuse(self, what: str) -> UserError:
        return UserError(f"{self.where}: {what}")

    def kind(self, value: Any, kind: type | tuple[type, ...], what: str) -> Any:
        if not isinstance(value, kind) or isinstance(value, bool):
            kinds = kind if isinstance(kind, tuple) else (kind,)
            raise self.refuse(f"{what} is {type(value).__name__}, not {' or '.join(k.__name__ for k in kinds)}")
        return value

    def keys(
        self, value: Any, names: Iterable[str], what: str, *, optional: Iterable[str] = (), more: bool = False
    ) -> dict[str, Any]:
        self.kind(value, dict, what)
        for name in names:
            if name not in value:
                raise self.refuse(f"the field {what}.{name} is missing".replace("record.", ""))
        unknown = sorted(set(value) - {*names, *optional})
        if unknown and not more:
            raise self.refuse(f"unknown field {what}.{unknown[0]}".replace("record.", ""))
        return value

    def text(self, value: Any, pattern: str, what: str) -> str:
        if not re.fullmatch(pattern, self.kind(value, str, what)):
            raise self.refuse(f"{what} {value!r} is not of the form {pattern}")
        return value

    def finite(self, value: Any, what: str) -> None:
        if isinstance(value, float) and not math.isfinite(value):
            raise self.refuse(f"{what} is not a finite number")
        items: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, dict):
            items = value.items()
        elif isinstance(value, list):
            items = enumerate(value)
        for key, item in items:
            self.finite(item, f"{what}.{key}".removeprefix("."))

    def matrix(self, rows: Any, size: int, what: str) -> NDArray[np.int64]:
        lists = isinstance(rows, list) and len(rows) == size and all(isinstance(row, list) for row in rows)
        square = lists and all(len(row) == size for row in rows)
        if not square or not all(type(n) is int and n >= 0 for row in rows for n in row):
            raise self.refuse(f"{what} is not {size} x {size} non-negative integers, one row a class")
        with contextlib.suppress(OverflowError):
            return np.array(rows, dtype=np.int64).reshape(size, size)
        raise self.refuse(f"{what} holds a count beyond 64 bits")


def _provenance(data: Any, check: _Check) -> dict[str, Any]:
    provenance = check.keys(data, PROVENANCE, "provenance", more=True)
    check.kind(provenance["commit"], (str, type(None)), "provenance.commit")
    if provenance["dirty"] not in (True, False, None):
        raise check.refuse("provenance.dirty is neither true, false nor null")
    check.kind(provenance["device"], str, "provenance.device")
    check.kind(provenance["time"], str, "provenance.time")
    return provenance


def _dataset(data: Any, check: _Check) -> Dataset:
    names = [f.name for f in fields(Dataset) if f.name != "frame"]
    dataset = Dataset(**check.keys(data, names, "dataset", optional=["frame"]))
    check.text(dataset.name, WORD, "dataset.name")
    check.text(dataset.split, WORD, "dataset.split")
    check.kind(dataset.images, int, "dataset.images")
    check.text(dataset.ids_sha256, DIGEST, "dataset.ids_sha256")
    check.text(dataset.content_sha256, DIGEST, "dataset.content_sha256")
    if "frame" in data:
        check.text(dataset.frame, "[1-9][0-9]*x[1-9][0-9]*", "dataset.frame")
    return dataset


def _weights(data: Any, check: _Check) -> Weights:
    weights = Weights(**check.keys(data, [f.name for f in fields(Weights)], "weights"))
    check.text(weights.sha256, DIGEST, "weights.sha256")
    if weights.parent_sha256 is not None:
        check.text(weights.parent_sha256, rf"{DIGEST}(\+{DIGEST})*", "weights.parent_sha256")
    check.kind(weights.experiment, str, "weights.experiment")
    return weights


def _heads(
    data: dict[str, Any], dataset: Dataset, check: _Check
) -> tuple[dict[str, NDArray[np.int64]], dict[str, ImageFile]]:
    """Each head's matrix and the file of its per-image confusions."""
    heads = check.kind(data["confusion"], dict, "confusion")
    if not heads or set(heads) - set(HEADS):
        raise check.refuse(f"confusion holds {sorted(heads)}; it holds {' or '.join(HEADS)}, or both")
    confusion, files = {}, {}
    for head in heads:
        classes = check.kind(check.keys(dataset.classes, heads, "dataset.classes")[head], list, "dataset.classes")
        confusion[head] = check.matrix(heads[head], len(classes), f"confusion.{head}")
        named = check.keys(data["images_file"], heads, "images_file")
        file = check.keys(named[head], ["name", "sha256"], f"images_file.{head}")
        files[head] = ImageFile(check.kind(file["name"], str, "name"), check.text(file["sha256"], DIGEST, "sha256"))
    return confusion, files
