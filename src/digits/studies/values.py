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
        former = override.get_value_element_as_str()
        return [SweepValue(_rounded(former, isinstance(override.value(), str)), former)]
    if not override.is_discrete_sweep():
        raise InputError(f"{override.input_line}: a range without steps; hydra/sweeper=optuna draws values from it")
    sweep = override.value()
    values = _range_values(sweep) if isinstance(sweep, RangeSweep) else _choices(override)
    if not values:
        raise InputError(f"{override.input_line}: an empty sweep gives the setting no value")
    return values


def canonical(value: object) -> str:
    """The same printable text for equal values of a setting: 0.001 for 1e-3, null for None, 1 for 1.0. Text that is not
    from a configuration may be the text of a number; see `canonical_setting`."""
    if isinstance(value, str) and NUMBER.fullmatch(value):
        number = value.replace("_", "")
        return str(int(number)) if number.lstrip("+-").isdecimal() else number_text(float(number))
    return canonical_setting(value)


def canonical_setting(value: object) -> str:
    """The same for a value of a configuration, in which text is text: a folder 2026_11 is not the number 202611."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float):
        return number_text(value)
    return printable(str(rounded(value)))


def canonical_override(text: str) -> str:
    """The same for the text of an override, which may be a list, a sweep or quoted: `interval(1e-4, 1.0)` is
    `interval(0.0001,1)`."""
    if is_quoted(text):
        return text[1:-1]
    tokens = (canonical(token) for token in TOKEN.findall(text))
    return "".join(token for token in tokens if not token.isspace())


def is_typed_as(setting: str, text: str) -> bool:
    """Whether a value in canonical form is what a person has typed, a number or a text."""
    return setting in (canonical(text), canonical_setting(text))


def number_text(value: float) -> str:
    """A number as a person writes it: 0.7 for 0.7000000000000001, 1 for 1.0, 1e-5 for 1e-05."""
    number = float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if number.is_integer() and abs(number) < 1e16:
        return str(int(number))
    return re.sub(r"e([+-])0*", lambda match: "e-" if match[1] == "-" else "e", repr(number))


def equal(one: object, other: object) -> bool:
    """Whether two values of a configuration are equal but for the rounding of sums."""
    return bool(rounded(one) == rounded(other))


def is_quoted(text: str) -> bool:
    """Whether a text is one quoted text of Hydra's grammar."""
    return len(text) >= 2 and text[0] in "'\"" and TOKEN.fullmatch(text) is not None


def _rounded(text: str, is_text: bool = False) -> str:
    """The text of an override with its floats rounded; they stay floats."""
    if is_text:
        return text
    return "".join(_rounded_number(token) for token in TOKEN.findall(text))


def _rounded_number(token: str) -> str:
    if not NUMBER.fullmatch(token) or token.lstrip("+-").replace("_", "").isdecimal():
        return token
    return repr(float(f"{float(token):.{SIGNIFICANT_DIGITS}g}"))


def _choices(override: Override) -> list[SweepValue]:
    sweep = override.value()
    if isinstance(sweep, ChoiceSweep) and sweep.shuffle:  # each iterator would have an order of its own
        return [SweepValue(_rounded(text), text) for text in override.sweep_string_iterator()]
    elements = zip(override.sweep_iterator(), override.sweep_string_iterator(), strict=True)
    return [SweepValue(_rounded(text, isinstance(element, str)), text) for element, text in elements]


def _range_values(sweep: RangeSweep) -> list[SweepValue]:
    """The values of `range(start,stop,step)` in decimal numbers. Hydra adds the binary ones: range(0,1,0.1) has
    0.7000000000000001, and range(0,0.9,0.3) also 0.9."""
    formers = [str(value) for value in sweep.range()]
    if all(isinstance(value, int) for value in (sweep.start, sweep.stop, sweep.step)):
        values = [SweepValue(text, text) for text in formers]
    else:
        start, stop, step = (Decimal(repr(value)) for value in (sweep.start, sweep.stop, sweep.step))
        values = []
        for index, former in enumerate(formers):
            value = start + index * step
            if (value < stop) == (step > 0) and value != stop:
                values.append(SweepValue(repr(float(value)), former))
    if sweep.shuffle:
        random.shuffle(values)
    return values


def rounded(value: Any) -> Any:
    """A value with its floats rounded to `SIGNIFICANT_DIGITS`; also those in lists and mappings."""
    if isinstance(value, float):
        return float(f"{value:.{SIGNIFICANT_DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return value
