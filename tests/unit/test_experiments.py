"""The experiments: what their cards say, and the two recipes as the paper and the released nets have them."""

import csv
import inspect
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmseg.registry import MODELS

import repro
from repro import experiments
from repro.data.samplers import WithReplacement
from repro.errors import UserError
from repro.settings import config_sha256, dataset_name, load_config

CARDS = experiments.find()
VOC = [name for name in CARDS if name.startswith("voc2011/")]


@pytest.fixture(scope="module")
def configs() -> dict[str, Config]:
    return {name: Config.fromfile(card.path) for name, card in CARDS.items()}


def test_each_config_is_one_experiment_with_a_card_of_its_own():
    files = [path for path in experiments.CONFIGS.glob("[!_]*/*.py") if path.stem != "__init__"]
    assert len(files) == len(CARDS) >= 20
    for name, card in CARDS.items():
        assert card.summary and card.recipe in ("release", "cvpr2015", "sample"), name
        text = card.path.read_text(encoding="utf-8")
        assert text.count("experiment = dict(") == 1, f"{name} would inherit its parent's card"
    summaries = Counter(card.summary for card in CARDS.values())
    assert max(summaries.values()) == 1, "a summary names one row"


def test_every_claim_is_printed_somewhere_and_answered_once():
    printed = set()
    for path in (Path(repro.__file__).parents[1] / "baselines/claims").glob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            printed |= {f"{path.stem}/{row['table']}/{row['row']}" for row in csv.DictReader(file)}
    claimed = Counter(claim for card in CARDS.values() for claim in card.claims)
    assert set(claimed) <= printed
    assert max(claimed.values()) == 1
    for name, card in CARDS.items():
        sources = {"release": "caffe_release", "cvpr2015": "cvpr2015"}
        assert all(claim.split("/")[0] == sources[card.recipe] for claim in card.claims), f"{name}: another recipe"


def test_every_parent_exists_and_is_of_the_same_recipe_and_net():
    for card in CARDS.values():
        for name in card.starts_from:
            if experiments.is_ilsvrc(name):
                assert name in experiments.STAND_INS
                continue
            parent = CARDS[name]
            assert parent.recipe == card.recipe
            same_net = parent.name.rpartition("_")[2] == card.name.rpartition("_")[2]
            assert same_net or card.group in ("ablations", "nyudv2")
    trunks = {"vgg16": "ilsvrc/vgg16", "alexnet": "ilsvrc/caffenet", "googlenet": "ilsvrc/googlenet"}
    for name in VOC:
        if "fcn32s" in name or "atonce" in name:
            assert CARDS[name].starts_from == tuple(start for trunk, start in trunks.items() if trunk in name)
    assert CARDS["voc2011/fcn8s_vgg16"].starts_from == ("voc2011/fcn16s_vgg16",)
    assert CARDS["voc2011/fcn8s_vgg16_cvpr"].starts_from == ("voc2011/fcn16s_vgg16_cvpr",)
    assert CARDS["nyudv2/fcn32s_rgb_hha"].starts_from == ("nyudv2/fcn32s_rgb", "nyudv2/fcn32s_hha")


RELEASE = {  # rate, iterations of one image
    "voc2011/fcn32s_vgg16": (1e-10, 100_000),
    "voc2011/fcn32s_fixed_vgg16": (1e-10, 100_000),
    "voc2011/fcn16s_vgg16": (1e-12, 100_000),
    "voc2011/fcn8s_vgg16": (1e-14, 100_000),
    "voc2011/fcn8s_atonce_vgg16": (1e-10, 300_000),
    "nyudv2/fcn32s_rgb": (1e-10, 100_000),
    "nyudv2/fcn32s_rgbd": (1e-10, 100_000),
    "nyudv2/fcn32s_hha": (1e-10, 100_000),
    "nyudv2/fcn32s_rgb_hha": (1e-12, 100_000),
    "nyudv2/fcn16s_rgb_hha": (1e-12, 100_000),
    "siftflow/fcn32s_vgg16": (1e-10, 100_000),
    "siftflow/fcn16s_vgg16": (1e-12, 100_000),
    "siftflow/fcn8s_vgg16": (1e-12, 100_000),
    "siftflow/fcn32s_semantic_vgg16": (1e-10, 100_000),
    "siftflow/fcn16s_semantic_vgg16": (1e-12, 100_000),
    "siftflow/fcn32s_geometric_vgg16": (1e-10, 100_000),
    "siftflow/fcn16s_geometric_vgg16": (1e-12, 100_000),
    "pascal_context/fcn32s_vgg16": (1e-10, 400_000),
    "pascal_context/fcn16s_vgg16": (1e-12, 400_000),
    "pascal_context/fcn8s_vgg16": (1e-14, 400_000),
    "torchvision/fcn32s_vgg16": (1e-10, 100_000),
    "torchvision/fcn32s_vgg16_features": (1e-10, 100_000),
    "camvid/fcn32s_vgg16": (1e-10, 100_000),
    "camvid/fcn16s_vgg16": (1e-12, 100_000),
    "camvid/fcn8s_vgg16": (1e-14, 100_000),
}
CVPR = {  # rate, training images
    "voc2011/fcn32s_vgg16_cvpr": (1e-4, 8498),
    "voc2011/fcn32s_fixed_vgg16_cvpr": (1e-4, 8498),
    "voc2011/fcn16s_vgg16_cvpr": (1e-6, 8498),
    "voc2011/fcn8s_vgg16_cvpr": (1e-8, 8498),
    "voc2011/fcn32s_googlenet": (5e-5, 8498),
    "torchvision/fcn32s_googlenet": (5e-5, 8498),
    "voc2011/fcn32s_vgg16_voc_cvpr": (1e-4, 1112),
    "voc2011/fcn32s_alexnet_voc_cvpr": (1e-3, 1112),
    "voc2011/fcn32s_googlenet_voc_cvpr": (5e-5, 1112),
}
ALEXNETS = ("voc2011/fcn32s_alexnet", "torchvision/fcn32s_alexnet")
PATCHES = {  # those of Figure 5: the experiment on whole images, the share of cells that is kept
    "voc2011_ablations/fcn32s_vgg16_patches_50": ("voc2011/fcn32s_vgg16_cvpr", 0.5),
    "voc2011_ablations/fcn32s_vgg16_patches_25": ("voc2011/fcn32s_vgg16_cvpr", 0.25),
    "ablations/fcn32s_sample_patches_50": ("ablations/fcn32s_sample_patches_100", 0.5),
    "ablations/fcn32s_sample_patches_25": ("ablations/fcn32s_sample_patches_100", 0.25),
}


def test_the_tables_above_leave_no_experiment_out():
    published = {name for name, card in CARDS.items() if card.recipe != "sample"}
    assert published == {*RELEASE, *CVPR, *ALEXNETS, *(name for name in PATCHES if name.startswith("voc2011"))}


@pytest.mark.parametrize(("name", "rate", "iterations"), [(name, *row) for name, row in RELEASE.items()])
def test_the_heavy_recipe(configs, name, rate, iterations):
    config, optimizer = configs[name], configs[name].optim_wrapper.optimizer
    assert CARDS[name].recipe == "release"
    assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (rate, 0.99, 5e-4)
    assert config.optim_wrapper.get("accumulative_counts", 1) == 1
    assert config.train_cfg.max_iters == iterations
    for head in heads(config).values():
        assert head.loss.reduction == "sum" and not head.get("learned_upsampling", False)


def heads(config: Config) -> dict[str, Any]:
    found = {name: config.model.get(name) for name in ("decode_head", "geometric_head")}
    return {name: head for name, head in found.items() if head}


@pytest.mark.parametrize(("name", "rate", "images"), [(name, *row) for name, row in CVPR.items()])
def test_the_cvpr_recipe(configs, name, rate, images):
    config, optimizer = configs[name], configs[name].optim_wrapper.optimizer
    assert CARDS[name].recipe == "cvpr2015"
    assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (rate, 0.9, 5e-4)
    assert config.optim_wrapper.accumulative_counts == 20
    assert config.train_cfg.max_iters == 175 * images
    assert config.model.decode_head.loss.reduction == "mean"
    assert config.model.decode_head.get("learned_upsampling", False) == ("fcn32s" not in name)
    lists = {8498: ("sbd_train", "SegmentationClassSBD", "seg11valid"), 1112: ("train", "SegmentationClass", "val")}
    train, valid = config.train_dataloader.dataset, config.val_dataloader.dataset
    stems = Path(train.ann_file).stem, train.data_prefix.seg_map_path, Path(valid.ann_file).stem
    assert stems == lists[images]
    assert valid.data_prefix.seg_map_path == "SegmentationClass"


@pytest.mark.parametrize("name", ALEXNETS)
def test_alexnets_released_recipe_is_its_own(configs, name):
    config = configs[name]
    assert CARDS[name].recipe == "release"
    optimizer = config.optim_wrapper.optimizer
    assert (optimizer.lr, optimizer.momentum, optimizer.weight_decay) == (1e-4, 0.9, 5e-4)
    assert config.optim_wrapper.accumulative_counts == 20 and config.train_cfg.max_iters == 20 * 100_000
    assert config.model.decode_head.loss.reduction == "mean"


@pytest.mark.parametrize(("name", "whole", "sampled"), [(name, *row) for name, row in PATCHES.items()])
def test_patches_take_as_many_more_images_an_update(configs, name, whole, sampled):
    """And differ in nothing else: the same start, rate, data and number of images in all."""
    one, two = configs[whole].to_dict(), configs[name].to_dict()
    assert CARDS[name].starts_from == CARDS[whole].starts_from and not CARDS[name].claims
    assert two["model"]["decode_head"]["loss"].pop("sampled") == sampled
    images = two["optim_wrapper"].pop("accumulative_counts"), one["optim_wrapper"].pop("accumulative_counts", 1)
    assert images[0] * sampled == images[1]
    assert {key for key in one | two if one.get(key) != two.get(key)} <= {"experiment"}


@pytest.mark.parametrize("name", [*VOC, *(name for name in CARDS if name.startswith("torchvision/"))])
def test_biases_train_at_twice_the_rate_undecayed(configs, name):
    config = configs[name]
    config.model.backbone.width = 1 / 64
    net = MODELS.build(config.model)
    optimizer = build_optim_wrapper(net, config.optim_wrapper).optimizer
    settings = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    rate = config.optim_wrapper.optimizer.lr
    for parameter_name, parameter in net.named_parameters():
        if not parameter.requires_grad:
            continue
        doubled = parameter_name.endswith(".bias")
        if name in ALEXNETS:
            doubled = parameter_name == "decode_head.score_fr.bias"
        found = settings[id(parameter)]
        assert found["lr"] == pytest.approx(rate * (2 if doubled else 1)), parameter_name
        assert found["weight_decay"] == (0 if doubled else 5e-4), parameter_name


def means(name: str) -> list[float]:
    """What facts about the released nets say is subtracted, channel by channel."""
    color, hha = [116.190, 97.203, 92.318], [132.431, 94.076, 118.477]
    group, _, net = name.partition("/")
    if group == "nyudv2":
        return {"rgb": color, "rgbd": [*color, 7.844], "hha": hha, "rgb_hha": color + hha}[net.split("_", 1)[1]]
    if group == "torchvision":  # 255 times what its own transforms subtract, in the order of BGR
        imagenet = [103.53, 116.28, 123.675]
        return {"fcn32s_vgg16_features": [103.9992, 116.9991, 122.99925], "fcn32s_googlenet": [127.5] * 3}.get(
            net, imagenet
        )
    return [114.578, 115.294, 108.353] if group == "siftflow" else [104.00699, 116.66877, 122.67892]


@pytest.mark.parametrize("name", CARDS)
def test_images_come_one_by_one_with_replacement_and_unaugmented(configs, name):
    config = configs[name]
    assert config.randomness.seed == 1337
    assert config.train_dataloader.sampler.type is WithReplacement
    if "classifier" in name:
        return
    assert config.train_dataloader.batch_size == config.val_dataloader.batch_size == 1
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        steps = [step.type.__name__ for step in loader.dataset.pipeline]
        assert set(steps) <= {"LoadImage", "LoadHHA", "StackDepth", "StackHHA", "LoadLabel", "PackInputs"}
    assert config.val_dataloader.sampler.shuffle is False
    mean = means(name)
    assert list(config.model.data_preprocessor.mean) == mean


def test_strides_are_what_the_names_say(configs):
    fused: dict[str, tuple[str, ...]] = {"fcn32s": (), "fcn16s": ("pool4",), "fcn8s": ("pool4", "pool3")}
    for name in CARDS:
        if "classifier" in name or name.startswith("ablations/"):
            continue
        for head in heads(configs[name]).values():
            assert tuple(head.get("fuse", ())) == fused[name.split("/")[1].split("_")[0]], name
            scales = {"pool4": 0.01, "pool3": 0.0001} if "atonce" in name else None
            assert head.get("scales") == scales


def test_heads_have_their_datasets_classes(configs):
    counts = {"voc2011": 21, "torchvision": 21, "nyudv2": 40, "siftflow": 33, "pascal_context": 60, "camvid": 11}
    for name, config in configs.items():
        group = CARDS[name].group
        if group not in counts:
            continue
        classes = {"decode_head": counts[group], "geometric_head": 3}
        assert {head: part.num_classes for head, part in heads(config).items()} == {
            head: classes[head] for head in heads(config)
        }
        scored = {"decode_head": "semantic", "geometric_head": "geometric"}
        assert config.test_evaluator.num_classes == {scored[head]: classes[head] for head in heads(config)}
    assert set(heads(configs["siftflow/fcn16s_vgg16"])) == {"decode_head", "geometric_head"}
    assert set(heads(configs["siftflow/fcn16s_semantic_vgg16"])) == {"decode_head"}
    assert set(heads(configs["siftflow/fcn16s_geometric_vgg16"])) == {"geometric_head"}


def test_the_sample_is_an_eighth_as_wide_with_a_mean_loss(configs):
    for name in ("fcn32s_vgg16", "fcn16s_vgg16", "fcn8s_vgg16"):
        config = configs[f"sample/{name}"]
        assert config.model.backbone.width == 1 / 8
        assert config.model.decode_head.loss.reduction == "mean"
        assert config.train_dataloader.dataset.data_root == "data/sample"
        assert not CARDS[f"sample/{name}"].claims, "drawn images compare with no claim"


def test_no_child_changes_what_it_inherits(configs):
    """The configs of a chain differ in head and optimiser only; nets they start from must stay themselves."""
    for parent, child in (("fcn32s_vgg16", "fcn16s_vgg16"), ("fcn16s_vgg16", "fcn8s_vgg16")):
        one, two = (configs[f"voc2011/{name}"].to_dict() for name in (parent, child))
        assert {key for key in one if one[key] != two[key]} == {"model", "optim_wrapper", "experiment"}


def test_get_suggests_the_nearest():
    with pytest.raises(UserError, match=r"unknown experiment 'voc2011/fcn8s_vgg'; did you mean voc2011/fcn8s_vgg16"):
        experiments.get("voc2011/fcn8s_vgg")
    with pytest.raises(UserError, match=r"unknown experiment 'zzz'; `repro list` shows all"):
        experiments.get("zzz")


def test_a_chain_has_parents_first():
    names = [experiment.name for experiment in experiments.chain("voc2011")]
    assert sorted(names) == sorted(VOC)
    for name in names:
        for parent in CARDS[name].starts_from:
            assert parent not in names or names.index(parent) < names.index(name)
    sample = [experiment.name.split("/")[1] for experiment in experiments.chain("sample")]
    assert sample == ["classifier_vgg16", "fcn32s_vgg16", "fcn16s_vgg16", "fcn8s_vgg16"], "no other classifier"
    nyudv2 = [experiment.name.split("/")[1] for experiment in experiments.chain("nyudv2")]
    assert nyudv2.index("fcn32s_rgb_hha") > max(nyudv2.index("fcn32s_rgb"), nyudv2.index("fcn32s_hha"))


def test_any_experiment_runs_on_the_sample():
    """The same graph and loader, narrow and quick; and never a name or a claim of the real one."""
    for name, card in CARDS.items():
        if card.recipe == "sample" or card.group == "camvid":
            continue
        small, config = experiments.get(f"sample/{name}"), load_config(card)
        assert (small.name, small.recipe, small.claims) == (f"sample/{name}", "sample", ())
        assert all(experiments.get(parent).recipe == "sample" for parent in small.starts_from)
        drawn = load_config(small)
        backbone = drawn.model.backbone.get("stream", drawn.model.backbone)
        assert backbone.width == 1 / 8 and backbone.dropout == 0
        assert [step.type for step in drawn.train_dataloader.dataset.pipeline] == [
            step.type for step in config.train_dataloader.dataset.pipeline
        ]
        for head in heads(drawn).values():
            assert head.loss.reduction == "mean"
        whole = all(head.loss.get("sampled", 1) == 1 for head in heads(drawn).values())
        assert drawn.train_cfg.max_iters <= 1000
        assert drawn.optim_wrapper.accumulative_counts == (1 if whole else 1 / drawn.model.decode_head.loss.sampled)
        assert {part.dataset.data_root for part in (drawn.train_dataloader, drawn.test_dataloader)} == {
            "data/sample"
            if card.group in ("voc2011", "voc2011_ablations", "torchvision")
            else f"data/sample_{card.group}"
        }
        assert config_sha256(drawn) != config_sha256(config)


MINE = '''"""Mine: 32s, but slower.

More words.
"""
from mmengine.config import read_base

with read_base():
    from repro.configs.sample.fcn32s_vgg16 import *

optim_wrapper.optimizer.update(lr=1e-5)
train_dataloader.dataset.update(data_root="/somewhere/else")
experiment = dict(recipe="sample", starts_from="sample/classifier_vgg16", claims=["cvpr2015/table2/FCN-32s"])
'''


def test_a_config_of_the_users_own(tmp_path):
    folder = tmp_path / "my nets.v2"
    folder.mkdir()
    (folder / "mine.py").write_text(MINE)
    card = experiments.get(str(folder / "mine.py"))
    assert (card.name, card.summary, card.claims) == ("local/mine", "Mine: 32s, but slower.", ()), (
        "claims are the suite's"
    )
    config = load_config(card)
    assert config.optim_wrapper.optimizer.lr == 1e-5
    assert config.train_dataloader.dataset.data_root == "/somewhere/else", "a folder of one's own stays"


def test_datasets_lie_under_repro_data(monkeypatch, tmp_path):
    card = experiments.get("voc2011/fcn32s_vgg16")
    monkeypatch.delenv("REPRO_DATA", raising=False)
    assert load_config(card).train_dataloader.dataset.data_root == "data/voc2011"
    monkeypatch.setenv("REPRO_DATA", str(tmp_path))
    config = load_config(card)
    for loader in (config.train_dataloader, config.val_dataloader, config.test_dataloader):
        assert loader.dataset.data_root == str(tmp_path / "voc2011")
    assert dataset_name(config, "train_dataloader") == "voc2011"
    config = load_config(card, data_root=tmp_path / "my data.2")
    assert config.test_dataloader.dataset.data_root == str(tmp_path / "my data.2")
    assert dataset_name(config, "test_dataloader") == "my-data-2", "as a record may hold it"


def test_options_change_the_config_and_its_hash():
    card = experiments.get("voc2011/fcn32s_vgg16")
    plain = config_sha256(load_config(card))
    options: dict[str, Any] = {"optim_wrapper.optimizer.lr": 1e-11, "model.backbone.width": 0.5}
    changed = load_config(card, options | {"train_dataloader.dataset.pipeline.1.num_classes": 9}, seed=7)
    assert changed.optim_wrapper.optimizer.lr == 1e-11 and changed.model.backbone.width == 0.5
    assert changed.train_dataloader.dataset.pipeline[1].num_classes == 9 and changed.randomness.seed == 7
    assert config_sha256(changed) != plain
    assert config_sha256(load_config(card, seed=7)) == plain, "a seed makes no other experiment"
    moved = load_config(card, data_root=Path("/elsewhere"))
    moved.work_dir = "/runs"
    assert config_sha256(moved) == plain, "nor does a folder"


@pytest.mark.parametrize(
    "key",
    [
        "model.backbone.widht",
        "modle.backbone.width",
        "model.0",
        "optim_wrapper.lr",
        "",
        "model.data_preprocessor.mean.0",
        "custom_hooks.9.type",
    ],
)
def test_a_mistyped_option_is_refused(key):
    with pytest.raises(UserError, match="has no setting"):
        load_config(experiments.get("voc2011/fcn32s_vgg16"), {key: 1})


def test_validation_options_hold_for_the_test_as_well():
    card = experiments.get("sample/fcn32s_vgg16")
    assert load_config(card, {"val_dataloader.num_workers": 3}).test_dataloader.num_workers == 3


def test_configs_name_every_module_they_use():
    """Only what mmengine alone can import: a stock Runner knows none of this suite's registrations."""
    for name, card in CARDS.items():
        config = Config.fromfile(card.path)
        for part in (config.model, config.model.backbone, config.train_dataloader.dataset):
            assert inspect.isclass(part.type), f"{name}: {part.type} is a name, not a class"
    assert torch.get_default_device().type == "cpu"
