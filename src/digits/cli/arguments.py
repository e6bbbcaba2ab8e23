"""The words of the command line, prepared for Hydra."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from digits.cli.hydra_versions import HAS_WHITELIST
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


def check_options(words: Sequence[str]) -> None:
    """Ends the program with one line for options that Hydra would refuse with a usage of eight lines or a traceback.
    `words` are those of the command line, from `prepare_arguments`."""
    options = _option_parser().parse_args(words)
    if options.help or options.hydra_help or options.version:
        return
    if options.resolve and options.cfg is None:
        sys.exit("error: --resolve needs --cfg or --help")
    commands = [options.run, options.multirun, options.shell_completion, options.cfg, options.info]
    if sum(map(bool, commands)) > 1:
        sys.exit("error: -m, --cfg, --info and --help exclude each other; use only one")


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
    subjects = [
        "all",
        *(["aliases"] if HAS_WHITELIST else []),
        "config",
        "defaults",
        "defaults-tree",
        "plugins",
        "searchpath",
    ]
    parser.add_argument("--info", "-i", const="all", nargs="?", choices=subjects)
    return parser
