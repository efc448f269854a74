"""FCN as mmseg's runner meets it: built by name, trained, asked for predictions, with one head or two."""

import subprocess
import sys

import pytest
import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.nn import functional

import repro.models  # noqa: F401  (registers the names below)
from repro.errors import UserError

CLASSES, GEOMETRIC = 5, 3


@pytest.fixture(autouse=True)
def scope():
    """What a runner sets from `default_scope`: mmseg's own parts are found by name."""
    with DefaultScope.overwrite_default_scope("mmseg"):
        yield


def config(**options) -> dict:
    loss = dict(type="PixelSoftmaxLoss", reduction="mean")
    return dict(
        type="FCN",
        data_preprocessor=dict(type="SubtractMean", mean=[126.0, 127.0, 128.0]),
        backbone=dict(type="VGG16", width=1 / 16),
        decode_head=dict(type="SkipHead", num_classes=CLASSES, fuse=("pool4",), loss=loss),
        **options,
    )


def two_heads() -> dict:
    loss = dict(type="PixelSoftmaxLoss", reduction="mean")
    return config(geometric_head=dict(type="SkipHead", num_classes=GEOMETRIC, fuse=("pool4",), loss=loss))


def build(settings: dict):
    torch.manual_seed(0)
    net = MODELS.build(settings)
    for head in net.heads.values():
        for layer in (head.score_fr, head.score_pool4):
            torch.nn.init.normal_(layer.weight)
    return net


def batch(*sizes: tuple[int, int], seed: int = 0) -> dict:
    """Images and both label maps as a data loader collates them."""
    generator = torch.Generator().manual_seed(seed)
    inputs, samples = [], []
    for size in sizes:
        inputs.append(torch.randint(256, (3, *size), generator=generator, dtype=torch.uint8))
        sample = SegDataSample(metainfo={"img_shape": size, "ori_shape": size})
        for field, classes in (("gt_sem_seg", CLASSES), ("gt_geo_seg", GEOMETRIC)):
            labels = torch.randint(classes, (1, *size), generator=generator)
            labels[:, 0] = 255
            sample.set_field(PixelData(data=labels), field, dtype=PixelData)
        samples.append(sample)
    return {"inputs": inputs, "data_samples": samples}


def labels(data: dict, field: str) -> Tensor:
    return torch.cat([sample.get(field).data for sample in data["data_samples"]])


@pytest.mark.parametrize(
    "name", ["FCN", "VGG16", "CaffeNet", "GoogLeNet", "SkipHead", "PixelSoftmaxLoss", "Classifier"]
)
def test_parts_are_registered_with_mmseg(name):
    assert MODELS.get(name).__module__.startswith("repro.models.")


def test_a_plain_config_with_custom_imports_builds_it(tmp_path):
    path = tmp_path / "fcn16s.py"
    path.write_text(
        "default_scope = 'mmseg'\n"
        "custom_imports = dict(imports=['repro.models'], allow_failed_imports=False)\n"
        f"model = {config()!r}\n"
    )
    script = (
        "import sys, torch\n"
        "from mmengine.config import Config\n"
        "from mmengine.registry import MODELS, init_default_scope\n"
        "config = Config.fromfile(sys.argv[1])\n"
        "init_default_scope(config.default_scope)\n"
        "print(*MODELS.build(config.model)(torch.zeros(1, 3, 9, 7)).shape)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", str(CLASSES), "9", "7"]


def test_tensor_mode_gives_scores():
    net = build(config()).eval()
    x = torch.randn(2, 3, 20, 33)
    scores = net(x, mode="tensor")
    assert scores.shape == (2, CLASSES, 20, 33) and scores.any()
    assert torch.equal(scores, net.encode_decode(x))


def test_loss_mode_compares_scores_with_labels():
    net, data = build(config()).eval(), batch((20, 33), (20, 33))
    data = net.data_preprocessor(data, training=True)
    losses = net(**data, mode="loss")
    assert list(losses) == ["loss_semantic"]
    expected = functional.cross_entropy(net(data["inputs"]), labels(data, "gt_sem_seg"), ignore_index=255)
    torch.testing.assert_close(losses["loss_semantic"], expected)


def test_predict_mode_gives_each_pixels_best_class():
    net, data = build(config()).eval(), batch((70, 97), (70, 97))
    data = net.data_preprocessor(data, training=False)
    samples = net(**data, mode="predict")
    assert samples is data["data_samples"]
    best = net(data["inputs"]).argmax(dim=1)
    assert torch.equal(torch.stack([sample.pred_sem_seg.data for sample in samples]), best[:, None])
    assert len(best.unique()) > 1


def test_predict_needs_no_samples():
    samples = build(config()).eval()(torch.randn(2, 3, 8, 9), mode="predict")
    assert [sample.pred_sem_seg.data.shape for sample in samples] == [(1, 8, 9)] * 2


def test_the_mean_is_subtracted():
    net, data = build(config()), batch((6, 7))
    expected = torch.stack(data["inputs"]) - torch.tensor([126.0, 127.0, 128.0])[:, None, None]
    assert torch.equal(net.data_preprocessor(data, training=True)["inputs"], expected)


def test_two_heads_give_two_scores_two_losses_and_two_predictions():
    net, data = build(two_heads()).eval(), batch((20, 33))
    data = net.data_preprocessor(data, training=True)
    semantic, geometric = net(data["inputs"])
    assert semantic.shape == (1, CLASSES, 20, 33)
    assert geometric.shape == (1, GEOMETRIC, 20, 33)
    assert torch.equal(net.encode_decode(data["inputs"]), semantic)
    losses = net(**data, mode="loss")
    for name, scores, field in (("semantic", semantic, "gt_sem_seg"), ("geometric", geometric, "gt_geo_seg")):
        expected = functional.cross_entropy(scores, labels(data, field), ignore_index=255)
        torch.testing.assert_close(losses.pop(f"loss_{name}"), expected)
    assert not losses
    (sample,) = net(**data, mode="predict")
    assert torch.equal(sample.pred_sem_seg.data, semantic.argmax(dim=1))
    assert torch.equal(sample.pred_geo_seg.data, geometric.argmax(dim=1))


def test_heads_share_the_trunk_and_nothing_else():
    net = build(two_heads())
    names = [name for name, _ in net.decode_head.named_parameters()]
    assert names == [name for name, _ in net.geometric_head.named_parameters()]
    own = {id(parameter) for parameter in net.decode_head.parameters()}
    assert own.isdisjoint(id(parameter) for parameter in net.geometric_head.parameters())


def train_step(net, data: dict) -> dict[str, Tensor]:
    """One step through mmengine's own path; the parameters as they were before it."""
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    losses = net.train().train_step(data, OptimWrapper(optimizer))
    assert losses["loss"].isfinite()
    return before


def test_a_step_trains_every_layer_but_the_fixed_upsampling():
    net = build(two_heads())
    before = train_step(net, batch((20, 33), (20, 33)))
    unmoved = {name for name, parameter in net.named_parameters() if torch.equal(parameter, before[name])}
    assert unmoved == {
        f"{head}.{name}.weight" for head in ("decode_head", "geometric_head") for name in ("upscore2", "upscore16")
    }


def test_a_frozen_trunk_stays_bit_for_bit():
    net = build(config(freeze_backbone=True))
    before = train_step(net, batch((20, 33)))
    moved = {name for name, parameter in net.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved == {
        f"decode_head.{name}" for name in ("score_fr.weight", "score_fr.bias", "score_pool4.weight", "score_pool4.bias")
    }


def test_two_losses_weigh_the_same():
    net, data = build(two_heads()), batch((20, 33))
    total, _ = net.parse_losses({"loss_semantic": torch.tensor(2.0), "loss_geometric": torch.tensor(3.0)})
    assert float(total) == 5.0
    assert len(net(**net.data_preprocessor(data, training=True), mode="loss")) == 2


@pytest.mark.parametrize("sizes", [[(20, 33), (20, 32)], [(20, 33), (21, 33)], [(5, 5), (5, 5), (9, 5)]])
def test_images_of_several_sizes_are_refused(sizes):
    net = build(config())
    for step in (train_step, lambda net, data: net.val_step(data)):
        with pytest.raises(UserError, match=r"different sizes in one batch.*batch_size=1.*SameSizeBatches") as caught:
            step(net, batch(*sizes))
        assert "\n" not in str(caught.value)


def test_the_geometric_head_may_stand_alone():
    settings = two_heads()
    settings["decode_head"] = None
    net, both = build(settings), build(two_heads())
    net.load_state_dict({name: both.state_dict()[name] for name in net.state_dict()})
    data = batch((20, 33))
    assert set(net(**net.data_preprocessor(data, training=True), mode="loss")) == {"loss_geometric"}
    net, both = net.eval(), both.eval()
    inputs = net.data_preprocessor(batch((20, 33)), False)["inputs"]
    assert torch.equal(net(inputs, mode="tensor"), both(inputs, mode="tensor")[1])
    (sample,) = net.val_step(batch((20, 33)))
    assert "pred_geo_seg" in sample and "pred_sem_seg" not in sample


def test_a_net_without_a_head_is_refused():
    with pytest.raises(ValueError, match="needs a decode_head or a geometric_head"):
        MODELS.build(config() | {"decode_head": None})


@pytest.mark.parametrize("fuse", [(), ("pool4",), ("pool4", "pool3")])
def test_coarse_scores_are_the_coarsest_maps_alone(fuse):
    settings = config()
    settings["decode_head"]["fuse"] = fuse
    torch.manual_seed(0)
    net = MODELS.build(settings).eval()
    torch.nn.init.normal_(net.decode_head.score_fr.weight)
    x = torch.randn(2, 3, 64, 97)
    found = net.coarse_scores(x)
    assert found.shape == (2, CLASSES, 3, 4)  # with the border: (64 + 198) / 32 and (97 + 198) / 32, less fc6's 6
    assert torch.equal(found, net.decode_head.score_fr(net.backbone(x)["fc7"]))
    assert found.any()
