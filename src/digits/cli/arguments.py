"""The words of the command line, prepared for Hydra."""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn
from unittest import mock

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from digits.errors import one_line

TEXT_SETTINGS = (
    "checkpoint", "input", "output", "preview", "export", "page",
    "name", "study", "resume", "data.root", "data.train_csv", "data.test_csv",
)  # fmt: skip


def prepare_arguments(words: Sequence[str]) -> list[str]:
    """Moves options such as `-m` before the settings, as Hydra requires. Quotes paths and names that Hydra's grammar
    cannot parse, such as `input=photo(1).png`."""
    is_option = [word.startswith("-") or "=" not in word for word in words]
    options = [word for word, option in zip(words, is_option, strict=True) if option]
    return options + [_quote(word) for word, option in zip(words, is_option, strict=True) if not option]


def _quote(word: str) -> str:
    key, _, value = word.partition("=")
    if key not in TEXT_SETTINGS or value.startswith(("[", "'", '"')):  # a list, or quoted already
        return word
    if value.startswith("~/"):  # some shells do not expand it after =
        value = os.path.expanduser(value)
        word = f"{key}={value}"
    try:
        OverridesParser.create().parse_override(word)
    except HydraException:
        return f"{key}={QuotedString(value, Quote.double).with_quotes()}"
    return word


@contextmanager
def one_line_usage() -> Iterator[None]:
    """Ends the program with one line for an unknown option. argparse alone prints eight lines of usage.

    Python 3.14 verifies help texts. One help text of Hydra 1.3 is not a string, so the verification is skipped."""

    def error(parser: argparse.ArgumentParser, message: str) -> NoReturn:
        sys.exit(one_line(f"error: {message}; --help lists the settings"))

    with (
        mock.patch.object(argparse.ArgumentParser, "error", error),
        mock.patch.object(argparse.ArgumentParser, "_check_help", create=True, return_value=None),
    ):
        yield
