"""Damaged checkpoints and ONNX models: an accepted one must predict 20 digits as the undamaged file does."""

import io
import json
import pickle
import zipfile
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import onnx
import torch

from benchmarks.faults.foreign import foreign_model
from benchmarks.faults.mutations import ODD_VALUES, change_value, damage_bytes
from benchmarks.faults.pickles import payload
from benchmarks.faults.workers import FaultError
from digits.prediction.classifier import load_classifier
from digits.runs.onnx_file import seal_model

ODD_TENSORS = [torch.full((3,), torch.nan), torch.zeros(2, 2, dtype=torch.complex64), torch.eye(3).to_sparse()]


def check_checkpoint(random: Random, originals: Path) -> None:
    original = originals / "model.ckpt"
    way = random.choices([_edited, _with_code, _repacked, None], [25, 15, 10, 50])[0]
    content = way(random, original) if way else damage_bytes(random, original.read_bytes())
    Path("model.ckpt").write_bytes(content)
    _check_predictions(Path("model.ckpt"), original, must_equal=way in (None, _repacked))


def check_onnx(random: Random, originals: Path) -> None:
    original = originals / "model.onnx"
    way = random.choices(["bytes", "nothing", "metadata", "foreign"], [65, 5, 10, 20])[0]
    if way in ("bytes", "nothing"):
        content = damage_bytes(random, original.read_bytes()) if way == "bytes" else original.read_bytes()
    else:
        model = onnx.load(original)
        metadata = {entry.key: entry.value for entry in model.metadata_props}
        if way == "foreign":
            model = foreign_model(random)
            metadata = {}
        else:
            name = random.choice(list(metadata))
            texts = ["{", "null", json.dumps({"name": "\x1b[2J", "calibrated": 1}), metadata[name][::-1]]
            metadata[name] = random.choice(texts)
        del model.metadata_props[:]
        onnx.helper.set_model_props(model, metadata)
        content = model.SerializeToString()
        if way == "foreign":
            content = seal_model(content, {"name": "foreign", "calibrated": True})
    Path("model.onnx").write_bytes(content)
    _check_predictions(Path("model.onnx"), original, must_equal=way == "bytes")


def _check_predictions(path: Path, original: Path, must_equal: bool) -> None:
    actual = _predict(path)
    if actual.shape != (20, 10) or not np.allclose(actual.sum(1), 1, atol=1e-3) or actual.min() < 0:
        raise FaultError("wrong", "accepted, but its predictions are not probabilities")
    difference = float(np.abs(actual - _expected(original)).max())
    if must_equal and difference:
        raise FaultError("wrong", f"accepted, but damaged: probabilities differ by {difference:.2g}")


def _predict(path: Path) -> np.ndarray:
    digits = np.load("../originals/real.npy")
    return load_classifier(path, accelerator="cpu", precision="32-true").predict(digits)


_expected = cache(_predict)


def _saved(content: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


def _edited(random: Random, original: Path) -> bytes:
    """Values of other types, ranges and shapes, saved as a valid checkpoint."""
    content = torch.load(original, weights_only=True)
    weights, digits = content["state_dict"], content["digits"]
    match random.choice(["any", "digits", "digits", "weights", "network"]):
        case "any":
            content = change_value(random, content, [*ODD_VALUES, *ODD_TENSORS])
        case "digits":
            content["digits"] = change_value(random, digits, [*ODD_VALUES, *ODD_TENSORS])
        case "weights":
            name = random.choice(list(weights))
            tensor = weights[name]
            others = [tensor * torch.nan, tensor * 1e30, tensor.double(), tensor.half(), tensor.int(), tensor[:1], None]
            weights[name] = random.choice([*others, tensor.to_sparse(), *ODD_TENSORS])
        case "network":
            name = random.choice(["mlp", "kaggle_cnn", "x\n" * 300, "\x1b[2J", 7])
            digits["config"]["model"] = {"name": name, random.choice(["name", "_target_"]): name}
    return _saved(content)


def _with_code(random: Random, original: Path) -> bytes:
    """Executes code when it is unpickled: it would create the file `canary`."""
    content, code = torch.load(original, weights_only=True), payload(random)
    match random.choice(["entry", "digits", "weights", "legacy", "pickle", "member"]):
        case "digits":
            content["digits"]["config"][random.choice(["model", "seed"])] = code
        case "weights":
            content["state_dict"]["network.0.weight"] = code
        case "pickle":
            return pickle.dumps(code, protocol=random.choice([0, 2, 4]))
        case "member":
            members = _members(original)
            name = next(name for name in members if name.endswith("data.pkl"))
            members[name] = pickle.dumps(code, protocol=2)
            return _zipped(list(members.items()))
        case way:
            content["extra"] = code
            return _saved(content, _use_new_zipfile_serialization=way != "legacy")
    return _saved(content)


def _repacked(random: Random, original: Path) -> bytes:
    """The zip file with compressed, missing, exchanged or additional members."""
    members = _members(original)
    items = list(members.items())
    index, compression = random.randrange(len(items)), zipfile.ZIP_STORED
    match random.choice(["compressed", "order", "missing", "short", "more", "same"]):
        case "compressed":
            compression = random.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
        case "order":
            random.shuffle(items)
        case "missing":
            del items[index]
        case "short":
            items[index] = items[index][0], items[index][1][: random.choice([0, 1, -1])]
        case "more":
            items.append((random.choice(["notes.txt", "archive/notes.txt", "archive/data/x"]), b"x"))
    return _zipped(items, compression)


def _members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _zipped(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression, compresslevel=1) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()
