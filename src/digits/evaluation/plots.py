"""The pictures of a run. Each function draws one and saves it as a PNG."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from torch import Tensor

MOST_MISTAKES = 1_000  # more would not fit into one picture


def plot_curves(rows: Sequence[dict[str, float]], path: Path) -> None:
    """Error rate and loss against the epoch, in training and validation; `rows` are `History`'s."""
    figure = Figure(figsize=(11, 4), layout="constrained")
    for axis, quantity, unit in zip(figure.subplots(1, 2), ("error", "loss"), ("%", "nats"), strict=True):
        scale = 100 if quantity == "error" else 1
        for stage, label, color in (
            ("train", "training, while it learns", "C0"),
            ("val", "validation", "C1"),
        ):
            key = f"{stage}/{quantity}"
            points = [(row["epoch"], scale * row[key]) for row in rows if key in row]
            if points:
                axis.plot(*zip(*points, strict=True), ".-", color=color, label=label)
                axis.annotate(f"{points[-1][1]:.3g}", points[-1], (5, -3), textcoords="offset points", color=color)
        if any(row.get(f"{stage}/{quantity}", 0) > 0 for stage in ("train", "val") for row in rows):
            axis.set_yscale("log", nonpositive="mask")
            axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axis.set(xlabel="epoch", title={"error": "error rate", "loss": "cross-entropy"}[quantity] + f" [{unit}]")
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(path, dpi=100)


def plot_confusion(confusion: Tensor, title: str, path: Path) -> None:
    """Counts int64 [10, 10]: row is the label given, column the label predicted."""
    counts = confusion.cpu().numpy()
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


def plot_mistakes(mistakes: dict[str, Tensor], title: str, path: Path) -> None:
    """Every mistake (see `Mistakes.compute`) as it was seen, above it the label given → the label predicted and
    the network's confidence; the surest first, at most `MOST_MISTAKES`.
    """
    count = min(len(mistakes["labels"]), MOST_MISTAKES)
    columns = min(max(10, ceil((1.5 * count) ** 0.5)), 30)
    rows = max(1, ceil(count / columns))
    cell, text = 32, 10  # pixels of an image with its margin, and of the line above it
    mosaic = np.full((rows * (cell + text), columns * cell), 255, dtype=np.uint8)
    figure = Figure(figsize=(0.75 * columns, 1.0 * rows + 0.5), layout="constrained")
    axis = figure.subplots()
    for index in range(count):
        top, left = index // columns * (cell + text) + text, index % columns * cell
        mosaic[top : top + 28, left : left + 28] = 255 - mistakes["images"][index].cpu().numpy()
        label, predicted = int(mistakes["labels"][index]), int(mistakes["predicted"][index])
        caption = f"{label} → {predicted}  {mistakes['confidence'][index]:.0%}"
        axis.text(left + 14, top - 1, caption, ha="center", va="bottom", fontsize=7)
    axis.imshow(mosaic, cmap="gray", vmin=0, vmax=255)
    axis.set_axis_off()
    shown = "" if count == len(mistakes["labels"]) else f", the surest {count:,} of them"
    axis.set_title(f"{title}{shown}\nlabel → predicted, confidence", fontsize=10)
    figure.savefig(path, dpi=150)


def plot_preview(
    files: Sequence[str], thumbnails: Sequence[np.ndarray[Any, Any]], images: Tensor, probabilities: Tensor, path: Path
) -> None:
    """For each picture what came in, uint8 [h, w, 3], what the network saw, uint8 [N, 28, 28], and the three likeliest
    of the probabilities float32 [N, 10].
    """
    count = len(files)
    columns = min(4, count)
    rows = ceil(count / columns)
    figure = Figure(figsize=(3.6 * columns, 1.6 * rows + 0.5), layout="constrained")
    axis = figure.subplots()
    for index in range(count):
        left, top = 3.6 * (index % columns), 1.5 * (index // columns)
        height, width = thumbnails[index].shape[:2]
        tall, wide = 1.1 * height / max(height, width), 1.1 * width / max(height, width)
        middle_x, middle_y = left + 0.65, top + 0.75
        box = (middle_x - wide / 2, middle_x + wide / 2, middle_y + tall / 2, middle_y - tall / 2)
        axis.imshow(thumbnails[index], extent=box)
        axis.imshow(images[index], extent=(left + 1.3, left + 2.4, top + 1.3, top + 0.2), cmap="gray", vmin=0, vmax=255)
        axis.text(
            left + 0.1, top + 0.12, _printable(Path(files[index]).name[-40:]), fontsize=7, va="center", parse_math=False
        )
        likeliest = probabilities[index].topk(3)
        for line, (probability, digit) in enumerate(zip(*likeliest, strict=True)):
            size, grey = (15, "0") if line == 0 else (9, "0.45")
            axis.text(
                left + 2.5,
                top + 0.4 + 0.32 * line,
                f"{digit}  {probability:.1%}",
                fontsize=size,
                color=grey,
                va="center",
            )
    axis.set(xlim=(0, 3.6 * columns), ylim=(1.5 * rows, 0), aspect="equal")
    axis.set_axis_off()
    axis.set_title("what came in, what the network saw, the three likeliest", fontsize=10)
    figure.savefig(path, dpi=120, format="png")


def _printable(name: str) -> str:
    """A file's name, which may hold anything, as the font can draw it."""
    return "".join(
        letter if letter.isprintable() and ord(letter) < 0x500 else "\N{REPLACEMENT CHARACTER}" for letter in name
    )
