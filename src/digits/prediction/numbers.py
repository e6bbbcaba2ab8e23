"""The numbers of pictures of several digits, as they are read."""

from digits.prediction.chunks import DigitPlace, PredictedChunk

MIN_BLANK = 1.0  # between two numbers of a line, relative to the height of the digits beside it


def numbers_as_read(chunk: PredictedChunk) -> list[str]:
    """A line for each picture whose digits were all read: its file and the digits, with / between two lines, and a
    blank between two numbers of a line."""
    labels = chunk.predictions.probabilities.argmax(1).tolist()
    numbers: list[str] = []
    previous = None
    for source, label in zip(chunk.digits.sources, labels, strict=False):
        place = source.place
        if place is None:
            return []
        if place.index == 1 or previous is None:
            numbers.append(f"{source.file}: {label}")
        else:
            numbers[-1] += f"{_between(previous, place)}{label}"
        previous = place
    return numbers


def _between(previous: DigitPlace, place: DigitPlace) -> str:
    """What separates two digits."""
    if place.line != previous.line:
        return " / "
    gap = place.box[0] - previous.box[2]
    heights = [one.box[3] - one.box[1] for one in (previous, place)]
    return " " if gap >= MIN_BLANK * max(heights) else ""
