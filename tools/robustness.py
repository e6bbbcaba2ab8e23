"""Measures a network on MNIST digits made worse.

    python -m tools.robustness --root data --results docs/robustness/bundled.json --page docs/robustness.md
    python -m tools.robustness outputs/compact --root data --digits validation --count 2000 --parts files

The parts: corruptions of files (tools/file_corruptions.py), those of MNIST-C (tools/mnist_c.py), and two-tone PNG files
of 28×28 pixels, read as predict.py reads them. Recipes are compared with `--digits validation`: the training digits
that the run of the checkpoint held out. The test digits measure the final network.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from benchmarks.report import markdown_table, replace_blocks
from digits.data.mnist_files import read_mnist
from digits.data.sources import Digits, sample
from digits.data.splits import split_indices
from digits.errors import InputError
from digits.evaluation.calibration import calibration_error
from digits.files import check_writable, write_json
from digits.prediction.classifier import Classifier, load_classifier
from digits.runs.checkpoint import read_checkpoint
from digits.runs.find_checkpoints import find_checkpoints
from tools.file_corruptions import FILE_CORRUPTIONS, Corruption, Images, apply_corruption
from tools.mnist_c import MNIST_C
from tools.predicted_pictures import predict_folder

CORRUPTIONS = {"files": FILE_CORRUPTIONS, "mnist_c": MNIST_C}
PARTS = (*CORRUPTIONS, "pictures")
NETWORKS = ("bundled", "compact", "small_cnn", "kaggle_cnn")  # columns of the table, if measured
PICTURE_COUNT = 200
UNCHANGED = "as they are"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", nargs="?", default="bundled", help="a checkpoint or a run's folder")
    parser.add_argument("--root", default="data", help="folder of MNIST/raw (default: data)")
    parser.add_argument("--digits", choices=("test", "validation"), default="test", help="(default: test)")
    parser.add_argument("--count", type=int, default=10_000, help="of the digits, chosen at random (default: 10,000)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="(default: all)")
    parser.add_argument("--results", type=Path, help="a JSON file for the results")
    parser.add_argument("--page", type=Path, help="rebuild the table of this page from the results in its folder")
    options = parser.parse_args()
    try:
        # Before the measurement, which takes minutes.
        for path in filter(None, (options.results, options.page)):
            check_writable(path)
        results = measure(options.checkpoint, read_digits(options), options.count, options.parts)
        if options.results:
            write_json({"digits": options.digits, **results}, options.results)
        if options.page:
            options.page.write_text(update_page(options.page.read_text(), options.page.with_suffix("")))
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


def measure(checkpoint: str, digits: Digits, count: int, parts: Sequence[str]) -> dict[str, Any]:
    """The errors of a network for each corruption. Prints each as soon as it is known."""
    classifier = load_classifier(checkpoint)
    chosen = choose_digits(digits, count)
    results: dict[str, Any] = {"network": classifier.name, "count": len(chosen.labels)}
    results["unchanged"] = count_errors(UNCHANGED, classifier.predict(chosen.images), chosen.labels)
    for part, corruptions in CORRUPTIONS.items():
        if part in parts:
            results[part] = measure_corruptions(classifier, chosen, corruptions)
    if "pictures" in parts:
        results["pictures"] = measure_pictures(checkpoint, choose_digits(digits, min(count, PICTURE_COUNT)))
    return results


def measure_corruptions(
    classifier: Classifier, digits: Digits, corruptions: Mapping[str, Corruption]
) -> dict[str, Any]:
    """The `errors` of each corruption, and the expected `calibration_error` over all corrupted digits."""
    errors, predicted = {}, []
    for name, corruption in corruptions.items():
        probabilities = classifier.predict(apply_corruption(corruption, name, digits.images.numpy()))
        errors[name] = count_errors(name, probabilities, digits.labels)
        predicted.append(probabilities)
    mean = sum(errors.values()) / len(errors) / len(digits.labels)
    calibration = calibration_error(
        torch.from_numpy(np.concatenate(predicted)).log(), digits.labels.repeat(len(predicted))
    )
    print(f"{'mean':<40}{mean:8.2%}\n{'expected calibration error':<40}{calibration:8.2%}\n", flush=True)
    return {"errors": errors, "calibration_error": calibration}


def count_errors(name: str, probabilities: Images, labels: Tensor) -> int:
    """The wrong labels of probabilities float32 [N, 10]. Prints their fraction."""
    errors = int((probabilities.argmax(1) != labels.numpy()).sum())
    print(f"{name:<40}{errors / len(labels):8.2%}", flush=True)
    return errors


def measure_pictures(checkpoint: str, digits: Digits) -> dict[str, Any]:
    """How many two-tone PNG files are `refused` and `wrong`, for both polarities."""
    two_tones = apply_corruption(FILE_CORRUPTIONS["threshold 127"], "threshold 127", digits.images.numpy())
    results: dict[str, Any] = {"count": len(digits.labels)}
    for name, images in {"white on black": two_tones, "black on white": 255 - two_tones}.items():
        results[name] = predict_pictures(checkpoint, images, digits.labels)
        print(f"{'two-tone PNG, ' + name:<40}{results[name]} of {len(digits.labels)}", flush=True)
    return results


def choose_digits(digits: Digits, count: int) -> Digits:
    """At most `count` digits, the same random ones each time. The first half of MNIST's test digits is easier than the
    second, and in validation digits the classes alternate: the first ones or each tenth would be no fair choice."""
    if count < 1:
        raise InputError(f"--count {count}: must be at least 1")
    shuffled = torch.randperm(len(digits.labels), generator=torch.Generator().manual_seed(0))
    chosen = shuffled[:count].sort().values
    return Digits(digits.images[chosen], digits.labels[chosen])


def predict_pictures(checkpoint: str, images: Images, labels: Tensor) -> dict[str, int]:
    """How many PNG files of 28×28 pixels are `refused` and `wrong`, read as predict.py reads them."""
    true_labels = {f"{index:05}.png": label for index, label in enumerate(labels.tolist())}
    with TemporaryDirectory() as folder:
        for name, image in zip(true_labels, images, strict=True):
            Image.fromarray(image).save(Path(folder, name))
        rows = predict_folder(checkpoint, Path(folder))
    expected = rows.index.map(true_labels)
    return {"refused": len(images) - len(rows), "wrong": int((rows["label"] != expected).sum())}


def update_page(page: str, folder: Path) -> str:
    """The page with its block `<!-- robustness -->` rebuilt from the results of the networks in `folder`.

    Raises InputError if results are incomplete, or not of the test digits."""
    columns = {}
    for network in NETWORKS:
        path = folder / f"{network}.json"
        if path.exists():
            columns[network] = table_column(path)
    rows = []
    if columns:
        names = next(iter(columns.values()))
        rows = [[name, *(column[name] for column in columns.values())] for name in names]
    return replace_blocks(page, lambda _: markdown_table(["errors", *columns], rows) if rows else [])


def table_column(path: Path) -> dict[str, str]:
    """The cells of a network by the name of their row."""
    results = json.loads(path.read_text())
    if results["digits"] != "test" or not all(part in results for part in PARTS):
        raise InputError(f"{path}: not the results of all parts on the test digits; measure them again")
    count, pictures = results["count"], results["pictures"]
    cells = {"digits": f"{count:,}", UNCHANGED: f"{results['unchanged'] / count:.2%}"}
    for part, title in (("mnist_c", "MNIST-C"), ("files", "files")):
        errors = results[part]["errors"]
        cells[f"**{title}, mean**"] = f"**{sum(errors.values()) / len(errors) / count:.2%}**"
        for name in CORRUPTIONS[part]:
            cells[name] = f"{errors[name] / count:.2%}"
        cells[f"{title}, calibration error"] = f"{results[part]['calibration_error']:.2%}"
    for name in ("white on black", "black on white"):
        failures = pictures[name]["wrong"] + pictures[name]["refused"]
        cells[f"two-tone PNG, {name}, wrong or refused"] = f"{failures} of {pictures['count']}"
    return cells


if __name__ == "__main__":
    main()
