"""One line for every mistake of the user."""

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
    for cause in _causes(error):
        if isinstance(cause, OverrideParseException):
            quotes = "a space, comma, bracket or = in a value needs quotes within quotes: 'SETTING=\"a value\"'"
            return f"{cause.override}: not of the form SETTING=VALUE; {quotes}"
        if isinstance(cause, MissingConfigException) and cause.options:
            group, _, choice = str(cause.missing_cfg_file).rpartition("/")
            return f"{group}={choice}: no such choice; there are {', '.join(sorted(cause.options))}"
        if isinstance(cause, ConfigKeyError | ConfigAttributeError) and isinstance(error, ConfigCompositionException):
            return _unknown_key(str(cause.full_key), config_dir, config_name)
    return one_line(error)


def one_line(error: BaseException) -> str:
    """One line: our own words, the outermost, if there are any, else the libraries' from the outermost inwards."""
    causes = list(_causes(error))
    own = [cause for cause in causes if isinstance(cause, InputError)]
    return " ".join(": ".join(dict.fromkeys(map(str, own[:1] or causes))).split())


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _unknown_key(key: str, config_dir: Path, config_name: str) -> str:
    if key.startswith("hydra."):
        return f"{key}: no such setting of Hydra's (+{key}=… adds one that a launcher may know)"
    config = _compose_without(key, config_dir, config_name)
    parent, _, name = key.rpartition(".")
    node = OmegaConf.select(config, parent) if parent else config
    if node is None:
        return _unknown_key(parent, config_dir, config_name)
    if not isinstance(node, DictConfig):
        return f"{key}: no such setting; {parent} is a single value, {node}"
    known = sorted(str(other) for other in node if not str(other).startswith("_"))
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    library = f" (+{key}=… is handed to {node._target_})" if "_target_" in node else ""
    return f"{key}: no such setting; {hint}{parent or config_name} has {', '.join(known)}{library}"


def _compose_without(key: str, config_dir: Path, config_name: str) -> DictConfig:
    """The configuration that the command line asks for, without the setting that it does not have."""
    overrides = [word for word in sys.argv[1:] if "=" in word and not word.startswith(("-", key, f"+{key}"))]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_dir), version_base="1.3"):
        try:
            return compose(config_name, overrides)
        except (HydraException, OmegaConfBaseException):
            return compose(config_name)
