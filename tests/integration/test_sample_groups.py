"""`repro reproduce GROUP --sample`: every chain from its drawing to the filled table, in miniature."""

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import repro
from repro import experiments, records, report
from repro.prepare import WRITERS
from repro.sample import folder_of
from repro.weights import store

NETS = {"voc2011": 14, "nyudv2": 5, "siftflow": 7, "pascal_context": 3}


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """The four samples, at 8 and 2 images."""
    folder = tmp_path_factory.mktemp("data")
    for dataset, name in WRITERS.items():
        writer = importlib.import_module(f"repro.data.sample.{name}")
        getattr(writer, f"write_{name}")(folder / folder_of(dataset), train=8, val=2)
    return folder


@pytest.fixture(scope="module")
def work_dirs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(autouse=True)
def quick(monkeypatch, data):
    """The unchanged experiments on the small drawings, two iterations a stage; the classifier is shared."""
    monkeypatch.setenv("REPRO_DATA", str(data))
    monkeypatch.setattr("repro.sample.WIDTH", 1 / 32)
    monkeypatch.setattr("repro.sample.FIRST", 2)
    monkeypatch.setattr("repro.sample.FINER", 2)


OPTIONS = {"train_dataloader.batch_size": 2, "model.backbone.width": 1 / 32, "train_cfg.max_iters": 2}


@pytest.fixture
def classifiers(work_dirs) -> None:
    """The three classifiers of the sample, hardly trained."""
    from repro.train import train

    for name in ("vgg16", "alexnet", "googlenet"):
        if not (work_dirs / f"sample/classifier_{name}/weights.pth").is_file():
            experiment = experiments.get(f"sample/classifier_{name}")
            path = train(experiment, work_dirs=work_dirs, options=OPTIONS)
            weights = store.load(path)
            store.save(store.Weights(**{**vars(weights), "faithful": True}), path)


@pytest.mark.parametrize("group", NETS)
def test_a_group_on_the_sample_ends_with_every_row_filled(command, classifiers, work_dirs, group):
    outcome = command("reproduce", group, "--sample", "--work-dirs", work_dirs)
    assert outcome.code == 0, outcome.err[-3000:]
    table = (work_dirs / "sample" / group / "table.md").read_text(encoding="utf-8")
    assert table in outcome.out and "No records yet" not in table
    rows = [line for line in table.splitlines() if line.startswith("| FCN")]
    assert len(rows) >= NETS[group] - 2 and not [row for row in rows if "—" in row], "all rows filled"
    found = [record for record in records.read_all(work_dirs / "records") if f"sample/{group}/" in record.experiment]
    assert len(found) == NETS[group]
    assert {record.recipe for record in found} == {"sample"} and not any(record.claims for record in found)
    cells = report.table(group, records_folders=[work_dirs / "records"])
    assert cells["ours"].isna().all(), "nothing of it fills a cell of the real table"
    assert list((work_dirs / "sample" / group).glob("predictions*.png"))


def net_of(work_dirs: Path, name: str):
    return repro.load(name, work_dirs / name / "weights.pth")


def test_loaded_nets_take_and_give_what_their_modality_says(command, classifiers, work_dirs):
    for group in ("siftflow", "nyudv2"):
        assert command("reproduce", group, "--sample", "--work-dirs", work_dirs).code == 0
    with torch.inference_mode():
        semantic, geometric = net_of(work_dirs, "sample/siftflow/fcn8s_vgg16")(torch.zeros(1, 3, 37, 50), mode="tensor")
        assert semantic.shape == (1, 33, 37, 50) and geometric.shape == (1, 3, 37, 50)
        for name, channels in (("rgb", 3), ("rgbd", 4), ("hha", 3), ("rgb_hha", 6)):
            net = net_of(work_dirs, f"sample/nyudv2/fcn32s_{name}")
            assert net(torch.zeros(1, channels, 37, 50), mode="tensor").shape == (1, 40, 37, 50)
    fused = store.load(work_dirs / "sample/nyudv2/fcn32s_rgb_hha/weights.pth")
    parents = [store.load(work_dirs / f"sample/nyudv2/fcn32s_{name}/weights.pth").sha256 for name in ("rgb", "hha")]
    assert fused.parent_sha256 == "+".join(parents) and fused.faithful


def test_pictures_of_every_label_set(command, classifiers, work_dirs, tmp_path):
    assert command("reproduce", "siftflow", "--sample", "--work-dirs", work_dirs).code == 0
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 52, 3), np.uint8)).save(tmp_path / "a.png")

    def predict(net: str, *arguments: object):
        name = f"sample/siftflow/{net}_vgg16"
        return command("predict", tmp_path / "a.png", "--experiment", name, "--work-dirs", work_dirs, *arguments)

    both = tmp_path / "both"
    assert predict("fcn16s", "--out", both).code == 0
    names = {path.name for path in both.iterdir()}
    assert names == {"a.png", "a_overlay.png", "a_geometric.png", "a_geometric_overlay.png"}
    alone = tmp_path / "alone"
    assert predict("fcn16s_geometric", "--out", alone).code == 0
    assert {path.name for path in alone.iterdir()} == {"a_geometric.png", "a_geometric_overlay.png"}
    with Image.open(alone / "a_geometric.png") as labels:
        assert np.array(labels).max() < 3
    assert predict("fcn16s_geometric", "--out", tmp_path / "heat", "--heatmap", "vertical").code == 0
    assert "knows no class 'bird'" in predict("fcn16s_geometric", "--heatmap", "bird").complaint
    assert predict("fcn16s", "--out", tmp_path / "heat", "--heatmap", "bird").code == 0


def test_nets_that_read_depth_say_so(command, tmp_path):
    Image.new("RGB", (20, 20)).save(tmp_path / "a.png")
    complaint = command("predict", tmp_path / "a.png", "--experiment", "nyudv2/fcn32s_rgb_hha").complaint
    assert "reads depth (StackHHA)" in complaint


def test_a_fused_net_wants_both_its_parents(command, classifiers, work_dirs, tmp_path):
    start = work_dirs / "sample/classifier_vgg16/weights.pth"
    for count in (1, 3):
        arguments = [part for _ in range(count) for part in ("--start", start)]
        complaint = command("train", "nyudv2/fcn32s_rgb_hha", "--work-dirs", tmp_path, *arguments).complaint
        assert "starts from nyudv2/fcn32s_rgb and nyudv2/fcn32s_hha: give --start once for each" in complaint


def test_a_folder_of_ones_own_holds_for_the_group_alone(command, classifiers, work_dirs, data, tmp_path):
    """The classifier that a group starts from is trained on its own data."""
    (tmp_path / "mine").symlink_to(data / "sample_pascal_context")
    outcome = command(
        "reproduce", "pascal_context", "--sample", "--data", tmp_path / "mine", "--work-dirs", tmp_path / "runs",
        options=OPTIONS | {"train_dataloader.batch_size": 1},
    )  # fmt: skip
    assert outcome.code == 0, outcome.err[-2000:]
    found = records.read_all(tmp_path / "runs/records")
    assert {record.dataset.name for record in found} == {"mine"} and {record.recipe for record in found} == {"changed"}
