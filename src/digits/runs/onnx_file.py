"""The file of an exported model: ONNX, and at its end the metadata entry `digits` with a checksum.

ONNX Runtime verifies no checksum: one flipped bit of a weight caused an error of 90 %."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digits.errors import InputError
from digits.installation import needs

if TYPE_CHECKING:
    import onnx

ENTRY = b"digits"
# Numbers of the fields in onnx.proto: metadata_props of ModelProto, key and value of its entries.
METADATA_FIELD, KEY_FIELD, VALUE_FIELD = 14, 1, 2
DAMAGED = "damaged, or not a model that predict.py exported"


def seal_model(content: bytes, metadata: Mapping[str, Any]) -> bytes:
    """Appends the metadata and the checksum to a serialized model: fields of concatenated messages are merged."""
    return content + _serialize_entry(json.dumps({**metadata, "sha256": _checksum(content, metadata)}))


@dataclass(frozen=True)
class SealedModel:
    """The content of a file with a right checksum."""

    content: bytes
    name: str
    calibrated: bool


def read_model(path: Path) -> SealedModel:
    """Reads a model that `predict.py export=…` wrote.

    Raises InputError for a file that is missing, damaged or from another program. Models with loops, branches,
    functions, sparse arrays or weights in other files are from another program."""
    with needs(f"the model {path}", "the package onnx"):
        import onnx  # imported late: the network of this package needs no check
    sealed = read_sealed(path)
    try:
        model = onnx.load_model_from_string(sealed.content)
    except Exception:  # arbitrary bytes can raise any error in the parser
        raise InputError(f"{path}: {DAMAGED}") from None
    if not _is_self_contained(model):
        raise InputError(f"{path}: not a model that predict.py exported")
    return sealed


def read_sealed(path: Path) -> SealedModel:
    """Reads a model and verifies its checksum. Its graph is not looked at.

    Raises InputError for a file that is missing, damaged or without a checksum."""
    content = _read_bytes(path)
    try:
        value = _last_entry(content)
        metadata: dict[str, Any] = json.loads(value)
        name = metadata["name"]
        checksum = metadata.pop("sha256", None)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):  # from JSON of another program
        raise InputError(f"{path}: {DAMAGED}") from None
    if checksum is None:
        raise InputError(f"{path}: without a checksum, as of an older version; export it again")
    model = content.removesuffix(_serialize_entry(value))
    if _checksum(model, metadata) != checksum:
        raise InputError(f"{path}: damaged; its checksum is wrong. Copy or export it again")
    if not isinstance(name, str) or not name.isprintable():
        raise InputError(f"{path}: not a model that predict.py exported")
    return SealedModel(content, name, bool(metadata.get("calibrated")))


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        reason = getattr(error, "strerror", None) if os.path.exists(path) else None
        raise InputError(f"{path}: {reason or 'no such file'}") from None


def _checksum(content: bytes, metadata: Mapping[str, Any]) -> str:
    return hashlib.sha256(content + json.dumps(metadata).encode()).hexdigest()


def _last_entry(content: bytes) -> str:
    """The value of the entry at the end of a model. Raises ValueError if there is none."""
    start = content.rindex(_field(KEY_FIELD, ENTRY))
    value = content[content.index(b"{", start) :].decode()
    if not content.endswith(_serialize_entry(value)):
        raise ValueError
    return value


def _serialize_entry(value: str) -> bytes:
    """A serialized model that has only this entry."""
    entry = _field(KEY_FIELD, ENTRY) + _field(VALUE_FIELD, value.encode())
    return _field(METADATA_FIELD, entry)


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes in the encoding of Protocol Buffers: the field's number and type, the length, the content."""
    length_delimited = 2
    return bytes([number << 3 | length_delimited]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first. The highest bit of a byte says that another one follows."""
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _is_self_contained(model: "onnx.ModelProto") -> bool:
    """Whether the model has no functions, no subgraphs (loops, branches), no sparse arrays and no weights in other
    files."""
    import onnx

    if model.functions or model.graph.sparse_initializer:
        return False
    tensors = list(model.graph.initializer)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                return False
            if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
                return False
            tensors += [attribute.t, *attribute.tensors]
    return all(tensor.data_location != onnx.TensorProto.EXTERNAL for tensor in tensors)
