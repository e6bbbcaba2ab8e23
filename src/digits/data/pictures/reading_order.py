"""The order of reading: lines from top to bottom, and each line from left to right."""

from collections.abc import Sequence

from digits.data.pictures.masks import Box

MIN_OVERLAP = 0.4  # of the heights of two neighbors in a line, relative to the smaller one


def reading_order(boxes: Sequence[Box]) -> list[list[int]]:
    """The indices of boxes, line by line. A line may rise or fall: each box continues the line whose last box overlaps
    it most in height."""
    lines: list[list[int]] = []
    for index in sorted(range(len(boxes)), key=lambda index: _center(boxes[index][1])):
        overlaps = [_overlap(boxes[line[-1]], boxes[index]) for line in lines]
        best = max(overlaps, default=0.0)
        if best >= MIN_OVERLAP:
            lines[overlaps.index(best)].append(index)
        else:
            lines.append([index])
    return sorted(lines, key=lambda line: _mean_center(boxes, line))


def _overlap(one: Box, other: Box) -> float:
    """The common height of two boxes, relative to the smaller one."""
    rows, other_rows = one[0], other[0]
    common = min(rows.stop, other_rows.stop) - max(rows.start, other_rows.start)
    return float(common / min(rows.stop - rows.start, other_rows.stop - other_rows.start))


def _center(side: slice) -> float:
    return float(side.start + side.stop) / 2


def _mean_center(boxes: Sequence[Box], line: Sequence[int]) -> float:
    return sum(_center(boxes[index][0]) for index in line) / len(line)
