"""Which measurements may answer a claim: those of weights trained as their card says, from parents that were, scored
on the experiment's own data. Every other way to the same tensors leads to a record marked "changed".
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from mmseg.registry import MODELS

import repro.models  # noqa: F401
from repro import experiments
from repro.data.splits import content_sha256
from repro.errors import UserError
from repro.evaluate import evaluate
from repro.experiments import read_card
from repro.settings import config_sha256, load_config
from repro.train import follows_card, train
from repro.weights import store

NAME = "sample/fcn16s_vgg16"
PARENT = "sample/fcn32s_vgg16"


@pytest.fixture
def faithful(drawn, monkeypatch) -> store.Weights:
    """Weights as the finished training of the unchanged experiment would leave them; its data folder is `drawn`."""
    monkeypatch.setenv("REPRO_DATA", str(drawn.parent))
    config = load_config(experiments.get(NAME))
    torch.manual_seed(0)
    tensors = MODELS.build(config.model).state_dict()
    training = {"iterations": 800, "seed": 1337}
    return store.Weights(tensors, NAME, config_sha256(config), "a" * 64, faithful=True, training=training)


def score(weights, folder, **changes):
    store.save(weights, folder / "w.pth")
    record = evaluate(experiments.get(NAME), work_dirs=folder, weights=folder / "w.pth", **changes)
    assert record is not None
    return record


def test_weights_of_the_unchanged_experiment_count(faithful, tmp_path):
    assert score(faithful, tmp_path).recipe == "sample"


@pytest.mark.parametrize(
    "change",
    [{"faithful": False}, {"experiment": PARENT}, {"config_sha256": "0" * 64}, {"experiment": "", "config_sha256": ""}],
)
def test_weights_of_another_making_do_not(faithful, tmp_path, change):
    record = score(replace(faithful, **change), tmp_path)
    assert (record.recipe, record.claims) == ("changed", [])


def test_a_plain_state_dict_does_not(faithful, tmp_path):
    torch.save(faithful.tensors, tmp_path / "plain.pth")
    record = evaluate(experiments.get(NAME), work_dirs=tmp_path, weights=tmp_path / "plain.pth")
    assert record is not None and record.recipe == "changed"


def test_other_data_or_settings_at_scoring_do_not(faithful, tmp_path, drawn):
    assert score(faithful, tmp_path, data_root=drawn).recipe == "changed"
    assert score(faithful, tmp_path, options={"model.decode_head.scales": {"pool4": 0.5}}).recipe == "changed"


def test_a_child_follows_its_card_only_if_its_parents_did():
    child = experiments.get(NAME)
    digest = config_sha256(load_config(child))
    parent = store.Weights({}, PARENT, faithful=True)
    assert follows_card(child, digest, [parent])
    assert not follows_card(child, digest, [replace(parent, faithful=False)])
    assert not follows_card(child, digest, [replace(parent, experiment="sample/classifier_vgg16")])
    assert not follows_card(child, digest, [])
    assert not follows_card(child, config_sha256(load_config(child, {"train_cfg.max_iters": 10})), [parent])
    assert follows_card(child, config_sha256(load_config(child, seed=7)), [parent]), "a seed is no other experiment"


def test_a_user_file_takes_neither_the_name_nor_the_claims_of_the_suite(tmp_path):
    copy = tmp_path / "voc2011" / "fcn16s_vgg16.py"
    copy.parent.mkdir()
    copy.write_text(experiments.get("voc2011/fcn16s_vgg16").path.read_text())
    card = read_card(copy)
    assert card.name == "local/fcn16s_vgg16" and card.claims == ()


def test_training_on_images_that_are_validated_on_is_refused(trained, drawn, tiny, tmp_path):
    options = tiny | {
        "train_dataloader.dataset.ann_file": "ImageSets/Segmentation/val.txt",
        "train_dataloader.dataset.data_prefix.seg_map_path": "SegmentationClass",
    }
    with pytest.raises(UserError, match=r"6 validation images are also trained on: 2011_0000"):
        train(
            experiments.get(PARENT),
            work_dirs=tmp_path,
            data_root=drawn,
            start=[trained / "sample/classifier_vgg16/weights.pth"],
            options=options,
        )
    assert not list(tmp_path.iterdir())


def test_content_hash_sees_every_byte_and_no_order(tmp_path):
    items = []
    for name in "ab":
        paths = [tmp_path / f"{name}.{suffix}" for suffix in ("jpg", "png")]
        for path in paths:
            path.write_text(path.name)
        items.append({"img_id": name, "img_path": str(paths[0]), "seg_map_path": str(paths[1])})
    before = content_sha256(items)
    assert content_sha256(items[::-1]) == before == content_sha256([*items, items[0]])
    (tmp_path / "b.png").write_text("b.pnh")
    assert content_sha256(items) != before


def test_what_goes_on_from_a_released_net_was_not_trained_here(faithful):
    """From a converted classifier every chain begins; what starts from the authors' own FCN is partly theirs."""
    child = experiments.get("voc2011/fcn16s_vgg16")
    digest = config_sha256(load_config(child))
    told = {"released": True, "file": "f.caffemodel", "sha256": "0" * 64}
    parent = replace(faithful, experiment="voc2011/fcn32s_vgg16", training=told)
    assert not follows_card(child, digest, [parent])
    assert follows_card(child, digest, [replace(parent, training={})])
    first = experiments.get("voc2011/fcn32s_vgg16")
    classifier = replace(faithful, experiment="ilsvrc/vgg16", training=told)
    assert follows_card(first, config_sha256(load_config(first)), [classifier])


class Poison:
    """A pickle that writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("setting", ["load_from", "resume", "model.init_cfg"])
def test_no_setting_lets_mmengine_read_a_file(command, tmp_path, drawn, setting):
    """mmengine's own loader unpickles, and so runs, whatever a file holds."""
    torch.save({"state_dict": Poison(tmp_path / "victim")}, tmp_path / "poison.pth")
    poison = str(tmp_path / "poison.pth")
    value = {"type": "Pretrained", "checkpoint": poison} if setting == "model.init_cfg" else poison
    arguments = ("train", PARENT, "--data", drawn, "--work-dirs", tmp_path / "runs")
    assert command(*arguments, options={setting: value}).code == 2
    mine = tmp_path / "mine.py"
    mine.write_text(
        '"""Mine."""\nfrom mmengine.config import read_base\n\nwith read_base():\n'
        f"    from repro.configs.sample.fcn32s_vgg16 import *\n\n{setting} = {value!r}\n"
        'experiment = dict(recipe="sample")\n'
    )
    complaint = command("train", mine, "--data", drawn, "--work-dirs", tmp_path / "runs").complaint
    assert f"sets {setting.removeprefix('model.')}" in complaint and "--start" in complaint
    assert not (tmp_path / "victim").exists()
