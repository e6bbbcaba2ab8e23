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
    content = _read_bytes(path)
    try:
        model = onnx.load_model_from_string(content)
        [value] = [entry.value for entry in model.metadata_props if entry.key == ENTRY]
        metadata: dict[str, Any] = json.loads(value)
        name = metadata["name"]
        checksum = metadata.pop("sha256", None)
    except Exception:  # arbitrary bytes can raise any error in the parser
        raise InputError(f"{path}: damaged, or not a model that predict.py exported") from None
    if checksum is None:
        raise InputError(f"{path}: without a checksum, as of an older version; export it again")
    sealed = _serialize_entry(value)
    if not content.endswith(sealed) or _checksum(content[: -len(sealed)], metadata) != checksum:
        raise InputError(f"{path}: damaged; its checksum is wrong. Export it again")
    has_name = isinstance(name, str) and name.isprintable()
    if not has_name or not _is_self_contained(model):
        raise InputError(f"{path}: not a model that predict.py exported")
    return content, metadata


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL character in the name
        reason = getattr(error, "strerror", None) if os.path.exists(path) else None
        raise InputError(f"{path}: {reason or 'no such file'}") from None


def _checksum(content: bytes, metadata: Mapping[str, Any]) -> str:
    return hashlib.sha256(content + json.dumps(metadata).encode()).hexdigest()


def _serialize_entry(value: str) -> bytes:
    entry = onnx.StringStringEntryProto(key=ENTRY, value=value)
    return bytes(onnx.ModelProto(metadata_props=[entry]).SerializeToString())


def _is_self_contained(model: onnx.ModelProto) -> bool:
    """Whether the model has no functions, no subgraphs (loops, branches), no sparse arrays and no weights in other
    files."""
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
