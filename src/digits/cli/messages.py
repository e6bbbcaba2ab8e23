"""Errors of the user as one line."""

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationKeyError,
    InterpolationToMissingValueError,
    OmegaConfBaseException,
)

from digits.cli.hydra_versions import VERSION_BASE
from digits.errors import InputError, one_line
from digits.instantiation import TARGETS_FILE
from digits.private_apis import ambiguous_override, hydra_put_aside, refused_target


def error_message(error: BaseException, config_dir: Path, config_name: str, words: Sequence[str]) -> str:
    """The error in one line; a misspelt choice or setting with those that exist. `words` are those of the command
    line."""
    for cause in exception_chain(error):
        if isinstance(cause, OverrideParseException):
            quotes = "quotes and brackets must be closed, and names in a list quoted: 'SETTING=[\"a (1).png\",b.png]'"
            return one_line(f"{cause.override}: not of the form SETTING=VALUE; {quotes}")
        if ambiguous := ambiguous_override(cause):
            name, _, values = ambiguous.replace('"', "").partition("=")
            sweep = ", or add -m to sweep over the values" if config_name == "train" else ""
            choices = f"write '{name}=[{values}]' for a list, '{name}=\"{values}\"' for a text with a comma{sweep}"
            return one_line(f"{name}={values}: several values; {choices}")
        if refused := refused_target(cause):
            return one_line(f"{refused}: not allowed for Hydra itself; add this full name to {TARGETS_FILE}")
        if isinstance(cause, InterpolationKeyError):
            return one_line(f"{str(cause).splitlines()[0]}; ${{…}} refers to a setting, \\${{…}} is plain text")
        if isinstance(cause, InterpolationToMissingValueError):
            return "a setting has the value ???, which marks a missing value; give another one"
        if isinstance(cause, MissingConfigException):
            group, _, choice = str(cause.missing_cfg_file).rpartition("/")
            options = cause.options or [path.stem for path in (config_dir / group).glob("*.yaml")]  # none for a list
            if choices := ", ".join(sorted(option for option in options if group and not option.startswith("_"))):
                return f"{group}={choice}: no such choice; choose one of {choices}"
        if isinstance(cause, ConfigKeyError | ConfigAttributeError) and isinstance(error, ConfigCompositionException):
            return _unknown_setting(str(cause.full_key), config_dir, config_name, words)
    return describe_error(error)


def describe_error(error: BaseException) -> str:
    """The outermost message of this project, if there is one, else all messages from the outermost inwards."""
    chain = list(exception_chain(error))
    own = [cause for cause in chain if isinstance(cause, InputError)]
    return one_line(": ".join(dict.fromkeys(map(str, own[:1] or chain))))


def exception_chain(error: BaseException | None) -> Iterator[BaseException]:
    """The error, its cause, the cause of that, …"""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _unknown_setting(key: str, config_dir: Path, config_name: str, words: Sequence[str]) -> str:
    if key.startswith("hydra."):
        return f"{key}: no such setting of Hydra (+{key}=… adds one that a launcher may know)"
    if any(word.startswith(("--config-", "-cn", "-cp", "-cd")) for word in words):
        return f"{key}: no such setting in this --config-…; omit that option"
    config = _compose_without(key, config_dir, config_name, words)
    parent = key.rpartition(".")[0]
    node = OmegaConf.select(config, parent) if parent else config
    if node is None:
        return _unknown_setting(parent, config_dir, config_name, words)
    if not isinstance(node, DictConfig):
        return f"{key}: no such setting; {parent} is a single value, {node}"
    known = [str(other) for other in node if not str(other).startswith("_")]
    is_passed_on = "_target_" in node and config_name == "train"
    library = f" (+{key}=… is passed to {node._target_})" if is_passed_on else ""
    return unknown_setting_message(key, known, parent or f"{config_name}.py") + library


def unknown_setting_message(key: str, known: Iterable[str], where: str) -> str:
    """`known` are the valid settings of `where`, a group or a configuration."""
    close = get_close_matches(key.rpartition(".")[2], known := sorted(known), n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{key}: no such setting; {hint}{where} has {', '.join(known)}"


def _compose_without(key: str, config_dir: Path, config_name: str, words: Sequence[str]) -> DictConfig:
    """The configuration of the command line without the unknown setting."""
    overrides = [word for word in words if "=" in word and not word.startswith(("-", key, f"+{key}"))]
    with hydra_put_aside(), initialize_config_dir(str(config_dir), **VERSION_BASE):
        try:
            return compose(config_name, overrides)
        except (HydraException, OmegaConfBaseException):
            return compose(config_name)
