"""Private parts of Hydra."""

import argparse
import copy
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from digits.private_apis.coupling import Coupling

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.core.override_parser.types import Override

HYDRA_VERSIONS = "1.3.6–1.4.0rc3"
HYDRA_COUPLINGS = (
    Coupling(
        "Python",
        "argparse.ArgumentParser._check_help",
        "Python 3.14 refuses a help text of Hydra 1.3",
        "none, needs Python 3.14",
    ),
    Coupling("hydra-core", "the error Ambiguous value for argument", "seed=0,1 without -m gets a hint", HYDRA_VERSIONS),
    Coupling(
        "hydra-core",
        "the error hydra.mode changed during config composition",
        "an experiment is a sweep without -m",
        "1.4.0rc3: Hydra 1.3 has no such error",
    ),
    Coupling(
        "hydra-core",
        "the error is not in the Hydra execution whitelist",
        "a refused target is one line with the file to change",
        "1.4.0rc3: Hydra 1.3 has no such error",
    ),
    Coupling(
        "hydra-core",
        "hydra._internal.callbacks.Callbacks.__init__",
        "Hydra's callbacks are limited to conf/targets.yaml",
        "1.3.6–1.3.8: Hydra 1.4 has a limit",
    ),
    Coupling(
        "hydra-core",
        "hydra._internal.logging_config.HydraDictConfigurator.resolve",
        "the classes of Hydra's log are limited to conf/targets.yaml",
        "1.3.6–1.3.8: Hydra 1.4 has a limit",
    ),
    Coupling(
        "hydra-core",
        "hydra.core.plugins.instantiate",
        "the settings of a sweeper or launcher are values",
        "1.3.6–1.3.8: Hydra 1.4 has a limit",
    ),
    Coupling(
        "hydra-core",
        "hydra._internal.defaults_list.DefaultsList",
        "explain= names the file of each choice",
        HYDRA_VERSIONS,
    ),
    Coupling(
        "hydra-core",
        "hydra._internal.config_loader_impl.ConfigLoaderImpl",
        "explain= and messages know the folder of --config-dir",
        HYDRA_VERSIONS,
    ),
    Coupling("hydra-core", "GlobalHydra.hydra.run", "digits.train writes the same files as train.py", HYDRA_VERSIONS),
    Coupling(
        "hydra-core",
        "Singleton._instances, BaseContainer._resolvers",
        "digits.train runs inside a Hydra program",
        HYDRA_VERSIONS,
    ),
)


@contextmanager
def without_help_check() -> Iterator[None]:
    """Lets Hydra 1.3 build its parser with Python 3.14, which verifies help texts: one of Hydra's is not a string.

    Hydra builds the parser itself. Remove this when hydra-core is at least 1.4, which does the same."""
    if sys.version_info < (3, 14):
        yield
        return

    def accept(parser: argparse.ArgumentParser, action: argparse.Action) -> None:
        pass

    check = argparse.ArgumentParser._check_help
    argparse.ArgumentParser._check_help = accept
    try:
        yield
    finally:
        argparse.ArgumentParser._check_help = check


def ambiguous_override(error: BaseException) -> str | None:
    """The override KEY=VALUE1,VALUE2 that Hydra refused because the run is no sweep. None for another error.

    Hydra raises the same class for all errors of a composition. Only the text names this one."""
    from hydra.errors import ConfigCompositionException

    if not isinstance(error, ConfigCompositionException):
        return None
    match = re.match("Ambiguous value for argument '(.*)'\n", str(error))
    return match[1] if match else None


def is_changed_mode(error: BaseException) -> bool:
    """Whether Hydra 1.4 refused an experiment with `hydra.mode: MULTIRUN`, which makes a run a sweep with Hydra 1.3.

    Hydra raises the same class for all errors of a composition. Only the text names this one."""
    return "hydra.mode changed during config composition" in str(error)


def refused_target(error: BaseException) -> str | None:
    """The target that `hydra.utils.execution_whitelist` of Hydra 1.4 refused. None for another error.

    Hydra raises the same class for all errors of a target. Only the text names this one."""
    match = re.search("arget '(.*?)'.* is not in the Hydra execution whitelist", str(error))
    return match[1] if match else None


def limit_targets_of_hydra_1_3(
    build_callback: Callable[[Mapping[str, Any], str], Any], check_class: Callable[[str], None]
) -> Callable[[], None]:
    """Limits the objects that Hydra 1.3 builds from a configuration, until the returned function is called.

    Hydra 1.4 has `hydra.utils.execution_whitelist` for it."""
    remove_limits = (_limit_callbacks(build_callback), _limit_log_classes(check_class), _build_plugins_only())

    def remove_limit() -> None:
        for remove in remove_limits:
            remove()

    return remove_limit


def _limit_callbacks(build_callback: Callable[[Mapping[str, Any], str], Any]) -> Callable[[], None]:
    """Makes Hydra call `build_callback(settings, name)` for each of its callbacks."""
    from hydra._internal.callbacks import Callbacks
    from omegaconf import OmegaConf

    original = Callbacks.__init__

    def build_callbacks(self: Callbacks, config: Any = None) -> None:
        chosen = OmegaConf.select(config, "hydra.callbacks") if config is not None else None
        settings: Any = OmegaConf.to_container(chosen, resolve=True) if chosen else {}
        self.callbacks = [build_callback(settings[name], f"hydra.callbacks.{name}") for name in settings]

    def restore() -> None:
        Callbacks.__init__ = original  # type: ignore[method-assign]

    Callbacks.__init__ = build_callbacks  # type: ignore[method-assign]
    return restore


def _limit_log_classes(check_class: Callable[[str], None]) -> Callable[[], None]:
    """Makes Hydra call `check_class(name)` for each class of its log. It raises an exception for other classes."""
    from hydra._internal.logging_config import HydraDictConfigurator

    original = HydraDictConfigurator.resolve

    def resolve_checked(self: HydraDictConfigurator, s: str) -> Any:
        check_class(s)
        return original(self, s)

    def restore() -> None:
        HydraDictConfigurator.resolve = original  # type: ignore[method-assign]

    HydraDictConfigurator.resolve = resolve_checked  # type: ignore[method-assign]
    return restore


def _build_plugins_only() -> Callable[[], None]:
    """Makes Hydra build sweepers and launchers, but keep each _target_ inside their settings as a plain value."""
    import hydra.utils
    from hydra.core import plugins

    original = plugins.instantiate  # type: ignore[attr-defined]

    def restore() -> None:
        plugins.instantiate = original  # type: ignore[attr-defined]

    plugins.instantiate = partial(hydra.utils.instantiate, _recursive_=False)  # type: ignore[attr-defined]
    return restore


def search_more_folders(loader: "ConfigLoader", folders: Sequence[Path]) -> "ConfigLoader":
    """A loader that also searches these folders, after the folder of the given loader.

    `hydra.initialize_config_dir` takes one folder. With `hydra.searchpath` Hydra finds no primary configuration in the
    others."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra.core.config_search_path import SearchPathQuery

    search_path = copy.deepcopy(loader.get_search_path())
    for folder in folders:
        search_path.append("main", f"file://{folder}", SearchPathQuery(provider="main"))
    return ConfigLoaderImpl(search_path)


class Defaults(NamedTuple):
    """The files of a composition, and the choices and settings of its command line."""

    choices: dict[str, Any]
    """option by config group"""
    chosen_by: dict[str, str | None]
    """the file that chose, by config group; None for the command line"""
    overrides: list["Override"]
    """settings of the command line"""
    packages: dict[str, str]
    """package by file, in the order of the composition"""


def compute_defaults(loader: "ConfigLoader", config_name: str, words: Sequence[str]) -> Defaults:
    """The defaults list of a command line.

    `ConfigLoader.compute_defaults_list` is public, but its result is a class of `hydra._internal`. Hydra's public
    configuration holds the choices, without the files that made them."""
    from hydra.types import RunMode

    computed = loader.compute_defaults_list(config_name, list(words), RunMode.RUN)
    overrides = computed.overrides
    metadata = overrides.override_metadata
    chosen_by = {group: metadata[group].containing_config_path for group in metadata}
    packages = {str(default.config_path): str(default.package or "") for default in computed.defaults}
    choices = overrides.known_choices | overrides.override_choices
    return Defaults(choices, chosen_by, overrides.config_overrides, packages)


def run_hydra_job(config_name: str, function: Callable[[Any], Any], overrides: Sequence[str]) -> Any:
    """Composes and runs a job inside `initialize_config_dir`, and returns what `function` returns.

    `hydra.compose` does not create the folder of the run, and `hydra.main` reads the command line."""
    from hydra.core.global_hydra import GlobalHydra

    hydra = GlobalHydra.instance().hydra
    assert hydra is not None
    return hydra.run(config_name, function, list(overrides), with_log_configuration=False).return_value


@contextmanager
def hydra_put_aside() -> Iterator[None]:
    """Gives the block a Hydra that is not initialized, as in a new process. Afterwards a program that uses Hydra, or
    a notebook after `initialize_config_dir`, has its own configuration, job, `version_base` and resolvers again.

    Hydra refuses a second initialization. `GlobalHydra.clear` would lose the first one, and `Singleton.get_state`
    copies objects that the program still holds."""
    from hydra.core.singleton import Singleton
    from omegaconf.basecontainer import BaseContainer

    states, registries = _split_singletons(Singleton._instances)
    resolvers = BaseContainer._resolvers
    Singleton._instances = registries
    BaseContainer._resolvers = dict(resolvers)
    try:
        yield
    finally:
        _, registries = _split_singletons(Singleton._instances)
        Singleton._instances = registries | states
        BaseContainer._resolvers = resolvers


def _split_singletons(instances: Mapping[type, Any]) -> tuple[dict[type, Any], dict[type, Any]]:
    """Hydra's singletons by their class: those that hold the state of a program, and registries of classes."""
    states, registries = {}, {}
    for kind, instance in instances.items():
        if kind.__name__ in ("GlobalHydra", "HydraConfig", "JobRuntime", "VersionBase"):
            states[kind] = instance
        else:
            registries[kind] = instance
    return states, registries
