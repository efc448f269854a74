"""Caffe's weights files, `.caffemodel`, read without Caffe.

Such a file is one protobuf message, a `NetParameter`, of up to half a gigabyte. The protobuf runtime would hold it
several times over, so the message's frame is walked here: a blob's values go from the file straight into its array,
and only what names and shapes them is left to protobuf.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from repro.errors import UserError
from repro.weights.caffe_schema import BlobProto, LayerParameter, V1LayerParameter

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # protobuf's wire types
LAYERS_V1, LAYER = 2, 100  # fields of a NetParameter
V0_LAYER = 1  # field of a V1LayerParameter
DATA, DOUBLE_DATA = 5, 8  # fields of a BlobProto
# A layer's message by its field in a NetParameter, and the number of its own field `blobs`.
FORMATS = {LAYER: (LayerParameter, 7), LAYERS_V1: (V1LayerParameter, 6)}
V1_TYPES = {4: "Convolution", 14: "InnerProduct", 39: "Deconvolution"}  # those that have blobs
LEGACY_DIMS = ("num", "channels", "height", "width")
PIECE = 1 << 22  # bytes read at a time
FOREIGN = {
    b"\x89HDF": "is an HDF5 snapshot: take the .caffemodel that Caffe writes with snapshot_format: BINARYPROTO",
    b"version https://git-lfs": "is a git-lfs pointer, not the file that it stands for: fetch that",
}


@dataclass(frozen=True)
class CaffeLayer:
    """A layer that has weights.

    Attributes:
        name, type: as in Caffe, the type in its newer spelling ("Convolution").
        blobs: weight, then bias, float32, in the dims that the file gives them: in older files always four, a bias
            being (1, 1, 1, N) and a matrix (1, 1, outputs, inputs).
    """

    name: str
    type: str
    blobs: tuple[NDArray[np.float32], ...]


def read_caffemodel(path: Path | str) -> dict[str, CaffeLayer]:
    """The layers of a `.caffemodel` that have weights, by name, in the file's order.

    Reads the formats of Caffe's `layer` and of its older `layers` (V1). Gradients, which a file may hold beside the
    weights, are skipped. Needs little more memory than what it returns.

    Raises:
        UserError: no such file, a truncated or foreign one, a blob whose values do not fill its dims, or two layers
            of one name.
    """
    try:
        with Path(path).open("rb") as file:
            return _read_net(file)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}; name a .caffemodel file") from error


class _Field(NamedTuple):
    """Where a field stands in the file: its tag begins at `tag`, its value reaches from `start` to `end`."""

    number: int
    wire_type: int
    tag: int
    start: int
    end: int


def _read_net(file: BinaryIO) -> dict[str, CaffeLayer]:
    head = file.read(32)
    for signature, complaint in FOREIGN.items():
        if head.startswith(signature):
            raise UserError(f"{file.name} {complaint}")
    net = _Field(0, BYTES, 0, 0, os.fstat(file.fileno()).st_size)
    layers: dict[str, CaffeLayer] = {}
    try:
        for field in _fields(file, net):
            if field.number not in FORMATS or not (layer := _read_layer(file, field)).blobs:
                continue
            if layer.name in layers:
                raise UserError(f"{file.name} has two layers {layer.name!r} with weights: name another file")
            layers[layer.name] = layer
    except (DecodeError, UnicodeDecodeError) as error:
        where = f"breaks off after layer {list(layers)[-1]!r}" if layers else "is truncated or no .caffemodel"
        raise UserError(f"{file.name} {where}: fetch it again") from error
    if not layers:
        raise UserError(f"{file.name} holds no layer with weights: name a .caffemodel file")
    return layers


def _read_layer(file: BinaryIO, place: _Field) -> CaffeLayer:
    schema, number = FORMATS[place.number]
    layer = _parse(file, place, schema)
    name = layer.name.decode()
    if not name.isprintable():
        raise DecodeError
    if schema is V1LayerParameter:
        layer_type = V1_TYPES.get(layer.type, f"V1 type {layer.type}")
    else:
        layer_type = layer.type.decode()
    blobs: list[NDArray[np.float32]] = []
    for part in _fields(file, place):
        if schema is V1LayerParameter and part.number == V0_LAYER:
            raise UserError(
                f"{file.name} is of Caffe's first format (V0): convert it with Caffe's upgrade_net_proto_binary"
            )
        if part.number == number:
            blobs.append(_read_blob(file, part, f"blob {len(blobs)} of layer {name!r}"))
    return CaffeLayer(name, layer_type, tuple(blobs))


def _read_blob(file: BinaryIO, place: _Field, what: str) -> NDArray[np.float32]:
    dims = _dims(_parse(file, place, BlobProto))
    doubles = _count(file, place, DOUBLE_DATA, FIXED64, 8)  # where there are any they alone count, as in Caffe
    found = doubles or _count(file, place, DATA, FIXED32, 4)
    data, dtype = (DOUBLE_DATA, "<f8") if doubles else (DATA, "<f4")
    if min(dims, default=1) < 0 or math.prod(dims) != found:
        raise UserError(f"{file.name} has {found} values in {what}, whose dims are {dims}: fetch it again")
    values = np.empty(found, np.float32)
    done = 0
    for part in _fields(file, place):
        if part.number == data:
            for start in range(part.start, part.end, PIECE):
                piece = np.frombuffer(_bytes(file, start, min(start + PIECE, part.end)), dtype)
                values[done : done + len(piece)] = piece
                done += len(piece)
    return values.reshape(dims)


def _count(file: BinaryIO, blob: _Field, number: int, fixed: int, size: int) -> int:
    """How many values a field of a blob holds: Caffe writes all of them as one field, others write one field each."""
    total = 0
    for part in _fields(file, blob):
        if part.number == number:
            values, rest = divmod(part.end - part.start, size)
            if rest or part.wire_type not in (BYTES, fixed):
                raise DecodeError
            total += values
    return total


def _dims(blob: Any) -> tuple[int, ...]:
    """As Caffe decides them: the four of older files where there are any, else the shape; no shape is a number."""
    if any(blob.HasField(name) for name in LEGACY_DIMS):
        return tuple(getattr(blob, name) for name in LEGACY_DIMS)
    return tuple(blob.shape.dim)


def _parse(file: BinaryIO, place: _Field, schema: Any) -> Any:
    """The message at `place`, as far as its schema goes; fields that the schema leaves out are not read."""
    known = schema.DESCRIPTOR.fields_by_number
    parts = (_bytes(file, part.tag, part.end) for part in _fields(file, place) if part.number in known)
    return schema.FromString(b"".join(parts))


def _fields(file: BinaryIO, message: _Field) -> Iterator[_Field]:
    """The fields of the message at a place, one after another; their values are skipped.

    Raises:
        DecodeError: what stands there is no message.
    """
    if message.wire_type != BYTES:
        raise DecodeError
    position = message.start
    while position < message.end:
        file.seek(position)
        number, wire_type = divmod(_varint(file), 8)
        start = file.tell()
        if wire_type == VARINT:
            _varint(file)
            end = file.tell()
        elif wire_type == BYTES:
            size = _varint(file)
            start = file.tell()
            end = start + size
        elif wire_type in (FIXED32, FIXED64):
            end = start + (4 if wire_type == FIXED32 else 8)
        else:
            raise DecodeError
        if number == 0 or end > message.end:
            raise DecodeError
        yield _Field(number, wire_type, position, start, end)
        position = end


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise DecodeError
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise DecodeError


def _bytes(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)
