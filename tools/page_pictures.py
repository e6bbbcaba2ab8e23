"""Compares the page of `predict.py page=` with predict.py, for the same PNG files, which the page gets as its files.

    python -m tools.page_pictures --root data --scenes 28×28 pencil

Prints a Markdown table: failures of both, wrong labels and refused pictures, and the pictures with another answer.
Needs Playwright and Chromium.
"""

import argparse
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from playwright.sync_api import sync_playwright

from benchmarks.report import markdown_table
from digits.data.mnist_files import read_mnist
from digits.prediction.classifier import load_classifier
from digits.prediction.javascript import BROWSERS
from digits.prediction.page import build_page
from tools.picture_scenes import SCENES, SMALL_SCENES
from tools.predicted_pictures import predict_folder

ALL_SCENES = {**SCENES, **SMALL_SCENES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="bundled", help="of the network of the page")
    parser.add_argument("--root", default="data", help="folder of MNIST/raw (default: data)")
    parser.add_argument("--count", type=int, default=100, help="pictures per scene (default: 100)")
    parser.add_argument("--scenes", nargs="*", choices=ALL_SCENES, default=["28×28", "pencil", *SMALL_SCENES])
    options = parser.parse_args()
    images, labels = (tensor.numpy() for tensor in read_mnist(options.root, "t10k", download=True))
    rows = []
    for scene in options.scenes:
        with TemporaryDirectory() as folder:
            paths = []
            for index in range(options.count):
                generator = np.random.default_rng([list(ALL_SCENES).index(scene), index])
                digits = [images[index], *images[generator.integers(len(images), size=3)]]
                paths.append(Path(folder, f"{index}.png"))
                ALL_SCENES[scene](digits, generator).save(paths[-1])
            expected = [int(label) for label in labels[: options.count]]
            by_program = read_with_program(options.checkpoint, paths)
            by_page = read_with_page(options.checkpoint, paths, Path(folder, "digits.html"))
        rows.append(
            [
                scene,
                f"{count_different(by_program, expected)} of {len(paths)}",
                f"{count_different(by_page, expected)} of {len(paths)}",
                str(count_different(by_program, by_page)),
            ]
        )
        print(*rows[-1], sep="  ", flush=True)
    print("\n".join(markdown_table(["scene", "predict.py fails", "the page fails", "different answers"], rows)))


def count_different(labels: Sequence[int | None], others: Sequence[int | None]) -> int:
    return sum(label != other for label, other in zip(labels, others, strict=True))


def read_with_program(checkpoint: str, paths: Sequence[Path]) -> list[int | None]:
    """The label of each picture of a folder as predict.py gives it, or None if it is refused."""
    labels = predict_folder(checkpoint, paths[0].parent, accelerator="cpu")["label"].to_dict()
    return [labels.get(path.name) for path in paths]


def read_with_page(checkpoint: str, paths: Sequence[Path], page_path: Path) -> list[int | None]:
    """The label of each picture that the page shows, or None if it is refused."""
    page_path.write_text(
        build_page(load_classifier(checkpoint, accelerator="cpu", needs_pytorch=True)), encoding="utf-8"
    )
    labels: list[int | None] = []
    with sync_playwright() as started:
        program = next(filter(None, map(shutil.which, BROWSERS)), None)
        browser = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        tab = browser.new_page(bypass_csp=True)  # the policy of the page forbids the function below
        tab.set_default_timeout(600_000)
        tab.goto(page_path.as_uri())
        for path in paths:
            tab.set_input_files("#photo", path)
            tab.wait_for_function("picture && !problem && !scheduled")
            shown = re.match(r"(\d) ", tab.locator("#result").inner_text())
            labels.append(int(shown[1]) if shown else None)
        browser.close()
    return labels


if __name__ == "__main__":
    main()
