"""Weights files: what is written comes back bit for bit, and nothing that is broken, foreign or armed gets in."""

import copy
import itertools
import os
import pickle
import random
import resource
import tracemalloc
import warnings
import zipfile
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from repro.errors import UserError
from repro.models import FCN, VGG16, CaffeNet, PixelSoftmaxLoss, SkipHead
from repro.weights import store
from repro.weights.store import FORMAT, Weights, hand_on, load, load_into, save


def tensors(seed: int = 0) -> dict[str, Tensor]:
    """Every shape and type that a net may hold, with values that rounding or printing would lose."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "conv.weight": torch.randn(4, 3, 2, 2, generator=generator),
        "conv.bias": torch.tensor([float("nan"), float("inf"), -0.0, 1e-45]),
        "steps": torch.tensor(2**53 + 1),
        "empty": torch.zeros(0, 3),
        "transposed": torch.randn(3, 5, generator=generator, dtype=torch.float64).T,
        "half": torch.randn(7, generator=generator).bfloat16(),
        "parameter": torch.nn.Parameter(torch.randn(2, generator=generator)),
        "computed": 2 * torch.nn.Parameter(torch.randn(2, generator=generator)),
    }


def example(seed: int = 0) -> Weights:
    return Weights(
        tensors(seed),
        experiment="voc2011/fcn16s_vgg16",
        config_sha256="ab" * 32,
        parent_sha256="cd" * 32,
        source="https://example.org/net.caffemodel",
        licence="CC BY 4.0",
        training={"iterations": 100_000, "seed": 1337, "rate": 1e-12, "recipe": "release"},
    )


def refused(path: Path, match: str) -> None:
    """Reading the file raises a UserError: one line that names the file, and no warning beside it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserError, match=match) as caught:
            load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def bits(tensor: Tensor) -> bytes:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def test_a_round_trip_is_exact_to_the_bit(tmp_path):
    weights = example()
    save(weights, tmp_path / "new" / "folder" / "w.pth")
    found = load(tmp_path / "new" / "folder" / "w.pth")
    assert list(found.tensors) == list(weights.tensors)
    for name, tensor in weights.tensors.items():
        assert (found.tensors[name].dtype, found.tensors[name].shape) == (tensor.dtype, tensor.shape)
        assert bits(found.tensors[name]) == bits(tensor)
    assert replace(found, tensors={}) == replace(weights, tensors={})
    assert found.sha256 == weights.sha256
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["w.pth"]


def test_the_digest_does_not_depend_on_order_or_memory_layout():
    weights = example()
    backwards = {name: weights.tensors[name] for name in reversed(weights.tensors)}
    assert Weights(backwards).sha256 == weights.sha256
    assert Weights({name: tensor.contiguous() for name, tensor in backwards.items()}).sha256 == weights.sha256


def change(name: str, tensor: Tensor) -> str:
    return Weights(tensors() | {name: tensor}).sha256


def test_the_digest_tells_names_types_shapes_and_values_apart():
    own = tensors()
    flipped = own["conv.weight"].clone().view(torch.int32)
    flipped[3, 2, 1, 1] ^= 1  # the last bit of the last number
    digests = [
        Weights(own).sha256,
        Weights({name: tensor for name, tensor in own.items() if name != "empty"}).sha256,
        Weights({f"{name}2": tensor for name, tensor in own.items()}).sha256,
        change("conv.weight", flipped.view(torch.float32)),
        change("conv.weight", own["conv.weight"].reshape(3, 4, 2, 2)),
        change("conv.weight", own["conv.weight"].view(torch.int32)),
        change("conv.bias", torch.tensor([float("nan"), float("inf"), 0.0, 1e-45])),
    ]
    assert len(set(digests)) == len(digests)


def test_a_plain_state_dict_is_accepted(tmp_path):
    layer = torch.nn.Conv2d(2, 3, 1)
    torch.save(layer.state_dict(), tmp_path / "plain.pth")
    found = load(tmp_path / "plain.pth")
    assert found.sha256 == Weights(layer.state_dict()).sha256
    assert (found.source, found.experiment) == ("plain.pth", "")


def test_a_state_dict_in_torchs_old_form_is_accepted(tmp_path):
    torch.save(OrderedDict(a=torch.arange(3)), tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert load(tmp_path / "old.pth").tensors["a"].tolist() == [0, 1, 2]


class Poison:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class ShellPoison(Poison):
    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("poison", [Poison, ShellPoison])
@pytest.mark.parametrize("form", ["zip", "old", "pickle", "in a tensor's place", "among the facts"])
def test_a_file_that_would_run_code_is_refused_and_runs_nothing(tmp_path, poison, form):
    victim, path = tmp_path / "victim", tmp_path / "w.pth"
    armed = poison(victim)
    if form == "pickle":
        path.write_bytes(pickle.dumps(armed))
    elif form in ("zip", "old"):
        torch.save({"a": torch.zeros(2), "b": armed}, path, _use_new_zipfile_serialization=form == "zip")
    else:
        save(example(), path)
        content = torch.load(path, weights_only=True)
        (content["tensors"] if "place" in form else content["training"])["armed"] = armed
        torch.save(content, path)
    refused(path, "refused$")
    assert not victim.exists()


def test_unpickling_the_poison_would_have_made_the_file(tmp_path):
    """Else the test above would show nothing."""
    for poison, name in ((Poison, "a"), (ShellPoison, "b")):
        pickle.loads(pickle.dumps(poison(tmp_path / name)))
        assert (tmp_path / name).exists()


def test_a_truncated_file_is_refused_at_every_length(tmp_path):
    save(example(), tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    lengths = {0, 1, 2, 3, 4, 100, len(whole) // 2, len(whole) - 1, *range(0, len(whole), 97)}
    for length in sorted(lengths):
        (tmp_path / "w.pth").write_bytes(whole[:length])
        refused(tmp_path / "w.pth", "no weights file")


def test_random_bytes_are_refused(tmp_path):
    rng = random.Random(0)
    for length in [1, 2, 3, 5, 8, 13, 100, 3000] * 60:
        (tmp_path / "w.pth").write_bytes(rng.randbytes(length))
        refused(tmp_path / "w.pth", "no weights file")


@pytest.mark.parametrize("form", ["zip", "old"])
def test_flipped_bytes_never_end_in_another_error_or_other_tensors(tmp_path, form):
    weights = Weights({"a.weight": torch.arange(6.0), "b": torch.ones(2, 2)})
    save(weights, tmp_path / "whole.pth")
    if form == "old":
        content = torch.load(tmp_path / "whole.pth", weights_only=True)
        torch.save(content, tmp_path / "whole.pth", _use_new_zipfile_serialization=False)
    whole = (tmp_path / "whole.pth").read_bytes()
    rng, caught = random.Random(0), 0
    for _ in range(400):
        broken = bytearray(whole)
        broken[rng.randrange(len(whole))] ^= rng.randrange(1, 256)
        (tmp_path / "w.pth").write_bytes(broken)
        try:
            assert load(tmp_path / "w.pth").sha256 == weights.sha256
        except UserError as error:
            assert "\n" not in str(error)
            caught += 1
    assert caught > 100


def repacked(path: Path, method: int) -> Path:
    """The same archive, its members packed by another method."""
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(path.with_name("repacked.pth"), "w", method) as other:
        for member in archive.namelist():
            other.writestr(member, archive.read(member))
    return path.with_name("repacked.pth")


@pytest.mark.parametrize("form", ["ours", "plain"])
def test_a_zip_bomb_is_refused_unread(tmp_path, form):
    """Ten million zeros pack into ten thousand bytes."""
    tensors = {"a.weight": torch.zeros(10_000_000)}
    if form == "ours":
        save(Weights(tensors), tmp_path / "w.pth")
    else:
        torch.save(tensors, tmp_path / "w.pth")
    assert load(tmp_path / "w.pth").tensors["a.weight"].numel() == 10_000_000
    assert load(repacked(tmp_path / "w.pth", zipfile.ZIP_STORED)).tensors["a.weight"].numel() == 10_000_000
    bomb = repacked(tmp_path / "w.pth", zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 100_000
    tracemalloc.start()
    refused(bomb, "is compressed, which no weights file is: refused$")
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    assert store.read_facts(bomb) == {}


def test_members_that_overlap_are_refused(tmp_path):
    """Many entries of the directory may lie at one place of the file: another kind of bomb, without compression."""
    path = tmp_path / "w.pth"
    torch.save({f"a{n}": torch.full((1000,), float(n)) for n in range(4)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        (data,) = [member for member in archive.infolist() if member.filename.endswith("data/0")]
        for number in range(100):
            twin = copy.copy(data)
            twin.filename = f"{data.filename}{number}"
            archive.filelist.append(twin)
        archive._didModify = True  # type: ignore[attr-defined]
    refused(path, "declares more bytes than it has: refused$")


def views() -> dict[str, Tensor]:
    """Few bytes that stand for many values."""
    return {
        "expanded": torch.zeros(1).expand(1 << 20, 1 << 20),
        "overlapping": torch.zeros(10).as_strided((1 << 20, 10), (0, 1)),
        "sparse": torch.sparse_coo_tensor(torch.zeros(2, 1, dtype=torch.long), torch.ones(1), (1 << 20, 1 << 20)),
        "meta": torch.zeros(1 << 20, 1 << 20, device="meta"),
    }


@pytest.mark.parametrize("name", ["expanded", "overlapping", "sparse", "meta"])
@pytest.mark.filterwarnings("ignore:Sparse")
def test_a_tensor_that_would_grow_when_it_is_copied_is_refused(tmp_path, name):
    for content in ({name: views()[name]}, {"format": FORMAT, "sha256": "", "tensors": {name: views()[name]}}):
        torch.save(content, tmp_path / "w.pth")
        assert (tmp_path / "w.pth").stat().st_size < 10_000
        refused(tmp_path / "w.pth", "refused$")


def test_facts_are_read_without_the_tensors(tmp_path):
    weights = example()
    save(weights, tmp_path / "w.pth")
    facts = store.read_facts(tmp_path / "w.pth")
    assert facts == {key: value for key, value in vars(weights).items() if key != "tensors"} | {
        "format": FORMAT,
        "sha256": weights.sha256,
    }
    torch.save(tensors(), tmp_path / "plain.pth")
    (tmp_path / "noise.pth").write_bytes(b"noise")
    assert [store.read_facts(tmp_path / name) for name in ("plain.pth", "noise.pth", "absent.pth")] == [{}, {}, {}]


def rewrite(path: Path, **changes) -> None:
    """Write a weights file whose content was tampered with; None takes a key out."""
    save(example(), path)
    content = torch.load(path, weights_only=True) | changes
    torch.save({name: value for name, value in content.items() if value is not None}, path)


def test_another_format_is_refused(tmp_path):
    rewrite(tmp_path / "w.pth", format="fcn-repro weights 2")
    refused(tmp_path / "w.pth", f"another format than '{FORMAT}'")


@pytest.mark.parametrize(
    "changed",
    [
        tensors(seed=1),
        {name: tensor for name, tensor in tensors().items() if name != "steps"},
        tensors() | {"more": torch.zeros(1)},
    ],
)
def test_changed_tensors_are_refused(tmp_path, changed):
    rewrite(tmp_path / "w.pth", tensors=changed)
    refused(tmp_path / "w.pth", "was changed since it was written")


def test_a_missing_digest_is_refused(tmp_path):
    rewrite(tmp_path / "w.pth", sha256=None)
    refused(tmp_path / "w.pth", "was changed since it was written")


def test_unknown_facts_are_refused(tmp_path):
    rewrite(tmp_path / "w.pth", stray="fact")
    refused(tmp_path / "w.pth", "facts")


@pytest.mark.parametrize("held", [None, 3, {}, {"a": [1, 2]}, {3: torch.zeros(1)}])
def test_a_file_without_tensors_by_name_is_refused(tmp_path, held):
    for content in (held, {"format": FORMAT, "sha256": "", "tensors": held}):
        torch.save(content, tmp_path / "w.pth")
        refused(tmp_path / "w.pth", "tensors by name|weights by name")


def test_a_training_checkpoint_is_refused_by_what_it_holds(tmp_path):
    torch.save({"meta": {"epoch": 1}, "state_dict": tensors()}, tmp_path / "w.pth")
    refused(tmp_path / "w.pth", "holds no tensors by name .found meta, state_dict.")


def test_a_missing_file_is_named(tmp_path):
    refused(tmp_path / "absent.pth", "no weights file at .*absent.pth; train it first")
    refused(tmp_path, "no weights file at")


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot write .*w.pth") as caught:
        save(example(), tmp_path / "file" / "w.pth")
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("limit", [0, 100, 2000, 20_000, 100_000])
def test_a_full_disk_is_one_line_and_keeps_the_file_that_was_there(tmp_path, limit):
    before = Weights({"a": torch.zeros(3)})
    save(before, tmp_path / "w.pth")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(UserError, match=r"cannot write .*free the space") as caught:
            save(Weights({"a": torch.zeros(100_000)}), tmp_path / "w.pth")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["w.pth"]
    assert load(tmp_path / "w.pth").sha256 == before.sha256


def test_an_interrupted_write_keeps_the_file_that_was_there(tmp_path, monkeypatch):
    before = example()
    save(before, tmp_path / "w.pth")

    def interrupted(content, path):
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(store.torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(example(seed=1), tmp_path / "w.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["w.pth"]
    assert load(tmp_path / "w.pth").sha256 == before.sha256


def fcn(fuse: tuple[str, ...] = (), trunk=VGG16, width: float = 1 / 64, classes: int = 3, **options) -> FCN:
    head = dict(type=SkipHead, num_classes=classes, fuse=fuse, loss=dict(type=PixelSoftmaxLoss, reduction="sum"))
    net = FCN(backbone=dict(type=trunk, width=width), decode_head=head | options)
    for name, parameter in net.named_parameters():
        if "score_" in name:
            torch.nn.init.normal_(parameter)
    return net


def state(net: FCN) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in net.state_dict().items()}


def test_a_net_gets_exactly_its_weights():
    torch.manual_seed(0)
    source, target = fcn(("pool4",)), fcn(("pool4",))
    load_into(Weights(state(source)), target, "w.pth")
    assert Weights(state(target)).sha256 == Weights(state(source)).sha256


def test_the_weights_of_another_net_are_refused_with_every_name():
    target = fcn()
    before, weights = Weights(state(target)).sha256, state(fcn())
    del weights["backbone.fc7.bias"], weights["decode_head.score_fr.bias"]
    weights |= {"backbone.fc6.weight": torch.zeros(2), "stray.weight": torch.zeros(1), "other": torch.zeros(1)}
    with pytest.raises(UserError) as caught:
        load_into(Weights(weights), target, "w.pth")
    assert str(caught.value) == (
        "w.pth holds the weights of another net (misshapen: backbone.fc6.weight; "
        "missing: backbone.fc7.bias, decode_head.score_fr.bias; foreign: stray.weight, other)"
    )
    assert Weights(state(target)).sha256 == before


def test_a_finer_nets_weights_do_not_go_into_a_coarser_one():
    with pytest.raises(
        UserError, match=r"missing: decode_head.upscore.weight; foreign: .*decode_head.score_pool4.bias"
    ):
        load_into(Weights(state(fcn(("pool4",)))), fcn(), "w.pth")


def dense(name: str, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights, but for one upsampling, which mixes classes."""
    classes, _, *kernel = weights[name].shape
    return weights | {name: torch.randn(classes, classes, *kernel)}


def test_a_fixed_upsampling_becomes_dense_with_dense_weights(tmp_path):
    name = "decode_head.upscore2.weight"
    weights = dense(name, state(fcn(("pool4",))))
    for take, target in ((load_into, fcn(("pool4",))), (hand_on, fcn(("pool4", "pool3")))):
        take(Weights(weights), target, "w.pth")
        assert torch.equal(target.state_dict()[name], weights[name])
        assert not target.decode_head.upscore2.weight.requires_grad
        x = torch.randn(1, 3, 4, 5)
        expected = torch.nn.functional.conv_transpose2d(x, weights[name], stride=2)
        assert torch.equal(target.decode_head.upscore2(x), expected)
    save(Weights(state(target)), tmp_path / "w.pth")
    again = fcn(("pool4", "pool3"))
    load_into(load(tmp_path / "w.pth"), again, "w.pth")
    assert Weights(state(again)).sha256 == Weights(state(target)).sha256
    resumed = fcn(("pool4", "pool3"))
    resumed.load_state_dict(target.state_dict())  # as mmengine resumes a run
    assert Weights(state(resumed)).sha256 == Weights(state(target)).sha256


@pytest.mark.parametrize("shape", [(3, 3, 2, 2), (4, 4, 4, 4), (3, 2, 4, 4), (1, 3, 4, 4)])
def test_an_upsampling_takes_no_other_form(shape):
    weights = state(fcn(("pool4",))) | {"decode_head.upscore2.weight": torch.zeros(shape)}
    target = fcn(("pool4",))
    before = Weights(state(target)).sha256
    for take in (load_into, hand_on):
        with pytest.raises(UserError, match=r"\(misshapen: decode_head.upscore2.weight"):
            take(Weights(weights), target, "w.pth")
    assert Weights(state(target)).sha256 == before and target.decode_head.upscore2.groups == 3


def test_a_learned_upsampling_takes_no_fixed_ones_form():
    learned = fcn(("pool4",), learned_upsampling=True)
    with pytest.raises(UserError, match=r"\(misshapen: decode_head.upscore2.weight\)"):
        load_into(Weights(state(fcn(("pool4",)))), learned, "w.pth")


CHAIN = [(), ("pool4",), ("pool4", "pool3"), ("pool4", "pool3", "pool2"), ("pool4", "pool3", "pool2", "pool1")]


@pytest.mark.parametrize(("coarse", "fine"), list(itertools.pairwise(CHAIN)))
def test_a_finer_net_starts_with_all_that_the_coarser_one_has(coarse, fine):
    torch.manual_seed(0)
    parent, child = fcn(coarse), fcn(fine)
    before = state(child)
    hand_on(Weights(state(parent)), child, "w.pth")
    last = parent.decode_head.last_upscore  # to the image; the finer net goes there in other steps
    for name, tensor in state(child).items():
        expected = parent.state_dict().get(name, before[name])
        assert torch.equal(tensor, expected), name
    kept = [name for name in parent.state_dict() if name not in child.state_dict()]
    assert kept in ([], [f"decode_head.{last}.weight"])


def test_handing_on_refuses_another_trunk():
    with pytest.raises(UserError, match=r"missing: backbone.conv1_1.weight.*foreign: backbone.conv1.weight"):
        hand_on(Weights(state(fcn(trunk=CaffeNet))), fcn(), "w.pth")


def test_handing_on_refuses_another_width_and_leaves_the_net_alone():
    target = fcn()
    before = Weights(state(target)).sha256
    with pytest.raises(UserError, match=r"w.pth .*another net \(misshapen: backbone.conv1_1.weight, ") as caught:
        hand_on(Weights(state(fcn(width=1 / 32))), target, "w.pth")
    assert all(name in str(caught.value) for name in ("backbone.conv5_3.bias", "backbone.fc7.weight"))
    assert Weights(state(target)).sha256 == before


def test_handing_on_refuses_other_classes():
    with pytest.raises(UserError, match=r"misshapen: decode_head.score_fr.weight"):
        hand_on(Weights(state(fcn(classes=4))), fcn(), "w.pth")


@pytest.mark.parametrize("name", ["backbone.conv1_1.bias", "backbone.fc7.weight"])
def test_handing_on_misses_nothing_of_the_trunk(name):
    weights = state(fcn())
    del weights[name]
    with pytest.raises(UserError, match=rf"\(missing: {name}\)"):
        hand_on(Weights(weights), fcn(), "w.pth")


@pytest.mark.parametrize("name", ["backbone.fc8.weight", "scores", "backbone.classifier", "head.rescore_fr.weight"])
def test_handing_on_drops_no_stranger(name):
    with pytest.raises(UserError, match=rf"\(foreign: {name}\)"):
        hand_on(Weights(state(fcn()) | {name: torch.zeros(1)}), fcn(), "w.pth")


def test_reading_makes_no_noise(tmp_path, capsys):
    save(example(), tmp_path / "w.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(tmp_path / "w.pth")
    assert capsys.readouterr() == ("", "")
