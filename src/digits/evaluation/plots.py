"""The plots of a run. Each function saves one PNG."""

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from torch import Tensor

from digits.evaluation.evaluate import Misclassified

MAX_IMAGES = 1_000  # of misclassified images in one plot
CURVES = {"train": ("training, during the epoch", "C0"), "val": ("validation", "C1")}  # labels and colors


def plot_curves(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Error rate and loss against the epoch, in training and validation; `rows` as in history.csv."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    error_axis, loss_axis = figure.subplots(1, 2)
    _plot_quantity(error_axis, rows, "error", scale=100)
    error_axis.set_title("error rate [%]")
    _plot_quantity(loss_axis, rows, "loss", scale=1)
    loss_axis.set_title("cross-entropy [nats]")
    figure.savefig(path, dpi=100)


def _plot_quantity(axis: Axes, rows: Sequence[Mapping[str, float]], quantity: str, scale: float) -> None:
    highest = 0.0
    for stage, (label, color) in CURVES.items():
        key = f"{stage}/{quantity}"
        points = [(row["epoch"], scale * row[key]) for row in rows if key in row]
        if not points:
            continue
        epochs, values = zip(*points, strict=True)
        axis.plot(epochs, values, ".-", color=color, label=label)
        axis.annotate(f"{values[-1]:.3g}", points[-1], (5, -3), textcoords="offset points", color=color)
        highest = max(highest, *values)
    if highest > 0:
        axis.set_yscale("log", nonpositive="mask")
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.set_xlabel("epoch")
    axis.grid(alpha=0.3)
    axis.legend()


def plot_lr_range(points: Sequence[tuple[float, float, float]], suggested: float, path: Path) -> None:
    """The loss against the learning rate of each step; `points` are rates, losses and smoothed losses in nats."""
    lrs, losses, smoothed = zip(*points, strict=True)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axis = figure.subplots()
    axis.semilogx(lrs, losses, color="C0", alpha=0.3, label="one batch")
    axis.semilogx(lrs, smoothed, color="C0", label="smoothed")
    axis.axvline(suggested, color="C1", label=f"suggested: {suggested:g}")
    axis.set(xlabel="learning rate", ylabel="training loss [nats]", ylim=(0, 1.1 * max(smoothed)))
    axis.grid(alpha=0.3)
    axis.legend()
    figure.savefig(path, dpi=100)


def plot_confusion(confusion: Tensor, title: str, path: Path) -> None:
    """Counts int64 [10, 10]: row is the label, column the predicted label."""
    counts = confusion.numpy()
    mistakes = np.where(np.eye(10, dtype=bool), 0, counts)
    figure = Figure(figsize=(6, 6), layout="constrained")
    axis = figure.subplots()
    axis.imshow(np.ma.masked_equal(mistakes, 0), cmap="Reds", norm=LogNorm(1, max(mistakes.max(), 10)))
    for row, column in np.ndindex(10, 10):
        if row == column:
            axis.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", color="0.5", fontsize=9)
        elif counts[row, column]:
            axis.text(column, row, f"{counts[row, column]:,}", ha="center", va="center", weight="bold")
    axis.set(xticks=range(10), yticks=range(10), xlabel="predicted", ylabel="label", title=title)
    axis.xaxis.set_label_position("top")
    axis.xaxis.tick_top()
    figure.savefig(path, dpi=100)


def plot_misclassified(misclassified: Misclassified, title: str, path: Path) -> None:
    """At most `MAX_IMAGES` misclassified images, each with its label → predicted label and the confidence."""
    total = len(misclassified.images)
    shown = min(total, MAX_IMAGES)
    captions = []
    for index in range(shown):
        label, predicted = misclassified.labels[index], misclassified.predicted[index]
        captions.append(f"{label} → {predicted}  {misclassified.confidence[index]:.0%}")
    if shown < total:
        title += f", the {shown:,} most confident"
    plot_digits(misclassified.images[:shown], captions, f"{title}\nlabel → predicted, confidence", path)


def plot_digits(images: Tensor, captions: Sequence[str], title: str, path: Path) -> None:
    """Images uint8 [N, 28, 28], each below its caption."""
    columns = min(max(10, ceil((1.5 * len(images)) ** 0.5)), 30)
    rows = max(1, ceil(len(images) / columns))
    cell, text = 32, 10  # pixels: an image with its margin, and the caption above it
    mosaic = np.full((rows * (cell + text), columns * cell), 255, dtype=np.uint8)
    figure = Figure(figsize=(0.75 * columns, 1.0 * rows + 0.5), layout="constrained")
    axis = figure.subplots()
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(index, columns)
        top, left = row * (cell + text) + text, column * cell
        mosaic[top : top + 28, left : left + 28] = 255 - image.numpy()
        axis.text(left + 14, top - 1, caption, ha="center", va="bottom", fontsize=7)
    axis.imshow(mosaic, cmap="gray", vmin=0, vmax=255)
    axis.set_axis_off()
    axis.set_title(title, fontsize=10)
    figure.savefig(path, dpi=150, format="png")
