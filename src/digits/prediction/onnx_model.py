"""The file of an exported model: ONNX, and at its end the metadata entry `digits` with a checksum.

ONNX Runtime verifies no checksum: one flipped bit of a weight caused an error of 90 %."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Timer
from typing import Any

import onnx

from digits.errors import InputError

ENTRY = "digits"
MAX_MEMORY = 1 << 30  # bytes of ONNX Runtime's allocator
MAX_TRIAL_SECONDS = 10.0


def seal_model(content: bytes, metadata: Mapping[str, Any]) -> bytes:
    """Appends the metadata and the checksum to a serialized model: fields of concatenated messages are merged."""
    return content + _serialize_entry(json.dumps({**metadata, "sha256": _checksum(content, metadata)}))


def read_model(path: Path) -> tuple[bytes, dict[str, Any]]:
    """The content of a sealed model and its metadata.

    Raises InputError for a file that is missing, damaged or from another program. Models with loops, branches,
    functions, sparse arrays or weights in other files are from another program."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        reason = getattr(error, "strerror", None) if os.path.exists(path) else None
        raise InputError(f"{path}: {reason or 'no such file'}") from None
    try:
        model = onnx.load_model_from_string(content)
        [value] = [entry.value for entry in model.metadata_props if entry.key == ENTRY]
        metadata: dict[str, Any] = json.loads(value)
        name, checksum = metadata["name"], metadata.pop("sha256", None)
    except Exception:  # arbitrary bytes can raise any error in the parser
        raise InputError(f"{path}: damaged, or not a model that predict.py exported") from None
    if checksum is None:
        raise InputError(f"{path}: without a checksum, as of an older version; export it again")
    sealed = _serialize_entry(value)
    if not content.endswith(sealed) or _checksum(content[: -len(sealed)], metadata) != checksum:
        raise InputError(f"{path}: damaged; its checksum is wrong. Export it again")
    if not isinstance(name, str) or not name.isprintable() or not _is_self_contained(model):
        raise InputError(f"{path}: not a model that predict.py exported")
    return content, metadata


def _checksum(content: bytes, metadata: Mapping[str, Any]) -> str:
    return hashlib.sha256(content + json.dumps(metadata).encode()).hexdigest()


def _serialize_entry(value: str) -> bytes:
    entry = onnx.StringStringEntryProto(key=ENTRY, value=value)
    return bytes(onnx.ModelProto(metadata_props=[entry]).SerializeToString())


def _is_self_contained(model: onnx.ModelProto) -> bool:
    """Whether the model has no functions, no subgraphs (loops, branches), no sparse arrays and no weights in other
    files."""
    attributes = [attribute for node in model.graph.node for attribute in node.attribute]
    if model.functions or any(one.HasField("g") or one.graphs for one in attributes):
        return False
    if model.graph.sparse_initializer or any(one.HasField("sparse_tensor") or one.sparse_tensors for one in attributes):
        return False
    tensors = [*model.graph.initializer, *(tensor for one in attributes for tensor in (one.t, *one.tensors))]
    return not any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors)


@cache  # an allocator is registered once for all models
def limit_memory() -> None:
    """Limits the memory of ONNX Runtime for sessions with `session.use_env_allocators`."""
    import onnxruntime

    kind = onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    info = onnxruntime.OrtMemoryInfo("Cpu", kind, 0, onnxruntime.OrtMemType.DEFAULT)
    onnxruntime.create_and_register_allocator(info, onnxruntime.OrtArenaCfg({"max_mem": MAX_MEMORY}))


@contextmanager
def time_limit() -> Iterator[Any]:
    """Yields options for a run of ONNX Runtime, which fails if it takes longer than `MAX_TRIAL_SECONDS`."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    timer = Timer(MAX_TRIAL_SECONDS, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        yield options
    finally:
        timer.cancel()
