"""Errors of the user as one line."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationKeyError,
    InterpolationToMissingValueError,
    OmegaConfBaseException,
)

from digits.cli.config_folders import config_loader
from digits.errors import InputError, one_line
from digits.instantiation import TARGETS_FILE
from digits.private_apis.hydra import ambiguous_override, refused_target


@dataclass(frozen=True)
class Command:
    """A command line, and the configuration that it is for, in the first of the folders that has it."""

    folders: Sequence[Path]
    config_name: str
    words: Sequence[str]


def error_message(error: BaseException, command: Command) -> str:
    """The error in one line. A misspelt choice or setting is shown with those that exist."""
    for cause in exception_chain(error):
        message = _known_message(cause, command)
        if message is None and isinstance(error, ConfigCompositionException):
            message = _missing_key_message(cause, command)
        if message is not None:
            return one_line(message)
    return describe_error(error)


def describe_error(error: BaseException) -> str:
    """The outermost message of this project. Without one, all messages from the outermost inwards."""
    chain = list(exception_chain(error))
    for cause in chain:
        if isinstance(cause, InputError):
            return one_line(str(cause))
    messages = [str(cause) for cause in chain]
    without_repetitions = dict.fromkeys(messages)
    return one_line(": ".join(without_repetitions))


def exception_chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, its cause, the cause of that, …"""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def unknown_setting_message(key: str, known: Iterable[str], where: str) -> str:
    """`known` are the valid settings of `where`, a group or a configuration."""
    known = sorted(known)
    name = key.rpartition(".")[2]
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{key}: no such setting; {hint}{where} has {', '.join(known)}"


def _known_message(error: BaseException, command: Command) -> str | None:
    """The message for an error of Hydra or OmegaConf with a known cause."""
    if isinstance(error, OverrideParseException):
        quotes = "quotes and brackets must be closed, and names in a list quoted: 'SETTING=[\"a (1).png\",b.png]'"
        return f"{error.override}: not of the form SETTING=VALUE; {quotes}"
    if ambiguous := ambiguous_override(error):
        return _several_values_message(ambiguous, command)
    if refused := refused_target(error):
        return f"{refused}: not allowed for Hydra itself; add this full name to {TARGETS_FILE}"
    if isinstance(error, InterpolationKeyError):
        first_line = str(error).splitlines()[0]
        return f"{first_line}; ${{…}} refers to a setting, \\${{…}} is plain text"
    if isinstance(error, InterpolationToMissingValueError):
        return "a setting has the value ???, which marks a missing value; give another one"
    if isinstance(error, MissingConfigException):
        return _missing_choice_message(error, command)
    return None


def _several_values_message(override: str, command: Command) -> str:
    """A value with a comma that is not quoted."""
    name, _, values = override.replace('"', "").partition("=")
    choices = f"write '{name}=[{values}]' for a list, '{name}=\"{values}\"' for a text with a comma"
    if command.config_name == "train":
        choices += ", or add -m to sweep over the values"
    return f"{name}={values}: several values; {choices}"


def _missing_choice_message(error: MissingConfigException, command: Command) -> str | None:
    """A choice of a config group without a file."""
    group, _, choice = str(error.missing_cfg_file).rpartition("/")
    if not group:
        return None
    options = list(error.options or ())
    if not options:  # Hydra gives none for a list of choices
        for folder in command.folders:
            options += [path.stem for path in (folder / group).glob("*.yaml")]
    public = sorted({option for option in options if not option.startswith("_")})
    if not public:
        return None
    return f"{group}={choice}: no such choice; choose one of {', '.join(public)}"


def _missing_key_message(error: BaseException, command: Command) -> str | None:
    """A setting of the command line that the configuration does not have."""
    if not isinstance(error, ConfigKeyError | ConfigAttributeError):
        return None
    key = str(error.full_key)
    if key.startswith("hydra."):
        return f"{key}: no such setting of Hydra (+{key}=… adds one that a launcher may know)"
    for word in command.words:
        if word.startswith(("--config-", "-cn")):
            return f"{key}: no such setting in this --config-…; omit that option"
    config = _compose_without(key, command)
    if config is None:
        return None
    return _describe_unknown_setting(key, config, command.config_name)


def _describe_unknown_setting(key: str, config: DictConfig, config_name: str) -> str:
    parent = key.rpartition(".")[0]
    node = OmegaConf.select(config, parent) if parent else config
    if node is None:
        return _describe_unknown_setting(parent, config, config_name)
    if not isinstance(node, DictConfig):
        return f"{key}: no such setting; {parent} is a single value, {node}"
    known = [str(other) for other in node if not str(other).startswith("_") and other != "hydra"]
    message = unknown_setting_message(key, known, parent or config_name)
    if "_target_" in node and config_name == "train":
        message += f" (+{key}=… is passed to {node._target_})"
    return message


def _compose_without(key: str, command: Command) -> DictConfig | None:
    """The configuration of the command line without the unknown setting, or else that without any setting."""
    overrides = []
    for word in command.words:
        is_setting = "=" in word and not word.startswith("-")
        if is_setting and not word.startswith((key, f"+{key}")):
            overrides.append(word)
    with config_loader(command.folders, command.config_name) as loader:
        for words in (overrides, []):
            with suppress(HydraException, OmegaConfBaseException):
                return loader.load_configuration(command.config_name, words, RunMode.RUN)
    return None
