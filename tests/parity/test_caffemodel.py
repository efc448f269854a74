"""Caffe's weights files: what Caffe writes comes back bit for bit, as OpenCV reads it too, and nothing else gets in."""

import io
import itertools
import random
import re
import subprocess
import sys
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import torch
from caffe_files import Layer, blob, block, caffemodel, layer_message, number, varint, write_caffemodel
from numpy.typing import NDArray
from PIL import Image

from repro.errors import UserError
from repro.weights.caffe import read_caffemodel

FORMATS = [
    pytest.param({"v1": v1, "legacy": legacy, "packed": packed}, id="-".join(names))
    for v1, legacy, packed in itertools.product((False, True), repeat=3)
    if (names := ["layers" if v1 else "layer", "four dims" if legacy else "shape", "packed" if packed else "unpacked"])
]
each_format = pytest.mark.parametrize("form", FORMATS)

PROTOTXT = """
input: "data" input_dim: 1 input_dim: 4 input_dim: 9 input_dim: 9
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
        convolution_param { num_output: 6 kernel_size: 3 } }
layer { name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2"
        convolution_param { num_output: 8 kernel_size: 3 group: 2 } }
layer { name: "upscore" type: "Deconvolution" bottom: "conv2" top: "upscore"
        convolution_param { num_output: 3 kernel_size: 4 stride: 2 bias_term: false } }
layer { name: "fc/8" type: "InnerProduct" bottom: "upscore" top: "fc/8" inner_product_param { num_output: 5 } }
"""


def normal(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    values = np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)
    values.ravel()[:2] = np.array([1e-45, -0.0], np.float32)  # which arithmetic or text would lose
    return values


def net() -> list[Layer]:
    """The layers with weights of the net of `PROTOTXT`."""
    return [
        Layer("conv1", "Convolution", [normal(6, 4, 3, 3), normal(6)]),
        Layer("conv2", "Convolution", [normal(8, 3, 3, 3), normal(8)]),
        Layer("upscore", "Deconvolution", [normal(8, 3, 4, 4)]),
        Layer("fc/8", "InnerProduct", [normal(5, 3 * 12 * 12), normal(5)]),
    ]


def refused(content: bytes, tmp_path: Path, match: str) -> None:
    """Reading a file of this content raises a UserError: one line that names the file."""
    path = tmp_path / "net.caffemodel"
    path.write_bytes(content)
    with pytest.raises(UserError, match=match) as caught:
        read_caffemodel(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@each_format
@pytest.mark.parametrize("diff", [False, True], ids=["", "with gradients"])
def test_every_blob_comes_back_bit_for_bit(form, diff, tmp_path):
    path = write_caffemodel(tmp_path / "net.caffemodel", net(), diff=diff, **form)
    found = read_caffemodel(path)
    assert [(layer.name, layer.type) for layer in found.values()] == [(layer.name, layer.type) for layer in net()]
    for layer in net():
        for ours, written in zip(found[layer.name].blobs, layer.blobs, strict=True):
            assert ours.dtype == np.float32 and ours.flags.writeable and ours.flags.c_contiguous
            assert ours.shape == ((1,) * (4 - written.ndim) * form["legacy"] + written.shape)
            assert ours.tobytes() == written.tobytes()


@each_format
def test_opencv_reads_the_same_weights(form, tmp_path):
    (tmp_path / "net.prototxt").write_text(PROTOTXT)
    path = write_caffemodel(tmp_path / "net.caffemodel", net(), diff=True, **form)
    theirs = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"), str(path))
    found = read_caffemodel(path)
    assert len(found) == 4
    for name, layer in found.items():
        for index, values in enumerate(layer.blobs):
            expected = np.asarray(theirs.getParam(name, index))
            # it drops leading dims of one, or gives a vector a second dim
            assert np.squeeze(expected).shape == np.squeeze(values).shape
            assert expected.dtype == np.float32 and expected.tobytes() == values.tobytes()


@pytest.mark.parametrize("packed", [True, False])
def test_doubles_are_rounded_to_single_precision(packed, tmp_path):
    exact = np.random.default_rng(0).standard_normal((5, 7))
    path = write_caffemodel(tmp_path / "net.caffemodel", [Layer("a", "InnerProduct", [exact])], packed=packed)
    (found,) = read_caffemodel(path)["a"].blobs
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, exact.astype(np.float32))
    assert (found != exact).any()


def test_where_a_blob_holds_both_the_doubles_count(tmp_path):
    """So Caffe reads it."""
    doubles, floats = np.arange(3.0), np.ones(5, np.float32)
    content = block(7, block(1, varint(3))) + block(5, floats.tobytes()) + block(8, doubles.tobytes())
    path = tmp_path / "net.caffemodel"
    path.write_bytes(block(100, block(1, "a") + block(7, content)))
    np.testing.assert_array_equal(read_caffemodel(path)["a"].blobs[0], doubles)


def test_values_that_come_in_several_runs_are_one_blob(tmp_path):
    """As protobuf allows: packed or not, and in any order with the dims."""
    values = normal(4, 5).ravel()
    runs = block(5, values[:7].tobytes()) + varint(5 << 3 | 5) + values[7:8].tobytes()
    content = runs + block(7, block(1, varint(4) + varint(5))) + block(5, values[8:].tobytes())
    path = tmp_path / "net.caffemodel"
    path.write_bytes(block(100, block(7, content) + block(1, "a")))
    assert read_caffemodel(path)["a"].blobs[0].tobytes() == values.tobytes()


def test_a_large_blob_is_read_whole(tmp_path):
    values = np.arange(3 * 1_000_003, dtype=np.float32).reshape(3, -1)  # more than one piece, and no round number
    for layer in (Layer("a", "InnerProduct", [values]), Layer("a", "InnerProduct", [values.astype(np.float64)])):
        path = write_caffemodel(tmp_path / "net.caffemodel", [layer])
        np.testing.assert_array_equal(read_caffemodel(path)["a"].blobs[0], values)


def test_a_number_without_dims_and_a_layer_of_an_unknown_kind_are_read(tmp_path):
    number_alone = block(5, np.float32(3.5).tobytes())
    path = tmp_path / "net.caffemodel"
    for shape in (b"", block(7, b"")):
        path.write_bytes(block(100, block(1, "a") + block(2, "Scale") + block(7, number_alone + shape)))
        (layer,) = read_caffemodel(path).values()
        assert layer.type == "Scale" and layer.blobs[0].shape == () and layer.blobs[0] == 3.5
    path.write_bytes(block(2, block(4, "a") + number(5, 99) + block(6, number_alone)))
    assert read_caffemodel(path)["a"].type == "V1 type 99"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process's memory is read from /proc")
@pytest.mark.parametrize(("v1", "dtype"), [(True, np.float32), (False, np.float64)])
def test_reading_takes_little_more_memory_than_the_file(v1, dtype, tmp_path):
    """Three quarters of it in one layer, as in VGG16. The result is held, and counts."""
    ones = np.ones((75, 1_000_000 // np.dtype(dtype).itemsize), dtype)  # 75 MB
    layers = [Layer("fc6", "InnerProduct", [ones]), Layer("fc7", "InnerProduct", [ones[:25]])]
    large = write_caffemodel(tmp_path / "large.caffemodel", layers, v1=v1, legacy=v1)
    small = write_caffemodel(tmp_path / "small.caffemodel", [Layer("fc6", "InnerProduct", [ones[:1, :9]])])
    script = """if True:
        import sys
        from repro.weights.caffe import read_caffemodel
        for path in sys.argv[1:]:
            held = read_caffemodel(path)
            # the peak of this process; getrusage's is the parent's where that was larger
            print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
    """
    command = [sys.executable, "-c", script, str(small), str(large)]
    before, after = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    share = (after - before) * 1024 / large.stat().st_size
    print(f"peak memory {share:.2f} of the file")
    values = 4 / np.dtype(dtype).itemsize
    assert 0.95 * values < share <= 1.3 * values


def test_a_file_cut_anywhere_is_refused_or_ends_between_layers(tmp_path):
    whole = caffemodel(net(), legacy=True)
    sizes = [len(layer_message(layer, legacy=True)) for layer in net()]
    ends = list(itertools.accumulate(sizes, initial=len(caffemodel([]))))[1:]
    path = tmp_path / "net.caffemodel"
    path.write_bytes(whole)
    everything = read_caffemodel(path)
    cuts = [*range(200), *random.Random(0).sample(range(200, len(whole)), 300), *ends]
    for cut in cuts:
        path.write_bytes(whole[:cut])
        if cut in ends:
            found = read_caffemodel(path)
            assert list(found) == list(everything)[: len(found)]
            continue
        with pytest.raises(UserError, match=r"truncated|breaks off after layer|no layer with weights") as caught:
            read_caffemodel(path)
        assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_the_layer_after_which_a_file_breaks_off_is_named(tmp_path):
    whole = caffemodel(net())
    cut = whole.index(b"upscore") + 40
    refused(whole[:cut], tmp_path, "breaks off after layer 'conv2': fetch it again")
    refused(whole + b"\x00" * 9, tmp_path, "breaks off after layer 'fc/8'")


def test_values_that_reach_beyond_their_blob_are_refused(tmp_path):
    """Cut at the very end, and with a length that runs over into what follows."""
    values = normal(2, 3)
    head = block(7, block(1, varint(2) + varint(3)))
    whole = block(100, block(1, "a") + block(7, head + block(5, values.tobytes())))
    path = tmp_path / "net.caffemodel"
    path.write_bytes(whole)
    assert read_caffemodel(path)["a"].blobs[0].tobytes() == values.tobytes()
    for cut in range(1, 24):
        refused(whole[:-cut], tmp_path, r"truncated or no \.caffemodel")
    overlong = head + varint(5 << 3 | 2) + varint(24) + values.tobytes()[:-5]
    layer = block(100, block(1, "a") + block(7, overlong) + block(3, "b" * 50))
    refused(layer, tmp_path, r"truncated or no \.caffemodel")


@pytest.mark.parametrize("seed", range(200))
def test_random_bytes_are_refused(seed, tmp_path):
    content = random.Random(seed).randbytes(1 + seed * seed)
    refused(content, tmp_path, r"no \.caffemodel|no layer with weights")


def test_broken_bytes_give_a_net_or_a_line(tmp_path):
    """One byte changed: in a value nobody can tell, in the frame the file is refused, and never anything else."""
    whole = bytearray(caffemodel([Layer("a", "Convolution", [normal(2, 1, 1, 1), normal(2)])], legacy=True))
    path = tmp_path / "net.caffemodel"
    read, told = 0, 0
    for place, value in itertools.product(range(len(whole)), (0, 1, 7, 15, 42, 127, 128, 255)):
        broken = whole.copy()
        broken[place] = value
        path.write_bytes(broken)
        try:
            read += len(read_caffemodel(path))
        except UserError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
            told += 1
    assert read > 100 and told > 100


def foreign() -> dict[str, tuple[bytes, str]]:
    """What users take for a `.caffemodel`, and what they are told."""
    picture, weights, snapshot = io.BytesIO(), io.BytesIO(), io.BytesIO()
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(picture, "PNG")
    torch.save({"conv1.weight": torch.ones(3)}, weights)
    with h5py.File(snapshot, "w") as file:
        file["data/conv1/0"] = normal(2, 2)
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 553432081\n"
    return {
        "empty": (b"", "no layer with weights"),
        "zeros": (bytes(1000), r"no \.caffemodel"),
        "picture": (picture.getvalue(), r"no \.caffemodel"),
        "torch": (weights.getvalue(), r"no \.caffemodel"),
        "hdf5": (snapshot.getvalue(), "HDF5 snapshot.*BINARYPROTO"),
        "pointer": (pointer, "git-lfs pointer"),
        "page": (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", r"no \.caffemodel"),
        "prototxt": (PROTOTXT.encode(), r"no \.caffemodel"),
        "net without weights": (caffemodel([]), "no layer with weights"),
        "solver state": (number(1, 100) + block(3, blob(normal(2, 2))), "no layer with weights"),
        "first format": (block(2, block(1, block(1, "conv1") + block(50, blob(normal(2))))), "first format .V0."),
        "wrong wire type": (block(1, "net") + number(100, 7), r"no \.caffemodel"),
        "name of two lines": (block(100, block(1, b"a\nb") + block(7, blob(normal(2)))), r"no \.caffemodel"),
        "name in no encoding": (block(100, block(1, b"\xff\xfe") + block(7, blob(normal(2)))), r"no \.caffemodel"),
    }


@pytest.mark.parametrize("what", foreign())
def test_foreign_files_are_refused(what, tmp_path):
    refused(*[foreign()[what][0], tmp_path, foreign()[what][1]])


@pytest.mark.parametrize("v1", [False, True])
def test_a_blob_that_does_not_fill_its_dims_is_refused(v1, tmp_path):
    good = Layer("conv1", "Convolution", [normal(6, 4, 3, 3), normal(6)])
    whole = layer_message(good, v1=v1, legacy=True)
    bad = whole.replace(number(4, 6), number(4, 7))
    assert bad != whole
    refused(bad, tmp_path, re.escape("6 values in blob 1 of layer 'conv1', whose dims are (1, 1, 1, 7)"))
    negative = block(7, block(1, varint(-4) + varint(-5))) + block(5, normal(4, 5).tobytes())
    refused(block(100, block(1, "a") + block(7, negative)), tmp_path, re.escape("dims are (-4, -5)"))
    empty = block(7, block(1, varint(2**62) + varint(4)))  # 2^64 values overflow to none
    refused(block(100, block(1, "a") + block(7, empty)), tmp_path, "0 values in blob 0 of layer 'a'")
    ragged = block(7, block(1, varint(1))) + block(5, b"\x00\x00\x80")
    refused(block(100, block(1, "a") + block(7, ragged)), tmp_path, r"no \.caffemodel")


@pytest.mark.parametrize("v1", [False, True])
def test_two_layers_of_one_name_are_refused(v1, tmp_path):
    twice = [net()[0], net()[1], net()[0]]
    refused(caffemodel(twice, v1=v1), tmp_path, "two layers 'conv1' with weights")
    # a data layer for training and one for testing share their name, and have no weights
    path = write_caffemodel(tmp_path / "net.caffemodel", [Layer("data", "Data"), net()[0]], v1=v1)
    assert list(read_caffemodel(path)) == ["conv1"]


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*nowhere.caffemodel: No such file"):
        read_caffemodel(tmp_path / "nowhere.caffemodel")
    with pytest.raises(UserError, match=r"cannot read .*: Is a directory"):
        read_caffemodel(tmp_path)
