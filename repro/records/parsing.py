"""Builds an evaluation from parsed JSON, and refuses by name whatever the schema does not allow."""

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from repro.records.checks import DIGEST, PATH, WORD, Check
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
)


def parse(data: Any, where: str) -> Record:
    """Build a record from parsed JSON.

    Args:
        where: the file, for the messages.

    Raises:
        UserError: a field that is missing, unknown or of another form, a newer schema, a number that is not finite, or
            content unlike its digest.
    """
    check = begin(data, Record, where)
    check.text(data["experiment"], PATH, "experiment")
    check.kind(data["recipe"], str, "recipe")
    for claim in check.kind(data["claims"], list, "claims"):
        check.text(claim, "[^/]+/[^/]+/.+", "a claim")
    check.text(data["config_sha256"], DIGEST, "config_sha256")
    training = check.keys(data["training"], ["iterations", "seed"], "training", more=True)
    check.kind(training["iterations"], (int, type(None)), "training.iterations")
    check.kind(training["seed"], (int, type(None)), "training.seed")
    dataset = parse_dataset(data["dataset"], check)
    confusion, files = _heads(data, dataset, check)
    record = Record(
        **{name: data[name] for name in ("experiment", "recipe", "claims", "config_sha256", "kind", "schema", "id")},
        digest=data["digest"],
        training=training,
        provenance=parse_provenance(data["provenance"], check),
        dataset=dataset,
        weights=_weights(data["weights"], check),
        confusion=confusion,
        images_file=files,
    )
    check_digest(data, name := record.name(digest_of(data)), check)
    if any(file.name != file_of(name, head) for head, file in files.items()):
        raise check.refuse("images_file does not name the record's own file")
    return record


def begin(data: Any, record: type[Any], where: str) -> Check:
    """The checks of a record, of whatever kind, after the first ones: its schema, its fields, finite numbers.

    Args:
        record: the class of it; its fields but `folder` are those of the JSON.
        where: the file, for the messages.
    """
    check = Check(where)
    schema = check.kind(check.keys(data, ["schema"], "record", more=True)["schema"], int, "schema")
    if schema > SCHEMA:
        raise check.refuse(f"schema {schema} is newer than this suite's {SCHEMA}; update the suite")
    if schema < 1:
        raise check.refuse(f"schema {schema} does not exist")
    check.keys(data, [f.name for f in fields(record) if f.name != "folder"], "record")
    check.finite(data, "")
    return check


def check_digest(data: dict[str, Any], name: str, check: Check) -> None:
    """Refuse content that is not what was written under this name."""
    if data["digest"] != digest_of(data) or data["id"] != name:
        raise check.refuse("the content does not match its digest: it was changed after it was written; restore it")


def parse_provenance(data: Any, check: Check) -> dict[str, Any]:
    provenance = check.keys(data, PROVENANCE, "provenance", more=True)
    check.kind(provenance["commit"], (str, type(None)), "provenance.commit")
    if provenance["dirty"] not in (True, False, None):
        raise check.refuse("provenance.dirty is neither true, false nor null")
    check.kind(provenance["device"], str, "provenance.device")
    check.kind(provenance["time"], str, "provenance.time")
    return provenance


def parse_dataset(data: Any, check: Check) -> Dataset:
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


def _weights(data: Any, check: Check) -> Weights:
    weights = Weights(**check.keys(data, [f.name for f in fields(Weights)], "weights"))
    check.text(weights.sha256, DIGEST, "weights.sha256")
    if weights.parent_sha256 is not None:
        check.text(weights.parent_sha256, rf"{DIGEST}(\+{DIGEST})*", "weights.parent_sha256")
    check.kind(weights.experiment, str, "weights.experiment")
    return weights


def _heads(
    data: dict[str, Any], dataset: Dataset, check: Check
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
