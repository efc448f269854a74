"""Taking records into tables/records: whole, from a clean tree, never over another."""

from dataclasses import replace

import pytest

from repro import records
from repro.errors import UserError
from repro.records import Bound, Bounds, Dataset, Timing
from repro.report.publish import publish


@pytest.fixture
def measured(trained, tmp_path):
    """Write the chain's record of FCN-16s again, as if it had been measured so; returns its file."""
    (record,) = [r for r in records.read_all(trained / "records") if r.experiment == "sample/fcn16s_vgg16"]

    def write(recipe="sample", scored_dirty=False, trained_dirty=False):
        again = replace(
            record,
            recipe=recipe,
            provenance=record.provenance | {"commit": "c" * 40, "dirty": scored_dirty},
            training=record.training | {"provenance": {"dirty": trained_dirty}},
        )
        return records.write(again, {"semantic": record.images()}, tmp_path / "work" / "records")

    return write


def plain(kind, folder, dirty=False):
    """Write a record that is one JSON alone; returns its file."""
    provenance = dict.fromkeys(records.PROVENANCE) | {"dirty": dirty, "device": "A GPU", "time": "2026-01-01"}
    if kind == "timing":
        seconds = {"forward": [0.25, 0.5]}
        return records.write_plain(Timing("forward", "sample/fcn8s_vgg16", {}, seconds, {}, provenance), folder)
    dataset = Dataset("voc2011", "seg11valid", 2, "1" * 64, "2" * 64, {"semantic": ["a", "b"]})
    bound = Bound({"down": "centre"}, 8, [3, 4], [5, 4], [3, 6])
    return records.write_plain(Bounds(dataset, [bound], provenance), folder)


def test_a_clean_record_is_copied_with_its_images_and_once(measured, tmp_path):
    file = measured()
    (copy,) = publish([file], "desk", tmp_path / "tables")
    assert copy == tmp_path / "tables" / "desk" / file.name
    assert records.read(copy).images().total().sum() > 0
    assert publish([file.parent], "desk", tmp_path / "tables") == [copy]


@pytest.mark.parametrize("kind", ["timing", "upper_bounds"])
def test_records_of_other_kinds_are_copied_whole_and_from_a_clean_tree_alone(kind, tmp_path):
    file = plain(kind, tmp_path / "work")
    (copy,) = publish([file], "desk", tmp_path / "tables")
    assert copy.read_bytes() == file.read_bytes() and records.read_any(copy).kind == kind
    assert publish([tmp_path / "work"], "desk", tmp_path / "tables") == [copy]  # again, with its folder
    for dirty in (True, None):
        changed = plain(kind, tmp_path / f"dirty {dirty}", dirty)
        with pytest.raises(UserError, match=f"{changed.stem} is not from a clean tree"):
            publish([file, changed], "other", tmp_path / "tables")
    assert not (tmp_path / "tables" / "other").exists()


@pytest.mark.parametrize("kind", ["timing", "upper_bounds"])
def test_a_tampered_record_of_another_kind_is_not_copied(kind, tmp_path):
    file = plain(kind, tmp_path / "work")
    file.write_text(file.read_text().replace("A GPU", "Another GPU"))
    with pytest.raises(UserError, match=f"{file.name}: the content does not match its digest"):
        publish([file], "desk", tmp_path / "tables")
    assert not (tmp_path / "tables").exists()


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"scored_dirty": True}, "not from a clean tree"),
        ({"trained_dirty": None}, "not from a clean tree"),
        ({"recipe": "changed"}, "changed settings"),
    ],
)
def test_other_records_are_refused_and_nothing_is_copied(measured, tmp_path, how, why):
    good = measured()
    with pytest.raises(UserError, match=why):
        publish([good, measured(**how)], "desk", tmp_path / "tables")
    assert not (tmp_path / "tables").exists()


def test_nothing_is_overwritten(measured, tmp_path):
    file = measured()
    (copy,) = publish([file], "desk", tmp_path / "tables")
    copy.write_text("{}")
    with pytest.raises(UserError, match="append-only"):
        publish([file], "desk", tmp_path / "tables")
    assert copy.read_text() == "{}"


def test_one_that_clashes_keeps_all_from_being_copied(measured, tmp_path):
    clashing, target = plain("timing", tmp_path / "work"), tmp_path / "tables"
    publish([clashing], "desk", target)
    (target / "desk" / clashing.name).write_text("{}")
    before = sorted(target.rglob("*"))
    with pytest.raises(UserError, match="append-only"):
        publish([measured(), clashing], "desk", target)
    assert sorted(target.rglob("*")) == before


def test_a_record_belongs_to_one_machine(measured, tmp_path):
    file, target = plain("timing", tmp_path / "work"), tmp_path / "tables"
    publish([file], "desk", target)
    with pytest.raises(UserError, match=f"{file.name} is there already, in .*desk"):
        publish([measured(), file], "other", target)
    assert not (target / "other").exists()


def test_bad_arguments_are_one_line(command, tmp_path):
    assert "no record" in command("publish", tmp_path, "--machine", "desk").complaint
    assert "no name for a folder" in command("publish", tmp_path, "--machine", "../desk").complaint
