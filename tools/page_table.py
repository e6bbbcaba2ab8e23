"""Size, speed and agreement of the page of `predict.py page=`, for classifiers, in Node and in Chromium.

    python -m tools.page_table bundled outputs/fast 'outputs/ensemble-*'

Prints a Markdown table. Speed: the milliseconds per digit, of 500 digits in a row.
"""

import argparse
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import markdown_table
from digits.data.sources import sample
from digits.prediction.classifier import load_classifier
from digits.prediction.javascript import BROWSERS
from digits.prediction.page import write_page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", help="a checkpoint, a run's folder, or a glob: an ensemble")
    programs = [next(filter(None, map(shutil.which, names)), None) for names in (["node"], BROWSERS)]
    images = sample().train.images[:500].numpy()
    rows = []
    for checkpoint in parser.parse_args().checkpoints:
        classifier = load_classifier(checkpoint, accelerator="cpu", needs_pytorch=True)
        with TemporaryDirectory() as folder:
            path = Path(folder, "digits.html")
            checks = [write_page(classifier, path, images, program) for program in programs if program]
            size = path.stat().st_size
        differences = [check.agreement.difference for check in checks if check]
        speeds = [f"{check.milliseconds:.0f} ms, {check.program}" for check in checks if check]
        rows.append([classifier.name, f"{size / 1e6:.1f} MB", f"{max(differences):.0e}", *speeds])
    names = [f"per digit, {index + 1}" for index in range(len(rows[0]) - 3)]
    print("\n".join(markdown_table(["network", "size", "largest difference", *names], rows)))


if __name__ == "__main__":
    main()
