"""As much of Caffe's caffe.proto as its weights files need, as protobuf messages.

Names and numbers of the fields are Caffe's. The values of a blob (`data`, `double_data`) and the blobs of a layer are
left out: they are too large to be parsed, and `repro.weights.caffe` reads them itself.
"""

from typing import Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

PACKAGE = "repro.caffe"
# message -> field -> its number and type
MESSAGES = {
    "BlobShape": {"dim": (1, "repeated int64")},
    "BlobProto": {
        "num": (1, "int64"),
        "channels": (2, "int64"),
        "height": (3, "int64"),
        "width": (4, "int64"),
        "shape": (7, "BlobShape"),
    },
    # a string is `bytes` here, which are the same on the wire: not every runtime refuses what is no UTF-8
    "LayerParameter": {"name": (1, "bytes"), "type": (2, "bytes")},
    "V1LayerParameter": {"name": (4, "bytes"), "type": (5, "int64")},
}


def _field(name: str, number: int, kind: str) -> FieldDescriptorProto:
    label, _, kind = kind.rpartition(" ")
    field = FieldDescriptorProto(name=name, number=number)
    field.label = FieldDescriptorProto.Label.Value(f"LABEL_{(label or 'optional').upper()}")
    if kind in MESSAGES:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{PACKAGE}.{kind}"
    else:
        field.type = FieldDescriptorProto.Type.Value(f"TYPE_{kind.upper()}")
    return field


def _classes() -> dict[str, Any]:
    file = FileDescriptorProto(name="repro/caffe.proto", package=PACKAGE, syntax="proto2")
    for message, fields in MESSAGES.items():
        file.message_type.add(name=message, field=[_field(name, *of) for name, of in fields.items()])
    pool = DescriptorPool()  # of our own: a process that has loaded Caffe's own schema is not disturbed
    pool.AddSerializedFile(file.SerializeToString())
    return {name: GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}")) for name in MESSAGES}


_CLASSES = _classes()
BlobProto: Any = _CLASSES["BlobProto"]
LayerParameter: Any = _CLASSES["LayerParameter"]
V1LayerParameter: Any = _CLASSES["V1LayerParameter"]
