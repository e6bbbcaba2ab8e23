"""The preview: for each picture the input, the network's image of it and how it was found, and the three most likely
digits."""

from collections.abc import Sequence
from math import ceil
from pathlib import Path

from matplotlib.figure import Figure

from digits.files import atomic_write
from digits.prediction.chunks import PredictedChunk

CELL_WIDTH, CELL_HEIGHT = 3.6, 1.5


def save_preview(chunks: Sequence[PredictedChunk], path: str) -> None:
    """Saves a PNG. Raises InputError if it cannot be written."""
    pictures = [
        picture
        for digits, predictions, _ in chunks
        for picture in zip(
            digits.files, digits.thumbnails, digits.images, digits.hypotheses, predictions.probabilities, strict=True
        )
    ]
    columns = min(4, len(pictures))
    rows = ceil(len(pictures) / columns)
    figure = Figure(figsize=(CELL_WIDTH * columns, 1.6 * rows + 0.5), layout="constrained")
    axis = figure.subplots()
    for index, (file, thumbnail, image, hypothesis, probabilities) in enumerate(pictures):
        left, top = CELL_WIDTH * (index % columns), CELL_HEIGHT * (index // columns)
        name = "".join(
            letter if letter.isprintable() and ord(letter) < 0x500 else "�" for letter in Path(file).name[-40:]
        )
        axis.text(left + 0.1, top + 0.12, name, fontsize=7, va="center", parse_math=False)
        axis.text(left + 0.1, top + 1.41, hypothesis, fontsize=5, color="0.45", va="center")
        height, width = (1.1 * side / max(thumbnail.shape[:2]) for side in thumbnail.shape[:2])
        x, y = left + 0.65, top + 0.75
        axis.imshow(thumbnail, extent=(x - width / 2, x + width / 2, y + height / 2, y - height / 2))
        axis.imshow(image.numpy(), extent=(left + 1.3, left + 2.4, top + 1.3, top + 0.2), cmap="gray", vmin=0, vmax=255)
        for line, (probability, digit) in enumerate(zip(*probabilities.topk(3), strict=True)):
            size, color = (15, "0") if line == 0 else (9, "0.45")
            position = (left + 2.5, top + 0.4 + 0.32 * line)
            axis.text(*position, f"{digit}  {probability:.1%}", fontsize=size, color=color, va="center")
    axis.set(xlim=(0, CELL_WIDTH * columns), ylim=(CELL_HEIGHT * rows, 0), aspect="equal")
    axis.set_axis_off()
    title_size = 10 if columns > 1 else 6.5  # as wide as one column
    axis.set_title("input, the image that the network sees, the three most likely digits", fontsize=title_size)
    with atomic_write(path) as temp_path:
        figure.savefig(temp_path, dpi=120, format="png")
