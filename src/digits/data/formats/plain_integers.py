"""A fast parser of lines of integers: all bytes are processed as one array."""

from typing import TypeAlias

import numpy as np

Values: TypeAlias = np.ndarray[tuple[int, int], np.dtype[np.uint8]]

LEAD = b"\n\n\n"  # each character of a number then has three characters before it
# Parts of an array of characters, aligned with each other.
THREE_BEFORE = slice(0, -4)
TWO_BEFORE = slice(0, -3)
BEFORE = slice(1, -2)
CURRENT = slice(2, -1)
NEXT = slice(3, None)


def parse_plain_integers(text: bytes, rows: int, columns: int) -> Values | None:
    """Values uint8 [rows, columns] of a text that holds only commas and integers of one to three digits; LF ends each
    line. None for other texts, and for integers above 255."""
    # One line of text, and the arrays that are computed for it:
    #
    #   characters   7  ,  2  5  ,  1  3  0  \n
    #   is_digit     1  0  1  1  0  1  1  1  0
    #   is_end       1  0  0  1  0  0  0  1  0     a digit, and the next character is none
    #   units        7        5           0        the digit at an end
    #   tens         0        2           3        the character before it, if it is a digit
    #   hundreds     0        0           1        the one before that, if both are digits
    #   separators   ,        ,           \n       the character behind an end
    characters = np.frombuffer(LEAD + text, np.uint8)
    digits = characters - np.uint8(ord("0"))
    is_digit = digits < 10
    digits *= is_digit  # 0 for other characters
    is_end = is_digit[CURRENT] > is_digit[NEXT]
    has_tens = is_digit[CURRENT] & is_digit[BEFORE]
    has_hundreds = has_tens & is_digit[TWO_BEFORE]
    has_four_digits = has_hundreds[1:] & is_digit[THREE_BEFORE]
    if has_four_digits.any():
        return None

    ends = np.flatnonzero(is_end)
    if len(ends) != rows * columns:
        return None
    other_characters = len(characters) - len(LEAD) - np.count_nonzero(is_digit)
    if other_characters != len(ends):  # one separator behind each number
        return None
    separators = characters[NEXT][ends].reshape(-1, columns)
    if not (separators[:, -1] == ord("\n")).all():
        return None
    if np.count_nonzero(separators == ord(",")) != rows * (columns - 1):
        return None

    below_100 = (digits[CURRENT] + np.uint8(10) * digits[BEFORE])[ends]
    hundreds = (digits[TWO_BEFORE] * has_tens)[ends]
    is_above_255 = (hundreds > 2) | ((hundreds == 2) & (below_100 > 55))
    if is_above_255.any():
        return None
    values: Values = (below_100 + np.uint8(100) * hundreds).reshape(-1, columns)
    return values
