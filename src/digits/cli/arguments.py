"""The words of the command line, prepared for Hydra."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from typing import NoReturn

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString, ValueType
from hydra.errors import HydraException

from digits.cli.hydra_versions import HAS_WHITELIST
from digits.errors import one_line
from digits.text_settings import LIST_SETTINGS, NAME_SETTINGS, TEXT_SETTINGS

# The parts of a list: text in quotes, an escaped character, an interpolation, other characters.
LIST_PART = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\\.|\$\{[^{}]*\}|[^,])+""", re.DOTALL)


def prepare_arguments(words: Sequence[str]) -> list[str]:
    """Moves options such as `-m` before the settings, as Hydra requires. Quotes the text that Hydra's grammar cannot
    parse or reads as something else (see `quote_text`)."""
    options = []
    settings = []
    for word in words:
        is_option = word.startswith("-") or "=" not in word
        if is_option:
            options.append(word)
        else:
            settings.append(quote_text(word))
    return options + settings


def quote_text(word: str) -> str:
    """Quotes the value of a setting in `TEXT_SETTINGS` if Hydra would not read it as typed: `input=photo(1).png`, which
    its grammar cannot parse, and `name=2026_11_30`, a number. The values of a list or of a sweep are quoted one by one.
    """
    key, _, value = word.partition("=")
    setting = key.lstrip("+")
    if setting not in TEXT_SETTINGS:
        return word
    text = _as_typed(setting, value, null_is_text=setting in NAME_SETTINGS)
    return f"{key}={text}"


def _as_typed(key: str, value: str, null_is_text: bool) -> str:
    if value.startswith("~/"):  # some shells do not expand it after =
        value = os.path.expanduser(value)
    try:
        override = OverridesParser.create().parse_override(f"{key}={value}")
    except HydraException:
        return _quote_unreadable(key, value)
    if override.value_type == ValueType.SIMPLE_CHOICE_SWEEP:
        return _quote_parts(key, value, null_is_text)
    if isinstance(override.value(), list):
        return _quote_list(key, value.strip())
    choice = re.fullmatch(r"choice\((.*)\)", value)
    if override.value_type == ValueType.CHOICE_SWEEP and choice:
        return f"choice({_quote_parts(key, choice[1], null_is_text)})"
    is_number = isinstance(override.value(), int | float)  # true and false are int
    is_null = override.value() is None and not override.is_sweep_override()
    if is_number or (is_null and null_is_text):
        return _in_quotes(value)
    return value


def _quote_unreadable(key: str, value: str) -> str:
    """A value that Hydra's grammar cannot parse."""
    if value.startswith(("'", '"')):
        return value
    if value.startswith("["):
        is_list = key in LIST_SETTINGS and value.endswith("]")
        return _quote_list(key, value) if is_list else value
    return _in_quotes(value)


def _quote_list(key: str, value: str) -> str:
    parts = value.removeprefix("[").removesuffix("]")
    return f"[{_quote_parts(key, parts, null_is_text=True)}]"


def _quote_parts(key: str, values: str, null_is_text: bool) -> str:
    parts = LIST_PART.findall(values)
    return ",".join(_as_typed(key, part.strip(), null_is_text) for part in parts)


def _in_quotes(text: str) -> str:
    return QuotedString(text, Quote.double).with_quotes()


def check_options(words: Sequence[str]) -> None:
    """Ends the program with one line for options that Hydra would refuse with a usage of eight lines or a traceback.
    `words` are those of the command line, from `prepare_arguments`."""
    options = _option_parser().parse_args(words)
    if options.help or options.hydra_help or options.version:
        return
    if options.resolve and options.cfg is None:
        sys.exit("error: --resolve needs --cfg or --help")
    commands = (options.run, options.multirun, options.shell_completion, options.cfg, options.info)
    given = [command for command in commands if command]
    if len(given) > 1:
        sys.exit("error: -m, --cfg, --info and --help exclude each other; use only one")


def asks_for_help(words: Sequence[str]) -> bool:
    """Whether the words contain `--help`."""
    return bool(_option_parser().parse_args(words).help)


class OptionParser(argparse.ArgumentParser):
    """A parser that reports an error in one line."""

    def error(self, message: str) -> NoReturn:
        sys.exit(one_line(f"error: {message}; --help lists the settings"))


def _option_parser() -> OptionParser:
    """The options of Hydra 1.3 and 1.4. Hydra parses them again and acts on them."""
    parser = OptionParser(add_help=False)
    parser.add_argument("--help", "-h", action="store_true")
    parser.add_argument("--hydra-help", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--cfg", "-c", choices=["job", "hydra", "all"])
    parser.add_argument("--resolve", action="store_true")
    parser.add_argument("--package", "-p")
    parser.add_argument("--run", "-r", action="store_true")
    parser.add_argument("--multirun", "-m", action="store_true")
    parser.add_argument("--shell-completion", "-sc", action="store_true")
    parser.add_argument("--config-path", "-cp")
    parser.add_argument("--config-name", "-cn")
    parser.add_argument("--config-dir", "-cd")
    parser.add_argument("--experimental-rerun")
    subjects = ["all", "config", "defaults", "defaults-tree", "plugins", "searchpath"]
    if HAS_WHITELIST:  # since Hydra 1.4
        subjects.append("aliases")
    parser.add_argument("--info", "-i", const="all", nargs="?", choices=subjects)
    return parser
