"""`repro reproduce DATASET` from archives behind a server to the rendered table, with miniatures of the archives."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_server import LocalServer, Page
from miniature import archives, save_classifiers

from repro import records, report
from repro.models.segmentor import FCN

WIDTH = 1 / 16
FAST = {"train_cfg.max_iters": 2, "train_dataloader.num_workers": 0, "val_dataloader.num_workers": 0}
FAST |= {"train_dataloader.persistent_workers": False, "val_dataloader.persistent_workers": False}
NETS = {"nyudv2": 5, "siftflow": 7, "pascal_context": 3, "voc2011": 14}
WIDTHS = ("model.backbone.width", "model.backbone.stream.width")  # one of which each net has


@pytest.fixture
def server(monkeypatch, tmp_path) -> Iterator[LocalServer]:
    """A server of nothing yet, to which REPRO_MIRROR points, and an empty data folder with stand-in classifiers."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    save_classifiers(tmp_path / "data", WIDTH)
    with LocalServer() as running:
        monkeypatch.setenv("REPRO_MIRROR", running.url)
        yield running


def serve(server: LocalServer, dataset: str, folder: Path) -> None:
    packed = archives(dataset, folder / "drawn")
    server.pages = {f"/{name}": Page(content) for name, content in packed.items()}


@pytest.mark.parametrize("dataset", NETS)
def test_from_archives_to_the_table(server, command, tmp_path, monkeypatch, dataset):
    serve(server, dataset, tmp_path)
    arguments = ["reproduce", dataset, "--unverified", "--work-dirs", tmp_path / "runs"]
    widths = dict.fromkeys(WIDTHS[: 2 if dataset == "nyudv2" else 1], WIDTH)

    step, taken = FCN.train_step, []

    def interrupted(self, *args, **kwargs):
        taken.append(1)
        if len(taken) == 4:  # in the second net
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(FCN, "train_step", interrupted)
        assert command(*arguments, options=FAST | widths).code == 130
    asked = len(server.asked)
    outcome = command(*arguments, options=FAST | widths)
    assert outcome.code == 0, outcome.err[-2000:]
    assert len(server.asked) == asked, "what was downloaded is kept"

    assert json.loads((tmp_path / "data" / dataset / "prepared.json").read_text())["published"] is False
    found = records.read_all(tmp_path / "runs/records")
    assert len({record.experiment for record in found}) == NETS[dataset]
    assert {record.recipe for record in found} == {"changed"} and not any(record.claims for record in found)
    table = (tmp_path / "runs" / dataset / "table.md").read_text(encoding="utf-8")
    assert table.startswith("# ") and table in outcome.out
    cells = report.table(dataset, records_folders=[tmp_path / "runs/records"])
    assert len(cells) and cells["ours"].isna().all(), "a miniature fills no cell"


def test_without_leave_archives_of_other_content_are_refused(server, command, tmp_path):
    serve(server, "voc2011", tmp_path)
    complaint = command("reproduce", "voc2011", "--work-dirs", tmp_path / "runs").complaint
    assert "VOCtrainval_25-May-2011.tar" in complaint and "checksum differs" in complaint
    assert not list((tmp_path / "data/archives").glob("*.tar")), "nothing that is not the archive has its name"


def test_a_half_done_preparation_heals(server, command, tmp_path, monkeypatch):
    serve(server, "siftflow", tmp_path)
    root = tmp_path / "data/siftflow"
    arguments = ("prepare", "siftflow", "--unverified")
    written = []

    def interrupted(path, label):
        from repro.data.images import write_label

        written.append(path)
        if len(written) > 10:  # between two images
            raise KeyboardInterrupt
        write_label(path, label)

    with monkeypatch.context() as patched:
        patched.setattr("repro.data.siftflow.write_label", interrupted)
        assert command(*arguments).code == 130
    assert not (root / "lists").exists()
    assert json.loads((root / "prepared.json").read_text())["complete"] is False
    kept = {path: path.stat().st_mtime_ns for path in root.rglob("*.png")}
    assert kept
    assert command(*arguments).code == 0
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())
    assert not list(root.parent.glob(".*")), "nothing half-unpacked stays"
    checked = command("data", "check", "siftflow")
    assert checked.code == 0, checked.err
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    assert command(*arguments).code == 0
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*")}, "prepared once, left alone"
