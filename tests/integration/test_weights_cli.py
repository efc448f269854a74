"""Weights by command: converted, prepared from archives or addresses, looked into; and released nets in the tables."""

import hashlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from local_server import LocalServer, Page
from mmseg.registry import MODELS
from torchvision.models import AlexNet_Weights

from repro import experiments, records
from repro.errors import UserError
from repro.evaluate import evaluate
from repro.models import VGG16, CaffeNet, GoogLeNet, TorchvisionAlexNet
from repro.pretrained import SOURCES, prepare_weights
from repro.report import layouts, render
from repro.report.layouts import SELECTIONS
from repro.report.publish import publish
from repro.settings import config_sha256, load_config
from repro.weights import store
from repro.weights.convert import CLASSIFIERS
from repro.weights.torchvision import PRETRAINED

sys.path.append(str(Path(__file__).parents[1] / "parity"))
sys.path.append(str(Path(__file__).parents[1] / "unit"))
from caffe_nets import classifier, released
from written_records import confusions, put

WIDTH = 1 / 16
NETS = ("vgg16", "caffenet", "googlenet")


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Every trunk a sixteenth as wide, and an empty data folder and cache."""
    for trunk in (VGG16, CaffeNet, GoogLeNet, TorchvisionAlexNet):
        channels, _, padding, dropout = trunk.__init__.__defaults__ or ()
        monkeypatch.setattr(trunk.__init__, "__defaults__", (channels, WIDTH, padding, dropout))
    monkeypatch.setenv("REPRO_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("REPRO_MIRROR", raising=False)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Narrow stand-ins for the classifiers of Caffe's model zoo."""
    found = {}
    for name in NETS:
        folder = tmp_path_factory.mktemp(name)
        found[name] = classifier(name, WIDTH)[0].write(folder)[1].read_bytes()
    return found


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, files: dict[str, bytes]) -> Iterator[LocalServer]:
    """A server of the stand-ins, which the known addresses lead to; checksums that fit them."""
    with LocalServer() as running:
        for name, content in files.items():
            known, checksum = CLASSIFIERS[name], f"sha1:{hashlib.sha1(content).hexdigest()}"
            url = f"{running.url}/{known.file}"
            running.pages[f"/{known.file}"] = Page(content)
            monkeypatch.setitem(CLASSIFIERS, name, replace(known, urls=(url,), checksum=checksum, size=len(content)))
            archive = replace(SOURCES[name], urls=(url,), checksum=checksum, size=len(content))
            monkeypatch.setitem(SOURCES, name, archive)
        yield running


def weights(tmp_path: Path, name: str) -> Path:
    return tmp_path / "data/weights/ilsvrc" / f"{name}.pth"


def test_the_papers_classifiers_come_from_their_addresses_once(server, command, tmp_path):
    outcome = command("prepare", "weights")
    assert outcome.code == 0, outcome.err
    assert outcome.out.split() == [str(weights(tmp_path, name)) for name in NETS]
    for name in NETS:
        found = store.load(weights(tmp_path, name))
        assert (found.experiment, found.faithful) == (f"ilsvrc/{name}", True)
        assert CLASSIFIERS[name].urls[0] in found.source and found.licence == CLASSIFIERS[name].licence
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")}
    asked = len(server.asked)
    assert asked == 3
    assert command("prepare", "weights").out == outcome.out
    assert len(server.asked) == asked
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "data").rglob("*")} == before


def test_a_local_file_comes_before_any_address(server, files, command, tmp_path):
    own = tmp_path / CLASSIFIERS["caffenet"].file
    own.write_bytes(files["caffenet"])
    (tmp_path / "data/archives").mkdir(parents=True)
    (tmp_path / "data/archives" / CLASSIFIERS["vgg16"].file).write_bytes(files["vgg16"])
    outcome = command("prepare", "weights", "caffenet", "vgg16", "--archive", own)
    assert outcome.code == 0 and not server.asked
    assert outcome.out.split() == [str(weights(tmp_path, name)) for name in ("caffenet", "vgg16")]
    assert not weights(tmp_path, "googlenet").exists()


def test_another_file_is_refused_or_taken_unfaithful(server, files, command, tmp_path):
    own = tmp_path / CLASSIFIERS["vgg16"].file
    theirs, _ = classifier("vgg16", WIDTH)
    theirs.layers[0].blobs[0][...] *= 2
    theirs.write(tmp_path)[1].rename(own)
    complaint = command("prepare", "weights", "vgg16", "--archive", own).complaint
    assert str(own) in complaint and "is not the published file" in complaint
    assert not weights(tmp_path, "vgg16").exists()
    assert command("prepare", "weights", "vgg16", "--archive", own, "--unverified").code == 0
    assert not store.load(weights(tmp_path, "vgg16")).faithful


def test_what_cannot_be_had_is_named(server, command, tmp_path):
    server.pages.clear()
    outcome = command("prepare", "weights", "vgg16")
    assert outcome.code == 2 and not weights(tmp_path, "vgg16").exists()
    for part in (CLASSIFIERS["vgg16"].file, server.url, "404", "--archive", str(tmp_path / "data/archives")):
        assert part in outcome.err


def test_mistakes_are_one_line(command, tmp_path):
    assert "nobody publishes weights of 'vgg19'" in command("prepare", "weights", "vgg19").complaint
    stray = tmp_path / "stray.caffemodel"
    assert "none of the files known" in command("prepare", "weights", "--archive", stray).complaint
    assert "one dataset at a time" in command("prepare", "voc2011", "camvid").complaint


def alexnet() -> dict[str, torch.Tensor]:
    """A narrow state dict with the names of torchvision's AlexNet."""
    net = TorchvisionAlexNet().state_dict()
    features = {f"conv{layer}": f"features.{n}" for layer, n in enumerate((0, 3, 6, 8, 10), 1)}
    names = features | {"fc6": "classifier.1", "fc7": "classifier.4"}
    state = {
        f"{names[key.split('.')[0]]}.{key.split('.')[1]}": tensor.flatten(1)
        if "fc" in key and tensor.ndim > 1
        else tensor
        for key, tensor in net.items()
    }
    return state | {"classifier.6.weight": torch.zeros(1000, 256), "classifier.6.bias": torch.zeros(1000)}


@pytest.fixture
def pretrained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[tuple[LocalServer, str, bytes]]:
    """A server of a stand-in for torchvision's AlexNet, named after its hash; the file's name and content."""
    # in the older of torch's forms, in which torchvision's older files may be
    torch.save(alexnet(), tmp_path / "alexnet.pth", _use_new_zipfile_serialization=False)
    content = (tmp_path / "alexnet.pth").read_bytes()
    file = f"alexnet-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    with LocalServer({f"/{file}": Page(content)}) as running:
        monkeypatch.setattr(AlexNet_Weights.IMAGENET1K_V1.value, "url", f"{running.url}/{file}")
        monkeypatch.setitem(CLASSIFIERS, "alexnet_torchvision", PRETRAINED["alexnet_torchvision"].published)
        yield running, file, content


def test_torchvisions_come_by_its_own_loader(pretrained, command, tmp_path):
    server, file, content = pretrained
    outcome = command("prepare", "weights", "alexnet_torchvision")
    assert outcome.code == 0 and outcome.out.split() == [str(weights(tmp_path, "alexnet_torchvision"))]
    assert "Downloading" in outcome.err, "but not on stdout"
    assert (tmp_path / "data/archives" / file).read_bytes() == content
    found = store.load(weights(tmp_path, "alexnet_torchvision"))
    assert (found.experiment, found.faithful) == ("ilsvrc/alexnet_torchvision", True)
    asked = len(server.asked)
    assert command("prepare", "weights", "alexnet_torchvision").code == 0 and len(server.asked) == asked


@pytest.mark.parametrize("place", ["torch/hub/checkpoints", "data/archives", "elsewhere"])
def test_torchvisions_are_taken_from_where_they_are(pretrained, command, tmp_path, place):
    server, file, content = pretrained
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / file).write_bytes(content)
    given = ("--archive", tmp_path / place / file) if place == "elsewhere" else ()
    assert command("prepare", "weights", "alexnet_torchvision", *given).code == 0
    assert not server.asked and store.load(weights(tmp_path, "alexnet_torchvision")).faithful


def test_a_broken_file_of_torchvisions_is_refused(pretrained, command, tmp_path):
    server, file, content = pretrained
    server.pages[f"/{file}"] = Page(content[:-1])
    complaint = command("prepare", "weights", "alexnet_torchvision").complaint
    assert f"cannot get {server.url}/{file}" in complaint and "hash" in complaint
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    (tmp_path / "data/archives" / file).write_bytes(content[:-1])
    complaint = command("prepare", "weights", "alexnet_torchvision").complaint
    assert f"{tmp_path / 'data/archives' / file} is not the published file" in complaint
    server.pages.clear()
    (tmp_path / "data/archives" / file).unlink()
    assert "404" in command("prepare", "weights", "alexnet_torchvision").complaint


def test_preparing_by_function_leaves_what_is_there(server, tmp_path):
    paths = prepare_weights(["googlenet"])
    assert paths == [weights(tmp_path, "googlenet")] and len(server.asked) == 1
    with pytest.raises(UserError, match="nobody publishes weights of 'x'"):
        prepare_weights(["x"])


def test_convert_writes_where_it_is_looked_for_or_told(command, tmp_path):
    name = "voc2011/fcn16s_vgg16"
    _, caffemodel = released(name, WIDTH)[0].write(tmp_path)
    outcome = command("convert", caffemodel, "--to", name)
    assert outcome.out.split() == [str(tmp_path / "data/weights/released" / f"{name}.pth")], outcome.err
    assert "is not the published file" in outcome.err, "it has another name"
    named = shutil.copyfile(caffemodel, tmp_path / "fcn16s-heavy-pascal.caffemodel")
    assert "no checksum of fcn16s-heavy-pascal.caffemodel is published" in command("convert", named, "--to", name).err
    there = command("convert", caffemodel, "--to", name, "--out", tmp_path / "o/net.pth")
    assert there.out.split() == [str(tmp_path / "o/net.pth")]
    assert store.load(tmp_path / "o/net.pth").sha256 == store.load(Path(outcome.out.strip())).sha256
    other = command("convert", caffemodel, "--to", "voc2011/fcn32s_vgg16", "--out", tmp_path / "wrong.pth").complaint
    assert "missing: upscore weight" in other and not (tmp_path / "wrong.pth").exists()
    _, imitation = released("voc2011/fcn8s_vgg16", WIDTH)[0].write(tmp_path)  # its checksum is known
    assert "is not the published file" in command("convert", imitation, "--to", "voc2011/fcn8s_vgg16").err


def test_inspect_shows_tensors_facts_and_parents(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    top = store.Weights({"a.weight": torch.ones(2, 3)}, "ilsvrc/vgg16", source="net.caffemodel", licence="CC BY 4.0")
    hha = store.Weights({"h.weight": torch.ones(4)}, "n/hha", parent_sha256="e" * 64)
    color = store.Weights({"c.weight": torch.ones(5)}, "n/color", parent_sha256=top.sha256)
    both = f"{color.sha256}+{hha.sha256}"
    fused = store.Weights({"f.weight": torch.ones(7).half()}, "n/both", parent_sha256=both, faithful=True)
    store.save(top, "data/weights/ilsvrc/vgg16.pth")
    store.save(color, "work_dirs/n/color/weights.pth")
    store.save(hha, "work_dirs/n/hha/weights.pth")
    store.save(fused, "fused.pth")
    (tmp_path / "work_dirs/n/broken.pth").write_bytes(b"noise")
    lines = command("weights", "inspect", "fused.pth").out.splitlines()
    assert any(line.split() == ["f.weight", "(7,)", "float16", fused.sha256[:12]] for line in lines)
    told = [line.split() for line in lines]
    file = hashlib.sha256(Path("fused.pth").read_bytes()).hexdigest()
    assert ["sha256", fused.sha256] in told and ["file", "sha256", file] in told
    assert ["experiment", "n/both"] in told and ["faithful", "yes"] in told and ["parameters", "7"] in told
    chain = [line for line in lines if "parent" in line]
    assert [line.index("parent") for line in chain] == [0, 2, 0, 2]
    for line, parent in zip(chain, (color, top, hha), strict=False):
        assert parent.sha256 in line and f"({parent.experiment}, " in line
    assert f"{'e' * 64} (not found here)" in chain[3]
    lines = command("weights", "inspect", "data/weights/ilsvrc/vgg16.pth").out.splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines if line.startswith(("source", "licence"))] == [
        "net.caffemodel",
        "CC BY 4.0",
    ]
    assert not any("parent" in line for line in lines)


def test_inspect_shows_a_caffe_file(command, tmp_path):
    theirs, _ = classifier("caffenet", WIDTH)
    _, caffemodel = theirs.write(tmp_path)
    told = [line.split() for line in command("weights", "inspect", caffemodel).out.splitlines()]
    hashes = [hashlib.sha256(blob.tobytes()).hexdigest()[:12] for blob in theirs.layers[0].blobs]
    assert ["conv1", "Convolution", "(6,", "3,", "11,", "11)", "(6,)", *hashes] in told
    assert ["file", "sha256", hashlib.sha256(caffemodel.read_bytes()).hexdigest()] in told
    assert len([line for line in told if line[1:2] in (["Convolution"], ["InnerProduct"])]) == 8


def test_inspecting_nothing_is_one_line(command, tmp_path):
    (tmp_path / "noise.pth").write_bytes(b"noise")
    (tmp_path / "noise.caffemodel").write_bytes(b"noise")
    for name in ("noise.pth", "noise.caffemodel", "absent.pth", "absent.caffemodel"):
        assert str(tmp_path / name) in command("weights", "inspect", tmp_path / name).complaint


NAME = "sample/fcn16s_vgg16"


@pytest.fixture
def others(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> store.Weights:
    """Weights of an experiment that others released; its data folder is `drawn`."""
    monkeypatch.setenv("REPRO_DATA", str(drawn.parent))
    config = load_config(experiments.get(NAME))
    torch.manual_seed(0)
    tensors = MODELS.build(config.model).state_dict()
    training = {"released": True, "file": "net.caffemodel", "sha256": "f" * 64}
    return store.Weights(tensors, NAME, source="elsewhere", faithful=True, training=training)


def score(weights: store.Weights, folder: Path, **changes) -> records.Record:
    store.save(weights, folder / "w.pth")
    record = evaluate(experiments.get(NAME), work_dirs=folder, weights=folder / "w.pth", **changes)
    assert record is not None
    return record


def test_released_weights_answer_for_their_experiment_untrained(others, tmp_path):
    record = score(others, tmp_path)
    assert record.recipe == "sample" and record.config_sha256 == config_sha256(load_config(experiments.get(NAME)))
    assert record.training == {"iterations": None, "seed": None} | others.training, "which file it was is in the record"


def test_and_for_no_other_nor_under_other_settings(others, tmp_path, drawn):
    assert score(replace(others, faithful=False), tmp_path).recipe == "changed"
    assert score(replace(others, experiment="sample/fcn32s_vgg16"), tmp_path).recipe == "changed"
    assert score(replace(others, training={}), tmp_path).recipe == "changed"
    assert score(replace(others, training=others.training | {"released": "so they say"}), tmp_path).recipe == "changed"
    assert score(others, tmp_path, data_root=drawn).recipe == "changed"
    assert score(others, tmp_path, options={"model.decode_head.scales": {"pool4": 0.5}}).recipe == "changed"


FILE = {"iterations": None, "seed": None, "released": True, "file": "net.caffemodel", "sha256": "f" * 64}
RELEASE = {"experiment": "voc2011/fcn16s_vgg16", "recipe": "release", "claims": ["caffe_release/voc2011/FCN-16s"]}


@pytest.fixture
def short_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let 40 drawn ids pass for seg11valid."""
    rule = replace(SELECTIONS["full_split"], images=40, ids_sha256=None)
    monkeypatch.setitem(layouts.SELECTIONS, "full_split", rule)


def cells(folder: Path) -> dict[str, str]:
    frame = render.table("voc2011", [folder])
    measured = frame[(frame["seeds"] > 0) & (frame["claim"] != "")]
    return dict(zip(measured["key"], measured["records"], strict=True))


def test_a_released_net_fills_its_cell_and_the_table_names_the_file(short_split, tmp_path):
    record = put(tmp_path, training=FILE, **RELEASE)
    assert cells(tmp_path) == {"caffe_release/voc2011/FCN-16s": record.id}
    text = render.render("voc2011", [tmp_path])
    lines = {line for line in text.splitlines() if f"`{record.id}`" in line}
    note = f"40 images, released weights, file sha256 {'f' * 64} (no published checksum to compare it with)"
    assert any(line.endswith(note) for line in lines)
    put(tmp_path / "checked", training={**FILE, "checksum": "published"}, **RELEASE)
    assert "compare it with" not in render.render("voc2011", [tmp_path / "checked"])
    assert publish([tmp_path], "here", tmp_path / "published") == [tmp_path / "published/here" / f"{record.id}.json"]


@pytest.mark.parametrize(
    ("training", "dirty", "reason"),
    [
        (FILE, True, "scored from a dirty tree"),
        ({**FILE, "released": "yes"}, False, "trained from an unknown commit"),
        ({**FILE, "released": False}, False, "trained from an unknown commit"),
        ({name: FILE[name] for name in ("iterations", "seed", "released")}, False, "trained from an unknown commit"),
    ],
)
def test_a_record_that_names_no_file_or_was_scored_dirty_does_not(short_split, tmp_path, training, dirty, reason):
    record = put(tmp_path, training=training, dirty=dirty, **RELEASE)
    assert cells(tmp_path) == {}
    assert f"`{record.id}`: {reason}" in render.render("voc2011", [tmp_path])
    with pytest.raises(UserError, match="not from a clean tree"):
        publish([tmp_path], "here", tmp_path / "published")


@pytest.mark.parametrize("when", ["01", "03"])
def test_released_and_trained_nets_are_never_averaged(short_split, tmp_path, when):
    theirs = put(tmp_path, training=FILE, found=confusions(1), when=when, **RELEASE)
    ours = [put(tmp_path, seed=seed, found=confusions(seed), when="02", **RELEASE) for seed in (2, 3)]
    (found,) = cells(tmp_path).values()
    assert found.split() == sorted(record.id for record in ours)
    text = render.render("voc2011", [tmp_path])
    assert f"`{theirs.id}`: released weights, where others were trained here" in text
