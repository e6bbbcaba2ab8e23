"""Measures a network on MNIST digits that were made worse.

    python -m tools.robustness --root data --results docs/robustness/bundled.json
    python -m tools.robustness outputs/compact --root data --digits validation --count 2000

The digits are made worse by the corruptions of tools/file_corruptions.py. Two-tone PNG files of
28×28 pixels are read as predict.py reads them. To choose between recipes, use `--digits validation`: the training digits
that the run of the checkpoint held out. The test digits are for the final network.
"""

import argparse
import logging
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import torch
from PIL import Image

from digits.data.idx import read_mnist
from digits.data.sources import Digits, sample
from digits.data.splits import split_indices
from digits.errors import InputError
from digits.evaluation.calibration import calibration_error
from digits.files import write_json
from digits.prediction.classifier import load_classifier
from digits.prediction.predict import PredictOptions, predict
from digits.runs.checkpoint import find_checkpoints, read_checkpoint
from tools.file_corruptions import FILE_CORRUPTIONS, Corruption, apply_corruption

UNCHANGED = "as they are"
PICTURES = {"white on black": False, "black on white": True}  # inverted?


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", default="bundled", help="a checkpoint or a run's folder")
    parser.add_argument("--root", default="data", help="folder of MNIST/raw (default: data)")
    parser.add_argument("--digits", choices=("test", "validation"), default="test", help="(default: test)")
    parser.add_argument("--count", type=int, default=10_000, help="digits, at most all (default: 10,000)")
    parser.add_argument("--pictures", type=int, default=200, help="digits saved as PNG files; 0: none (default: 200)")
    parser.add_argument("--results", type=Path, help="a JSON file for the results")
    options = parser.parse_args()
    # Refused pictures are counted, not listed.
    logging.getLogger("digits.prediction.predict").setLevel(logging.CRITICAL)
    try:
        results = measure(options.checkpoint, read_digits(options), options.count, options.pictures)
        if options.results:
            write_json({"digits": options.digits, **results}, options.results)
    except InputError as error:
        parser.exit(1, f"{error}\n")


def read_digits(options: argparse.Namespace) -> Digits:
    """MNIST's test digits, or the training digits that the run of the checkpoint held out."""
    if options.digits == "test":
        return Digits(*read_mnist(options.root, "t10k", download=True))
    return read_held_out_digits(options.checkpoint, options.root)


def read_held_out_digits(checkpoint: str, root: str) -> Digits:
    """The validation digits of the run that trained the checkpoint.

    Raises InputError if the checkpoint is not a single one of training, or the run held no digits of MNIST out."""
    paths = find_checkpoints(checkpoint)
    if len(paths) != 1 or paths[0].suffix != ".ckpt":
        raise InputError(f"--digits validation: {checkpoint} must be one checkpoint of training (.ckpt)")
    data = read_checkpoint(paths[0])["digits"]["config"].get("data", {})
    source = data.get("source", {}).get("_target_")
    if source == "digits.data.sources.mnist":
        training = Digits(*read_mnist(root, "train", download=True))
    elif source == "digits.data.sources.sample":
        training = sample().train
    else:
        raise InputError(f"--digits validation: {checkpoint} was trained with other data than MNIST: {source}")
    _, held_out = split_indices(
        training.labels,
        val_size=data["val_size"],
        seed=data["split_seed"],
        folds=data.get("folds"),
        fold=data.get("fold", 0),
    )
    if not len(held_out):
        raise InputError(f"--digits validation: the run of {checkpoint} held no digits out (data.val_size=0)")
    return Digits(training.images[held_out], training.labels[held_out])


def measure(checkpoint: str, digits: Digits, count: int, picture_count: int) -> dict[str, Any]:
    """Prints and returns the errors of a network for each corruption, as `write_json` takes them."""
    classifier = load_classifier(checkpoint)
    chosen = choose_evenly(digits, count)
    results: dict[str, Any] = {"network": classifier.name, "count": len(chosen.labels)}

    def errors_and_probabilities(name: str, corruption: Corruption | None) -> tuple[int, torch.Tensor]:
        images = chosen.images.numpy()
        if corruption is not None:
            images = apply_corruption(corruption, name, images)
        probabilities = classifier.predict(images)
        errors = int((probabilities.argmax(1) != chosen.labels).sum())
        print(f"{name:<40}{errors / len(chosen.labels):8.2%}", flush=True)
        return errors, probabilities

    results["unchanged"], _ = errors_and_probabilities(UNCHANGED, None)
    results["files"] = {}
    predicted = []
    for name, corruption in FILE_CORRUPTIONS.items():
        results["files"][name], probabilities = errors_and_probabilities(name, corruption)
        predicted.append(probabilities)
    labels = chosen.labels.repeat(len(predicted))
    results["calibration_error"] = calibration_error(torch.cat(predicted).log(), labels)
    print(f"{'expected calibration error of the above':<40}{results['calibration_error']:8.2%}", flush=True)

    if picture_count:
        chosen = choose_evenly(digits, picture_count)
        results["pictures"] = {"count": len(chosen.labels)}
        for name, inverted in PICTURES.items():
            failures = predict_pictures(checkpoint, chosen, inverted=inverted)
            results["pictures"][name] = failures
            print(f"{'two-tone PNG, ' + name:<40}{failures}", flush=True)
    return results


def choose_evenly(digits: Digits, count: int) -> Digits:
    """At most `count` digits, evenly spaced: the first half of MNIST's test digits is easier than the second."""
    if count < 1:
        raise InputError(f"{count} digits: must be at least 1")
    count = min(count, len(digits.labels))
    positions = torch.arange(count) * len(digits.labels) // count
    return Digits(digits.images[positions], digits.labels[positions])


def predict_pictures(checkpoint: str, digits: Digits, *, inverted: bool) -> dict[str, int]:
    """How many two-tone PNG files of 28×28 pixels are `refused` and `wrong`, read as predict.py does."""
    images = apply_corruption(FILE_CORRUPTIONS["threshold 127"], "threshold 127", digits.images.numpy())
    labels = {}
    with TemporaryDirectory() as folder:
        for index, (image, label) in enumerate(zip(images, digits.labels.tolist(), strict=True)):
            name = f"{index:05}.png"
            Image.fromarray(255 - image if inverted else image).save(Path(folder, name))
            labels[name] = label
        output = Path(folder, "predicted.csv")
        with suppress(InputError):  # some pictures are refused
            predict(PredictOptions(checkpoint, folder, str(output)))
        rows = pd.read_csv(output) if output.exists() else pd.DataFrame({"file": [], "Label": []})
    true_labels = rows["file"].map(lambda path: labels[Path(path).name])
    return {"refused": len(labels) - len(rows), "wrong": int((rows["Label"] != true_labels).sum())}


if __name__ == "__main__":
    main()
