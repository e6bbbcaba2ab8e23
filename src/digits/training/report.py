"""What a completed run shows: plots, tables of single digits, and the table at the end of its log."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from digits.evaluation.evaluate import Evaluation
from digits.evaluation.mnist_subsets import describe_subsets
from digits.evaluation.plots import plot_confusion, plot_curves, plot_misclassified
from digits.runs.digit_tables import write_mistakes, write_out_of_fold
from digits.runs.folder import RunFolder
from digits.runs.metrics_file import RunMetrics


def write_report(
    run: RunFolder, rows: Sequence[Mapping[str, float]], evaluations: Mapping[str, Evaluation], is_fold: bool
) -> None:
    """Writes plots/, mistakes.csv and, of a fold of a cross-validation, out_of_fold.csv. `rows` as in history.csv."""
    run.plots.mkdir(exist_ok=True)
    plot_curves(rows, run.plots / "curves.png")
    if "test" in evaluations:
        _plot_mistakes(evaluations["test"], "test", run.plots)
    elif "val" in evaluations:
        _plot_mistakes(evaluations["val"], "validation", run.plots)
    write_mistakes(run, evaluations)
    if is_fold:
        write_out_of_fold(run, evaluations["val"])


def _plot_mistakes(evaluation: Evaluation, name: str, folder: Path) -> None:
    score = evaluation.score
    title = f"{score.errors:,} mistakes among {score.total:,} {name} digits"
    plot_confusion(evaluation.confusion, title, folder / "confusion.png")
    plot_misclassified(evaluation.misclassified, title, folder / "mistakes.png")


def summary(metrics: RunMetrics, evaluations: Mapping[str, Evaluation], folder: Path) -> str:
    """The table at the end of a run, as plain text."""
    lines = {
        "network": f"{metrics.model}, {metrics.parameters:,} parameters",
        "training": f"{metrics.epochs} epochs in {metrics.seconds['fit']:.1f} s, {metrics.images_per_second:,.0f} "
        f"images/s, {metrics.device}, {metrics.precision}, seed {metrics.seed}",
    }
    if metrics.init:
        [name] = metrics.init
        lines["start"] = f"weights of {name}, {metrics.trained_parameters:,} parameters trained"
    for stage, evaluation in evaluations.items():
        lines[f"{stage} error"] = str(evaluation.score)
    if metrics.test_subsets:
        lines[""] = describe_subsets(metrics.test_subsets)
    lines["results"] = os.path.relpath(folder)
    return "\n".join(f"{name:<12}{line}" for name, line in lines.items())
