"""Makes a finished run the network of the package: src/digits/bundled.ckpt and the table of docs/model_card.md.

python train.py experiment=bundled name=bundled
python -m tools.bundle outputs/bundled
"""

import argparse
import hashlib
from pathlib import Path

import torch

from benchmarks.report import replace_blocks
from digits.errors import InputError
from digits.evaluation.score import Score
from digits.runs.checkpoint import BUNDLED_PATH, load_network, read_checkpoint
from digits.runs.folder import RunFolder
from digits.runs.metrics_file import RunMetrics

CARD = Path("docs/model_card.md")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of the run")
    run = RunFolder(parser.parse_args().run)
    metrics, path = run.metrics(), run.scored_checkpoint()
    if not (metrics and metrics.completed and path):
        raise InputError(f"{run.path}: not a finished run")
    save_half(path, BUNDLED_PATH)
    CARD.write_text(update_card(CARD.read_text(), metrics, BUNDLED_PATH))


def save_half(source: Path, target: Path) -> None:
    """Copies a checkpoint with weights in float16, without the state of its training and the paths of the machine."""
    checkpoint = read_checkpoint(source)
    checkpoint["digits"]["config"]["data"]["root"] = "data"
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in checkpoint["state_dict"].items()
        if key.startswith("network.")
    }
    torch.save({"state_dict": state, "digits": checkpoint["digits"]}, target)
    load_network(target)


def update_card(card: str, metrics: RunMetrics, path: Path) -> str:
    """The card with its block `<!-- facts -->` rebuilt."""
    overrides = [text for text in metrics.overrides if text.startswith(("experiment=", "seed="))]
    git, versions, calibration = metrics.git or {}, metrics.versions or {}, metrics.calibration or {}
    rows = {
        "file": f"`src/digits/{path.name}`, {path.stat().st_size:,} bytes, weights in float16",
        "SHA-256": f"`{hashlib.sha256(path.read_bytes()).hexdigest()}`",
        "network": f"`{metrics.model}`, {metrics.parameters:,} parameters",
        "recipe": f"`python train.py {' '.join(overrides)}`, {metrics.epochs} epochs",
        "commit": f"{git.get('commit', '')[:12]}{' with changes' if git.get('changed') else ''}",
        "machine": f"{metrics.device}, {metrics.precision}, {metrics.seconds['fit']:,.0f} s",
        "versions": ", ".join(f"{name} {value}" for name, value in versions.items()),
        "error on validation digits": score_text(metrics.val),
        "error on MNIST's test set": score_text(metrics.test),
        "calibration": f"temperature {calibration['temperature']:.2f}, expected calibration error "
        f"{calibration['test']['before']:.2%} before, {calibration['test']['after']:.2%} after",
    }
    lines = ["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows.items())]

    return replace_blocks(card, lambda _: lines)


def score_text(score: dict[str, float] | None) -> str:
    return str(Score(int(score["errors"]), int(score["total"]))) if score else ""


if __name__ == "__main__":
    main()
