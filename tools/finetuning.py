"""Measures what 50 digits of a made writer teach the bundled network.

    python -m tools.finetuning --root data --results docs/finetuning.json --page docs/finetuning.md

For each of 20 writers (tools/made_writers.py): `train.py experiment=finetune` with 50 digits, then the errors on 500
other digits of the writer and on MNIST's test digits, images without a digit, and the calibration. The writers write
digits that the bundled network was not trained on, and that are not among those of the package. Recipes are compared
with `--first 100`, other writers, and `--digits validation`, the held-out digits in place of MNIST's test digits.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.report import markdown_table, replace_blocks
from digits.data.mnist_files import read_mnist
from digits.data.non_digits import make_non_digits
from digits.data.sources import Digits, sample
from digits.data.splits import stratified_permutation
from digits.evaluation.calibration import calibration_error
from digits.files import check_writable, write_json
from digits.models.layers import scale_images
from digits.prediction.classifier import Classifier, load_classifier
from tools.made_writers import make_writer, write
from tools.robustness import read_held_out_digits

TRAIN_PROGRAM = Path(__file__).parents[1] / "train.py"
OWN_COUNT, OTHER_COUNT, NON_DIGIT_COUNT = 50, 500, 2000
CONFIDENT = 0.9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", help="settings of train.py after experiment=finetune")
    parser.add_argument("--root", default="data", help="folder of MNIST/raw (default: data)")
    parser.add_argument("--writers", type=int, default=20, help="(default: 20)")
    parser.add_argument("--first", type=int, default=0, help="seed of the first writer (default: 0)")
    parser.add_argument("--digits", choices=("test", "validation"), default="test", help="(default: test)")
    parser.add_argument("--results", type=Path, help="a JSON file for the results")
    parser.add_argument("--page", type=Path, help="rebuild the table of this page from the results")
    options = parser.parse_args()
    for path in filter(None, (options.results, options.page)):
        check_writable(path)  # before the measurement, which takes minutes
    results = measure(options)
    if options.results:
        write_json(results, options.results)
    if options.page:
        options.page.write_text(update_page(options.page.read_text(), results))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of each writer, and those of the bundled network. Prints each as soon as it is known."""
    held_out = read_held_out_digits("bundled", options.root)
    mnist = held_out
    if options.digits == "test":
        mnist = Digits(*read_mnist(options.root, "t10k", download=True))
    non_digits = _made_non_digits(held_out)
    pool = _without_sample(held_out)
    bundled = load_classifier("bundled")
    before = _general_figures(bundled, mnist, non_digits)
    print(f"bundled: {before}", flush=True)
    writers = []
    for seed in range(options.first, options.first + options.writers):
        own, others = written_digits(pool, seed)
        with TemporaryDirectory() as folder:
            seconds = train_on(own, Path(folder), options.settings)
            classifier = load_classifier(Path(folder, "outputs", "own"))
        figures = {
            "seed": seed,
            "writer": asdict(make_writer(seed)),
            "before": count_errors(bundled, others),
            "after": count_errors(classifier, others),
            **_general_figures(classifier, mnist, non_digits),
            **seconds,
        }
        print(figures, flush=True)
        writers.append(figures)
    return {"digits": options.digits, "settings": options.settings, "bundled": before, "writers": writers}


def _made_non_digits(digits: Digits) -> Tensor:
    """Images without a digit, uint8 [N, 28, 28]."""
    torch.manual_seed(0)
    made = make_non_digits(scale_images(digits.images[:NON_DIGIT_COUNT]), NON_DIGIT_COUNT)
    return (255 * made[:, 0]).round().byte()


def _without_sample(digits: Digits) -> Digits:
    """The digits that are not among those of the package, which the fine-tuning repeats."""
    source = sample()
    assert source.test is not None
    repeated = {image.tobytes() for part in (source.train, source.test) for image in part.images.numpy()}
    kept = [index for index, image in enumerate(digits.images.numpy()) if image.tobytes() not in repeated]
    return digits.select(torch.tensor(kept))


def written_digits(pool: Digits, seed: int) -> tuple[Digits, Digits]:
    """50 digits of a writer, as many of each class, and 500 others."""
    order = stratified_permutation(pool.labels, seed)
    by_class = []
    for digit in range(10):
        of_class = order[pool.labels[order] == digit]
        by_class.append(of_class[: (OWN_COUNT + OTHER_COUNT) // 10])
    written = write(make_writer(seed), pool.select(torch.stack(by_class, 1).flatten()), seed)
    positions = torch.arange(OWN_COUNT + OTHER_COUNT)
    return written.select(positions[:OWN_COUNT]), written.select(positions[OWN_COUNT:])


def train_on(own: Digits, folder: Path, settings: Sequence[str]) -> dict[str, float]:
    """Fine-tunes with these digits, into outputs/own of the folder. Returns the seconds of the command: on the clock,
    and of all its threads."""
    np.savez(folder / "own.npz", x_train=own.images.numpy(), y_train=own.labels.numpy())
    command = [sys.executable, TRAIN_PROGRAM, "experiment=finetune", "data.train=own.npz", "name=own", *settings]
    started_at, used = time.perf_counter(), _seconds_of_children()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return {"seconds": time.perf_counter() - started_at, "cpu_seconds": _seconds_of_children() - used}


def _seconds_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def count_errors(classifier: Classifier, digits: Digits) -> int:
    return int((classifier.predict(digits.images).argmax(1) != digits.labels.numpy()).sum())


def _general_figures(classifier: Classifier, mnist: Digits, non_digits: Tensor) -> dict[str, float]:
    """The error rate on MNIST and its calibration error, and the fraction of confident predictions for images without a
    digit."""
    probabilities = classifier.predict(mnist.images)
    errors = int((probabilities.argmax(1) != mnist.labels.numpy()).sum())
    confident = classifier.predict(non_digits).max(1) > CONFIDENT
    return {
        "mnist": errors / len(mnist.labels),
        "calibration_error": calibration_error(torch.from_numpy(probabilities).log(), mnist.labels),
        "confident_non_digits": float(confident.mean()),
    }


def update_page(page: str, results: Mapping[str, Any]) -> str:
    """The page with the table of these results."""
    return replace_blocks(page, lambda _: _table(results))


def _table(results: Mapping[str, Any]) -> list[str]:
    header = [
        "writer",
        "slant",
        "before",
        "after",
        "MNIST",
        "calibration error",
        "confident without a digit",
        "CPU seconds",
    ]
    rows = []
    bundled = results["bundled"]
    rows.append(["bundled network", "", "", "", *_general_cells(bundled), ""])
    for writer in results["writers"]:
        rows.append([
            str(writer["seed"]),
            f"{writer['writer']['slant']:.0f}°",
            f"{writer['before'] / OTHER_COUNT:.1%}",
            f"{writer['after'] / OTHER_COUNT:.1%}",
            *_general_cells(writer),
            f"{writer['cpu_seconds']:.0f}",
        ])  # fmt: skip
    means = {}
    for key in ("before", "after", "mnist", "calibration_error", "confident_non_digits", "cpu_seconds"):
        means[key] = sum(writer[key] for writer in results["writers"]) / len(results["writers"])
    rows.append([
        "**mean**",
        "",
        f"**{means['before'] / OTHER_COUNT:.2%}**",
        f"**{means['after'] / OTHER_COUNT:.2%}**",
        *_general_cells(means),
        f"{means['cpu_seconds']:.0f}",
    ])  # fmt: skip
    return markdown_table(header, rows)


def _general_cells(figures: Mapping[str, float]) -> list[str]:
    return [
        f"{figures['mnist']:.2%}",
        f"{figures['calibration_error']:.2%}",
        f"{figures['confident_non_digits']:.1%}",
    ]


if __name__ == "__main__":
    main()
