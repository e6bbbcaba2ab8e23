"""All digits of a picture in the order of reading: one by the hypotheses about a single digit, or those of a sheet."""

from collections.abc import Sequence
from dataclasses import dataclass

from digits.data.pictures.choose import Predict, choose
from digits.data.pictures.decode import DecodedPicture
from digits.data.pictures.masks import Array, RelativeBox
from digits.data.pictures.normalize import Hypothesis
from digits.data.pictures.sheet import Sheet, read_sheet

# A sheet replaces a convincing single digit if it has so many digits. Edges in the picture look like ones.
MIN_DIGITS = 3
MIN_OTHERS_THAN_ONES = 2


@dataclass(frozen=True, eq=False)
class FoundDigit:
    """A digit of a picture."""

    image: Array
    """uint8 [28, 28]"""
    box: tuple[int, int, int, int]
    """left, top, right and bottom in pixels of the upright picture"""
    line: int
    """of the picture, from 1"""
    description: str
    """how it was found"""


def find_all_digits(picture: DecodedPicture, predict: Predict) -> list[FoundDigit]:
    """The digits of a picture that was read with `sheet`; none if it shows nothing like a digit. `predict` judges."""
    assert picture.sheet is not None
    single = _choose_single(picture.hypotheses, predict)
    if single is None:
        sheet = read_sheet(picture.sheet, predict)
        return [] if sheet is None else _digits_of_sheet(sheet, picture)
    if _may_be_sheet(picture.hypotheses):
        sheet = read_sheet(picture.sheet, predict)
        if sheet is not None and _is_clear(sheet):
            return _digits_of_sheet(sheet, picture)
    return [_single_digit(single, picture)]


def _choose_single(hypotheses: Sequence[Hypothesis], predict: Predict) -> Hypothesis | None:
    """The chosen hypothesis, if it has one digit."""
    if not hypotheses:
        return None
    [chosen] = choose([hypotheses], predict)
    has_one_digit = chosen is not None and len(chosen.digits) == 1
    return chosen if has_one_digit else None


def _may_be_sheet(hypotheses: Sequence[Hypothesis]) -> bool:
    return any(len(hypothesis.digits) >= MIN_DIGITS for hypothesis in hypotheses)


def _is_clear(sheet: Sheet) -> bool:
    others = sum(digit.label != 1 for digit in sheet.digits)
    return len(sheet.digits) >= MIN_DIGITS and others >= MIN_OTHERS_THAN_ONES


def _single_digit(single: Hypothesis, picture: DecodedPicture) -> FoundDigit:
    [image] = single.digits
    return FoundDigit(image, box_in_pixels(single.box, picture.size), 1, single.description)


def _digits_of_sheet(sheet: Sheet, picture: DecodedPicture) -> list[FoundDigit]:
    found = []
    for digit in sheet.digits:
        box = box_in_pixels(digit.box, picture.size)
        found.append(FoundDigit(digit.image, box, digit.line + 1, str(sheet.segmentation)))
    return found


def box_in_pixels(box: RelativeBox, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box in pixels of a picture of this width and height."""
    width, height = size
    left, top, right, bottom = box
    return round(left * width), round(top * height), round(right * width), round(bottom * height)
