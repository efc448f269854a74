"""What others publish becomes a weights file that knows what it is, and that every verb takes."""

import hashlib
import pickle
import re
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

import repro
from repro import experiments
from repro.errors import UserError
from repro.models import VGG16, CaffeNet, GoogLeNet
from repro.settings import config_sha256, load_config
from repro.weights import store
from repro.weights.convert import CLASSIFIERS, convert, place_of, published_as
from repro.weights.name_maps import RELEASED
from repro.weights.published import ILSVRC, Published

sys.path.append(str(Path(__file__).parents[1] / "parity"))
from caffe_nets import classifier, released, run

WIDTH = 1 / 16


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every trunk a sixteenth as wide."""
    for trunk in (VGG16, CaffeNet, GoogLeNet):
        channels, _, padding, dropout = trunk.__init__.__defaults__ or ()
        monkeypatch.setattr(trunk.__init__, "__defaults__", (channels, WIDTH, padding, dropout))


def published_with(path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a file be the one that is published under a name."""
    known = published_as(name)
    of = repro.weights.published.RELEASED if name in RELEASED else CLASSIFIERS
    checksum = f"sha1:{hashlib.sha1(path.read_bytes()).hexdigest()}"
    monkeypatch.setitem(of, name, replace(known, checksum=checksum))


@pytest.mark.parametrize("name", RELEASED)
def test_a_released_net_scores_through_the_python_api(name, tmp_path):
    """Two label sets for SIFT Flow; four channels for early fusion, six for late fusion, colour first."""
    theirs, tops = released(name, WIDTH)
    prototxt, caffemodel = theirs.write(tmp_path)
    store.save(convert(caffemodel, name), tmp_path / "net.pth")
    net = repro.load(name, weights=tmp_path / "net.pth")
    assert not net.training
    channels = {key: theirs.channels[key] for key in ("data", "color", "hha") if key in theirs.channels}
    assert sum(channels.values()) == {"fcn32s_rgbd": 4, "fcn32s_rgb_hha": 6}.get(name.partition("/")[2], 3)
    rng = np.random.default_rng(0)
    x = {key: (60 * rng.standard_normal((1, n, 35, 52))).astype(np.float32) for key, n in channels.items()}
    with torch.inference_mode():
        found = net(
            torch.from_numpy(np.concatenate(list(x.values()), axis=1)).to(next(net.parameters())), mode="tensor"
        )
    assert isinstance(found, tuple) == name.startswith("siftflow")
    scores = found if isinstance(found, tuple) else (found,)
    classes = {"voc2011": (21,), "nyudv2": (40,), "siftflow": (33, 3), "pascal_context": (60,)}[name.partition("/")[0]]
    assert [score.shape for score in scores] == [(1, n, 35, 52) for n in classes]
    for score, expected in zip(scores, run(prototxt, caffemodel, tops, **x), strict=True):
        assert np.abs(score.cpu().numpy() - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("name", ILSVRC)
def test_a_classifier_is_what_cards_start_from(name, tmp_path, monkeypatch):
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    _, caffemodel = classifier(name, WIDTH)[0].write(tmp_path)
    published_with(caffemodel, name, monkeypatch)
    weights = convert(caffemodel, name)
    assert (weights.experiment, weights.faithful) == (f"ilsvrc/{name}", True)
    starting = [card for card in experiments.find().values() if card.starts_from == (weights.experiment,)]
    assert starting
    from repro.train import follows_card, weights_file

    assert place_of(name) == weights_file(weights.experiment, tmp_path)
    for card in starting:
        assert follows_card(card, config_sha256(load_config(card)), [weights])


def test_every_start_outside_the_suite_can_be_converted():
    assert set(experiments.STAND_INS) == {f"ilsvrc/{name}" for name in CLASSIFIERS}


def test_the_file_its_licence_and_its_hash_go_along(tmp_path, monkeypatch):
    name = "voc2011/fcn32s_vgg16"
    _, caffemodel = released(name, WIDTH)[0].write(tmp_path)
    published_with(caffemodel, name, monkeypatch)
    digest = hashlib.sha256(caffemodel.read_bytes()).hexdigest()
    weights = convert(caffemodel, name)
    assert (weights.experiment, weights.faithful, weights.released) == (name, True, True)
    told = {"released": True, "file": caffemodel.name, "sha256": digest, "checksum": "published"}
    assert weights.training == told
    assert weights.source == (
        f"{caffemodel.name}, sha256 {digest}, published at "
        "https://dl.caffe.berkeleyvision.org/fcn32s-heavy-pascal.caffemodel"
    )
    assert "unrestricted" in weights.licence
    store.save(weights, tmp_path / "w.pth")
    assert replace(store.load(tmp_path / "w.pth"), tensors={}) == replace(weights, tensors={})
    assert "CC BY 4.0" in published_as("vgg16").licence and "unrestricted" in published_as("caffenet").licence


@pytest.mark.parametrize(
    ("checksum", "name", "faithful", "told"),
    [
        ("right", "any", True, "published"),
        ("beginning", "any", True, "published"),
        ("wrong", "its", False, "another"),
        (None, "its", True, "unknown"),
        (None, "any", False, "unknown"),
    ],
)
@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_file_counts_by_its_checksum_or_where_none_is_known_by_its_name(
    algorithm, checksum, name, faithful, told, tmp_path, monkeypatch
):
    _, caffemodel = classifier("caffenet", WIDTH)[0].write(tmp_path)
    digest = hashlib.new(algorithm, caffemodel.read_bytes()).hexdigest()
    known = {"right": digest, "beginning": digest[:8], "wrong": digest[::-1]}
    said = checksum and f"{algorithm}:{known[checksum]}"
    file = caffemodel.name if name == "its" else "c.caffemodel"
    monkeypatch.setitem(CLASSIFIERS, "caffenet", Published(file, ("http://somewhere",), "free", said))
    weights = convert(caffemodel, "caffenet")
    assert (weights.faithful, weights.training["checksum"]) == (faithful, told)
    assert ("http://somewhere" in weights.source) == faithful, "nothing says that another file comes from there"


def test_what_is_published_is_told_apart():
    """Names, addresses and checksums: no two alike."""
    everything = [*CLASSIFIERS.values(), *repro.weights.published.RELEASED.values()]
    for values in (
        [known.file for known in everything],
        [url for known in everything for url in known.urls],
        [known.checksum for known in everything if known.checksum],
    ):
        assert len(set(values)) == len(values) > 5
    lengths = {"sha1": {40}, "sha256": {64, 8}}
    for known in everything:
        assert all(url.endswith(f"/{known.file}") for url in known.urls) and known.licence
        algorithm, _, digest = (known.checksum or "sha1:" + 40 * "0").partition(":")
        assert len(digest) in lengths[algorithm] and not digest.strip("0123456789abcdef")
    for name in ("vgg16", "alexnet", "googlenet"):
        known = CLASSIFIERS[f"{name}_torchvision"]
        assert known.checksum == f"sha256:{re.findall('[0-9a-f]{8}', known.file)[0]}"


def test_an_unknown_name_suggests_the_nearest(tmp_path):
    with pytest.raises(UserError, match="nobody publishes weights of 'caffnet'; did you mean caffenet"):
        convert(tmp_path / "net.caffemodel", "caffnet")
    with pytest.raises(UserError, match="of 'voc2011/fcn32s_googlenet'") as caught:  # never released
        convert(tmp_path / "net.caffemodel", "voc2011/fcn32s_googlenet")
    assert "siftflow/fcn8s_vgg16" in str(caught.value) and "\n" not in str(caught.value)


def test_a_missing_file_is_named_with_the_one_to_look_for(tmp_path):
    with pytest.raises(UserError, match=r"there is no .*x.caffemodel: .*\(VGG_ILSVRC_16_layers.caffemodel\)"):
        convert(tmp_path / "x.caffemodel", "vgg16")


class Poison:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["vgg16", "vgg16_torchvision", "voc2011/fcn8s_vgg16"])
def test_a_poisoned_file_runs_nothing(name, tmp_path):
    victim, file = tmp_path / "victim", tmp_path / "net.pth"
    for write in (lambda armed: torch.save({"a": armed}, file), lambda armed: file.write_bytes(pickle.dumps(armed))):
        write(Poison(victim))
        with pytest.raises(UserError, match=str(file)) as caught:
            convert(file, name)
        assert "\n" not in str(caught.value) and not victim.exists()


def test_the_file_of_another_net_is_refused(tmp_path):
    _, caffemodel = classifier("caffenet", WIDTH)[0].write(tmp_path)
    with pytest.raises(UserError, match=r"another net \(missing: conv1_1 weight"):
        convert(caffemodel, "vgg16")
    with pytest.raises(UserError, match=r"missing: score_fr weight.*unused: fc8 weight"):
        convert(caffemodel, "voc2011/fcn32s_alexnet")


def test_converting_builds_no_net_of_numbers(tmp_path, monkeypatch):
    """Shapes are all that it asks of a net, so that a net of a hundred million numbers costs nothing."""
    _, caffemodel = released("voc2011/fcn16s_vgg16", WIDTH)[0].write(tmp_path)
    built = []
    build = VGG16.initialize

    def watched(self):
        built.append(next(self.parameters()).device.type)
        build(self)

    monkeypatch.setattr(VGG16, "initialize", watched)
    convert(caffemodel, "voc2011/fcn16s_vgg16")
    assert built == ["meta"]


def test_the_experiments_own_config_is_what_is_filled(tmp_path, monkeypatch):
    """A net whose config has other classes than the file is refused."""
    _, caffemodel = released("voc2011/fcn32s_vgg16", WIDTH)[0].write(tmp_path)
    read = Config.fromfile

    def read_other(*args, **kwargs):
        config = read(*args, **kwargs)
        config.model.decode_head.num_classes = 5
        return config

    monkeypatch.setattr(Config, "fromfile", read_other)
    with pytest.raises(UserError, match=r"score_fr weight of \(21, 256, 1, 1\), not \(5, 256, 1, 1\)"):
        convert(caffemodel, "voc2011/fcn32s_vgg16")
