"""The undamaged files: digits, a study with its checkpoints, an exported model."""

import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.faults.sweeps import run_undisturbed
from benchmarks.faults.workers import FORK


def make_originals(folder: Path) -> None:
    """Writes all files into the new folder; works in a process of its own, so that no threads are inherited."""
    process = FORK.Process(target=_make, args=(folder,))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit("error: the undamaged files cannot be made")


def _make(folder: Path) -> None:
    folder.mkdir()
    _write_digits(folder / "digits.csv", 20)
    _write_digits(folder / "train.csv", 120)
    run_undisturbed(folder)
    checkpoint = min(folder.glob("study/*/checkpoints/last.ckpt"))
    shutil.copy(checkpoint, folder / "model.ckpt")
    _write_real_digits_and_export(folder)


def _write_digits(path: Path, count: int) -> None:
    """Kaggle's format: each class has its bright row, which a network can learn."""
    random = np.random.default_rng(count)
    labels = np.arange(count) % 10
    images = random.integers(0, 60, (count, 28, 28))
    images[np.arange(count), 4 + 2 * labels] += 150
    header = ",".join(["label", *(f"pixel{k}" for k in range(784))])
    np.savetxt(path, np.column_stack([labels, images.reshape(count, 784)]), "%d", ",", header=header, comments="")


def _write_real_digits_and_export(folder: Path) -> None:
    """Also the right labels of digits.csv and of digit.png."""
    from digits.data.sources import sample
    from digits.prediction.classifier import load_classifier
    from digits.prediction.export import export_onnx
    from digits.prediction.inputs import open_input
    from digits.prediction.pictures import choose_digits
    from digits.runs.onnx_model import predict_with_bundled

    images = sample().test.images[:20].numpy()  # type: ignore[union-attr]
    np.save(folder / "real.npy", images)
    Image.fromarray(images[0]).resize((84, 84)).save(folder / "digit.png")
    classifier = load_classifier(folder / "model.ckpt", accelerator="cpu", precision="32-true")
    export_onnx(classifier, folder / "model.onnx", images)
    [digits] = open_input(str(folder / "digits.csv"), 100).chunks
    [pictures] = open_input(str(folder / "digit.png"), 100).chunks
    labels = {}
    for name, chunk in {"digits": digits, "picture": choose_digits(pictures, predict_with_bundled)}.items():
        labels[name] = [str(int(label)) for label in classifier.predict(chunk.images).argmax(1)]
    (folder / "labels.json").write_text(json.dumps(labels))
