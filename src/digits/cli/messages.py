"""Errors of the user as one line."""

import sys
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from digits.errors import InputError


def error_message(error: BaseException, config_dir: Path, config_name: str) -> str:
    """The error in one line; a misspelt choice or setting with those that exist."""
    for cause in _exception_chain(error):
        if isinstance(cause, OverrideParseException):
            quotes = "a space, comma, bracket or = in a value needs quotes within quotes: 'SETTING=\"a value\"'"
            return f"{cause.override}: not of the form SETTING=VALUE; {quotes}"
        if isinstance(cause, MissingConfigException) and cause.options:
            group, _, choice = str(cause.missing_cfg_file).rpartition("/")
            choices = ", ".join(sorted(option for option in cause.options if not option.startswith("_")))
            return f"{group}={choice}: no such choice; choose one of {choices}"
        if isinstance(cause, ConfigKeyError | ConfigAttributeError) and isinstance(error, ConfigCompositionException):
            return _unknown_setting(str(cause.full_key), config_dir, config_name)
    return one_line(error)


def one_line(error: BaseException) -> str:
    """The outermost message of this project, if there is one, else all messages from the outermost inwards."""
    chain = list(_exception_chain(error))
    own = [cause for cause in chain if isinstance(cause, InputError)]
    return " ".join(": ".join(dict.fromkeys(map(str, own[:1] or chain))).split())


def _exception_chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _unknown_setting(key: str, config_dir: Path, config_name: str) -> str:
    if key.startswith("hydra."):
        return f"{key}: no such setting of Hydra (+{key}=… adds one that a launcher may know)"
    config = _compose_without(key, config_dir, config_name)
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    if node is None:
        return _unknown_setting(parent, config_dir, config_name)
    if not isinstance(node, DictConfig):
        return f"{key}: no such setting; {parent} is a single value, {node}"
    known = sorted(str(other) for other in node if not str(other).startswith("_"))
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    library = f" (+{key}=… is passed to {node._target_})" if "_target_" in node else ""
    return f"{key}: no such setting; {hint}{parent or config_name} has {', '.join(known)}{library}"


def _compose_without(key: str, config_dir: Path, config_name: str) -> DictConfig:
    """The configuration of the command line without the unknown setting."""
    overrides = [word for word in sys.argv[1:] if "=" in word and not word.startswith(("-", key, f"+{key}"))]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_dir), version_base="1.3"):
        try:
            return compose(config_name, overrides)
        except (HydraException, OmegaConfBaseException):
            return compose(config_name)
