"""The values of settings as text: equal numbers have equal texts, those that a person writes."""

import random
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep

from digits.errors import InputError, printable

# Every number with this many significant digits is the text of a float of its own. Sums of floats differ in later ones:
# 0.1 + 0.2 is 0.30000000000000004.
SIGNIFICANT_DIGITS = 15
NUMBER = re.compile(r"[+-]?(\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(e[+-]?\d+)?", re.IGNORECASE)
# Quoted text, an interpolation, a word, or one other character of an override.
TOKEN = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\$\{[^{}]*\}|(?:\\.|[^\s,:()\[\]{}'"\\])+|.""", re.DOTALL)


class SweepValue(NamedTuple):
    """A value of a setting, as text for an override. `former` is the text of versions that did not round, after which
    folders may be named."""

    text: str
    former: str


def override_values(override: Override) -> list[SweepValue]:
    """The values that an override gives its setting: one without a sweep.

    Raises InputError for a sweep without values."""
    if not override.is_sweep_override():
        return [_sweep_value(override.value(), override.get_value_element_as_str())]
    if not override.is_discrete_sweep():
        raise InputError(f"{override.input_line}: a range without steps; hydra/sweeper=optuna draws values from it")
    sweep = override.value()
    if isinstance(sweep, RangeSweep):
        values = _range_values(sweep)
    elif isinstance(sweep, ChoiceSweep) and sweep.shuffle:  # each iterator would have an order of its own
        values = [SweepValue(_round_floats(text), text) for text in override.sweep_string_iterator()]
    else:
        elements = zip(override.sweep_iterator(), override.sweep_string_iterator(), strict=True)
        values = [_sweep_value(element, text) for element, text in elements]
    if not values:
        raise InputError(f"{override.input_line}: an empty sweep gives the setting no value")
    return values


def canonical(value: object) -> str:
    """The same printable text for equal values of a setting: 0.001 for 1e-3, null for None, 1 for 1.0. Text that is not
    from a configuration may be the text of a number; see `canonical_setting`."""
    if not isinstance(value, str) or not NUMBER.fullmatch(value):
        return canonical_setting(value)
    number = value.replace("_", "")
    if number.lstrip("+-").isdecimal():
        return str(int(number))
    return number_text(float(number))


def canonical_setting(value: object) -> str:
    """The same printable text for equal values of a configuration, in which text is text: a folder 2026_11 is not the
    number 202611."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number_text(value)
    return printable(str(rounded(value)))


def canonical_override(text: str) -> str:
    """The same text for equal overrides, which may be lists, sweeps or quoted: `interval(1e-4, 1.0)` is
    `interval(0.0001,1)`."""
    if is_quoted(text):
        return text[1:-1]
    parts = []
    for token in TOKEN.findall(text):
        part = canonical(token)
        if not part.isspace():
            parts.append(part)
    return "".join(parts)


def canonical_numbers(text: str) -> str:
    """The text of an override with only its numbers in canonical form."""
    tokens = TOKEN.findall(text)
    return "".join(canonical(token) if NUMBER.fullmatch(token) else token for token in tokens)


def is_typed_as(setting: str, text: str) -> bool:
    """Whether a value in canonical form is what a person has typed, a number or a text."""
    return setting in (canonical(text), canonical_setting(text))


def number_text(value: float) -> str:
    """A number as a person writes it: 0.7 for 0.7000000000000001, 1 for 1.0, 1e-5 for 1e-05."""
    number = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if number.is_integer() and abs(number) < 1e16:
        return str(int(number))
    mantissa, exponent_sign, exponent = repr(number).partition("e")
    if not exponent_sign:
        return mantissa
    return f"{mantissa}e{int(exponent)}"


def equal(one: object, other: object) -> bool:
    """Whether two values of a configuration are equal but for the rounding of sums."""
    return bool(rounded(one) == rounded(other))


def is_quoted(text: str) -> bool:
    """Whether a text is one quoted text of Hydra's grammar."""
    return len(text) >= 2 and text[0] in "'\"" and TOKEN.fullmatch(text) is not None


def rounded(value: Any) -> Any:
    """A value with its floats rounded to `SIGNIFICANT_DIGITS`; also those in lists and mappings."""
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return value


def _sweep_value(value: object, text: str) -> SweepValue:
    """A value of an override and its text. Numbers in a text are no floats and stay."""
    if isinstance(value, str):
        return SweepValue(text, text)
    return SweepValue(_round_floats(text), text)


def _round_floats(text: str) -> str:
    """The text of an override with its floats rounded; they stay floats."""
    return "".join(_round_float(token) for token in TOKEN.findall(text))


def _round_float(token: str) -> str:
    is_number = NUMBER.fullmatch(token) is not None
    is_integer = token.lstrip("+-").replace("_", "").isdecimal()
    if not is_number or is_integer:
        return token
    return repr(rounded(float(token)))


def _range_values(sweep: RangeSweep) -> list[SweepValue]:
    """The values of `range(start,stop,step)` in decimal numbers. Hydra adds the binary ones: range(0,1,0.1) has
    0.7000000000000001, and range(0,0.9,0.3) also 0.9."""
    formers = [str(value) for value in sweep.range()]
    bounds = (sweep.start, sweep.stop, sweep.step)
    if all(isinstance(value, int) for value in bounds):
        values = [SweepValue(text, text) for text in formers]
    else:
        start, stop, step = [Decimal(repr(value)) for value in bounds]
        values = []
        for index, former in enumerate(formers):
            value = start + index * step
            is_before_stop = value < stop if step > 0 else value > stop
            if is_before_stop:
                values.append(SweepValue(repr(float(value)), former))
    if sweep.shuffle:
        random.shuffle(values)
    return values
