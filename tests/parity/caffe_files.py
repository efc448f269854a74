"""Caffe's files as Caffe writes them: an encoder of `.caffemodel` that shares nothing with the reader under test."""

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# the types of Caffe's V1LayerParameter that the tests use
V1_TYPES = {"Convolution": 4, "Data": 5, "InnerProduct": 14, "ReLU": 18, "Deconvolution": 39}


class Layer(NamedTuple):
    """A layer to be written; its blobs may be of any float type."""

    name: str
    type: str
    blobs: Sequence[NDArray[np.floating]] = ()


def varint(value: int) -> bytes:
    """An unsigned number, seven bits a byte; negative ones as 64 bits."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A field of an integer type."""
    return varint(field << 3) + varint(value)


def block(field: int, content: bytes | str) -> bytes:
    """A field that is a string, a message, or packed values."""
    content = content.encode() if isinstance(content, str) else content
    return varint(field << 3 | 2) + varint(len(content)) + content


def unpacked(field: int, values: NDArray[np.floating]) -> bytes:
    """A repeated field with a tag before every value."""
    code, wire_type = ("<f", 5) if values.dtype == np.float32 else ("<d", 1)
    return b"".join(varint(field << 3 | wire_type) + struct.pack(code, value) for value in values.ravel())


def blob(values: NDArray[np.floating], *, legacy: bool = False, packed: bool = True, diff: bool = False) -> bytes:
    """A BlobProto.

    Args:
        legacy: with the four dims of older files, (1, 1, 1, N) for a vector, instead of a shape.
        packed: values in one field, as Caffe writes them, or with a tag each.
        diff: with a gradient beside the values.
    """
    if legacy:
        dims = (1,) * (4 - values.ndim) + values.shape
        head = b"".join(number(field, side) for field, side in enumerate(dims, start=1))
    else:
        head = block(7, block(1, b"".join(map(varint, values.shape))))
    field = 5 if values.dtype == np.float32 else 8
    body = block(field, values.tobytes()) if packed else unpacked(field, values)
    gradient = block(field + 1, (values + 1).astype(values.dtype).tobytes()) if diff else b""
    # Caffe writes fields in the order of their numbers, readers must take any
    return head + gradient + body if legacy else body + gradient + head


def layer_message(layer: Layer, *, v1: bool = False, **options: bool) -> bytes:
    """A layer as a field of a NetParameter, with what real files have around its blobs."""
    blobs = [blob(values, **options) for values in layer.blobs]
    if v1:
        names = block(2, "below") + block(3, layer.name) + block(4, layer.name) + number(5, V1_TYPES[layer.type])
        rates = varint(7 << 3 | 5) + struct.pack("<f", 2)  # blobs_lr
        return block(2, names + b"".join(block(6, content) for content in blobs) + rates + block(10, number(1, 64)))
    names = block(1, layer.name) + block(2, layer.type) + block(3, "below") + block(4, layer.name)
    return block(100, names + b"".join(block(7, content) for content in blobs) + number(10, 0) + block(106, b""))


def caffemodel(layers: Iterable[Layer], *, v1: bool = False, **options: bool) -> bytes:
    """A whole file: the name of the net, a data layer, and the layers. Options are those of `blob`."""
    noise = [Layer("data", "Data"), Layer("relu", "ReLU")]
    return block(1, "net") + b"".join(layer_message(layer, v1=v1, **options) for layer in [*noise, *layers])


def write_caffemodel(path: Path, layers: Iterable[Layer], *, v1: bool = False, **options: bool) -> Path:
    """Write a `.caffemodel` and return its path."""
    path.write_bytes(caffemodel(layers, v1=v1, **options))
    return path
