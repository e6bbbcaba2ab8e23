"""Builds the objects that a configuration names as `_target_`, from the packages in `conf/targets.yaml` only.

Hydra 1.3 has no list of allowed packages. Here the values are plain: nothing changes between the check and the call.
"""

import inspect
import pkgutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from digits.errors import InputError

PACKAGE = Path(__file__).parent
CONF = PACKAGE / "conf"  # in the wheel
if not CONF.is_dir():
    CONF = PACKAGE.parents[1] / "conf"  # in the repository
TARGETS_FILE = CONF / "targets.yaml"

SPECIAL_KEYS = ("_target_", "_args_", "_partial_", "_recursive_", "_convert_")


class BuildError(InputError):
    """A target raised an exception, the `__cause__`."""


def build(config: Any, setting: str, **arguments: Any) -> Any:
    """Builds what `hydra.utils.instantiate` builds from a resolved configuration, with all targets in it. `arguments`
    are finished values that replace settings of the outermost target. Targets get plain dictionaries and lists,
    whatever `_convert_` is. `setting` is the place of `config` in the configuration, for messages.

    Raises InputError for a target outside of the packages in `conf/targets.yaml`, and BuildError if a target fails."""
    if isinstance(config, Mapping) and "_target_" in config:
        return _build_target(config, setting, arguments)
    if arguments:
        raise TypeError("arguments need a target")
    if isinstance(config, list):
        return [build(part, f"{setting}.{index}") for index, part in enumerate(config)]
    if isinstance(config, Mapping):
        return {key: build(part, f"{setting}.{key}") for key, part in config.items()}
    return config


def _build_target(config: Mapping[str, Any], setting: str, arguments: Mapping[str, Any]) -> Any:
    target = find_target(config["_target_"], f"{setting}._target_")
    replaced = {*SPECIAL_KEYS, *arguments}
    settings = {key: value for key, value in config.items() if key not in replaced}
    positional = config.get("_args_", [])
    if config.get("_recursive_", True):
        positional = build(positional, f"{setting}._args_")
        settings = build(settings, setting)
    if config.get("_partial_", False):
        _check_names(target, settings, setting)
        return partial(target, *positional, **settings, **arguments)
    try:
        return target(*positional, **settings, **arguments)
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise BuildError(f"{setting}: {target.__name__} fails: {error or type(error).__name__}") from error


def _check_names(target: Callable[..., Any], settings: Mapping[str, Any], place: str) -> None:
    """Raises InputError for a setting that a target does not take. A partial target would only fail when it is called,
    with Python's message."""
    try:
        parameters = inspect.signature(target).parameters
    except ValueError:  # written in C
        return
    kinds = {parameter.kind for parameter in parameters.values()}
    if inspect.Parameter.VAR_KEYWORD in kinds:  # takes any name
        return
    known = [name for name, parameter in parameters.items() if _is_setting(parameter)]
    for name in settings:
        if name not in parameters:
            raise InputError(f"{place}.{name}: {target.__name__} has no such setting; it has {', '.join(known)}")


def _is_setting(parameter: inspect.Parameter) -> bool:
    """Whether the configuration sets it. The others, such as an optimizer's parameters, are set by the caller."""
    return parameter.kind is inspect.Parameter.KEYWORD_ONLY or parameter.default is not inspect.Parameter.empty


def find_target(name: object, setting: str) -> Callable[..., Any]:
    """Imports a class or a Python function. The name must be public. The class or function must be defined in an
    allowed package; a re-export may have another name.

    Raises InputError otherwise. Nothing outside of the allowed packages is imported by its name."""
    if not isinstance(name, str):
        raise InputError(f"{setting}={name}: must be the full name of a class or a function")
    allowed = allowed_packages()
    if not is_inside(name, allowed):
        raise InputError(f"{setting}={name}: not in an allowed package; add its package to {TARGETS_FILE}")
    if name.startswith("_") or "._" in name:
        raise InputError(f"{setting}={name}: private; only public classes and functions can be built")
    try:
        found = pkgutil.resolve_name(name)
    except Exception as error:  # the user's own module can raise anything
        raise InputError(f"{setting}={name}: cannot be imported ({error or type(error).__name__})") from error
    _check_definition(found, allowed, where=f"{setting}={name}")
    target: Callable[..., Any] = found
    return target


def _check_definition(found: Any, allowed: list[str], where: str) -> None:
    """Checks the place where an object is defined. A module also contains objects that it has imported."""
    if not inspect.isclass(found) and not inspect.isfunction(found):
        raise InputError(f"{where}: neither a class nor a Python function")
    own_name = f"{found.__module__}.{found.__qualname__}"
    if not is_inside(own_name, allowed):
        raise InputError(f"{where}: {own_name} is not in an allowed package; add its package to {TARGETS_FILE}")
    if found.__qualname__.startswith("_"):
        raise InputError(f"{where}: {own_name} is private; only public classes and functions can be built")
    if "." in found.__qualname__:
        raise InputError(f"{where}: part of another class or function; only those of a module can be built")


def require_listed(name: object, setting: str) -> None:
    """Raises InputError unless `conf/targets.yaml` lists this full name. Hydra builds its own callbacks and handlers of
    its log, so that a package is not enough for them."""
    if name not in allowed_packages():
        raise InputError(f"{setting}={name}: not allowed for Hydra itself; add this full name to {TARGETS_FILE}")


def allowed_packages() -> list[str]:
    """The entries of `conf/targets.yaml`. Raises InputError if the file is not a list of names."""
    import yaml  # imported late: --help needs no list

    try:
        entries = yaml.safe_load(TARGETS_FILE.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{TARGETS_FILE}: cannot be read ({error})") from None
    if not isinstance(entries, list):
        raise InputError(f"{TARGETS_FILE}: must be a list of packages, such as - torch.optim")
    for entry in entries:
        is_name = isinstance(entry, str) and all(part.isidentifier() for part in entry.split("."))
        if not is_name:
            raise InputError(f"{TARGETS_FILE}: {entry} is not the name of a package, such as torch.optim")
    return entries


def is_inside(name: str, packages: list[str]) -> bool:
    """Whether a full name is one of `packages` or below one."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)
