"""A claim is answered on the published data alone: what was trained or scored on other archives answers none."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from mmseg.registry import MODELS

from repro import experiments, settings
from repro.data.prepared import Prepared, write
from repro.data.sample.folder import MANIFEST
from repro.data.splits import Split, ids_sha256, read_ids
from repro.data.voc2011 import LISTS, VOC2011
from repro.evaluate import evaluate
from repro.train import train
from repro.weights import store

NET = experiments.get("voc2011/fcn32s_vgg16")


def small(*args: Any, **kwargs: Any) -> Config:
    """A config whose experiment, as it stands on its card, takes a second."""
    config = settings.load_config(*args, **kwargs)
    config.train_cfg.max_iters = 1
    config.model.backbone.width = 1 / 32
    for loader in settings.LOADERS:
        config[loader].update(num_workers=0, persistent_workers=False)
    return config


@pytest.fixture
def folder(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The suite's own VOC folder: drawn images that pass for prepared archives, of which the lists are known."""
    monkeypatch.setattr("repro.train.load_config", small)
    monkeypatch.setattr("repro.evaluate.load_config", small)
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    root = Path(shutil.copytree(drawn, tmp_path / "data" / "voc2011"))
    (root / MANIFEST).unlink()
    lists = {path.stem: read_ids(path) for path in (root / LISTS).glob("*.txt")}
    monkeypatch.setattr(VOC2011, "SPLITS", {name: Split(len(ids), ids_sha256(ids)) for name, ids in lists.items()})
    return root


@pytest.mark.parametrize(
    ("trained_on_published", "scored_on_published"), [(True, True), (True, False), (False, True), (False, False)]
)
def test_only_published_data_answers_a_claim(folder, tmp_path, trained_on_published, scored_on_published):
    net = MODELS.build(small(NET).model)
    classifier = {name: tensor for name, tensor in net.state_dict().items() if name.startswith("backbone.")}
    store.save(store.Weights(classifier, "ilsvrc/vgg16", faithful=True), tmp_path / "vgg16.pth")
    write(folder, Prepared(published=trained_on_published))
    weights = train(NET, work_dirs=tmp_path, start=[tmp_path / "vgg16.pth"])
    assert store.load(weights).faithful == trained_on_published

    write(folder, Prepared(published=scored_on_published))
    record = evaluate(NET, work_dirs=tmp_path)
    assert record is not None and record.dataset.name == "voc2011"
    genuine = trained_on_published and scored_on_published
    assert record.recipe == ("release" if genuine else "changed")
    assert record.claims == (["caffe_release/voc2011/FCN-32s"] if genuine else [])
