"""All digits of a picture in the order of reading: one by the hypotheses about a single digit, or those of a sheet."""

from dataclasses import dataclass

from digits.data.pictures.choose import Predict, choose
from digits.data.pictures.decode import DecodedPicture
from digits.data.pictures.masks import Array, RelativeBox
from digits.data.pictures.sheet import read_sheet


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
    [single] = choose([picture.hypotheses], predict) if picture.hypotheses else [None]
    if single is not None and len(single.digits) == 1:
        [image] = single.digits
        return [FoundDigit(image, box_in_pixels(single.box, picture.size), 1, single.description)]
    sheet = read_sheet(picture.sheet, predict)
    if sheet is None:
        return []
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
