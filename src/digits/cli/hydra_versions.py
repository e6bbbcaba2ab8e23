"""The differences between Hydra 1.3 and 1.4, and between OmegaConf 2.3 and 2.4. Each form below is silent in its
version. Remove the older ones when `pyproject.toml` requires Hydra 1.4."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import hydra
import hydra.utils
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from digits.instantiation import allowed_packages, build, require_listed
from digits.private_apis.hydra import is_changed_mode, limit_targets_of_hydra_1_3

HAS_WHITELIST = hasattr(hydra.utils, "execution_whitelist")  # since Hydra 1.4
# Hydra 1.3 warns without `version_base`, Hydra 1.4 with it.
VERSION_BASE: dict[str, Any] = {} if HAS_WHITELIST else {"version_base": "1.3"}
# Named by the logging in `conf/hydra` and by Hydra's own.
LOGGING_CLASSES = [
    "digits.cli.console.ConsoleHandler", "logging.FileHandler", "logging.StreamHandler",
    "sys.stdout", "sys.stderr", "colorlog.ColoredFormatter",
]  # fmt: skip


def register_resolver(name: str, resolver: Callable[..., Any]) -> None:
    """Registers a resolver, or replaces it. OmegaConf 2.4 renames the function, and warns about annotations that it
    cannot check. In OmegaConf 2.3 the new name has another meaning."""
    if HAS_WHITELIST:  # Hydra 1.4 requires OmegaConf 2.4
        register: Any = OmegaConf.register_resolver
        register(name, resolver, replace=True, annotation_validation="off")
    else:
        OmegaConf.register_new_resolver(name, resolver, replace=True)


def run_main(main: Callable[[], Any]) -> None:
    """Runs a function decorated with `hydra.main`. With Hydra 1.3 an experiment turns a run into a sweep, with
    `hydra.mode: MULTIRUN`. Hydra 1.4 accepts only the command line for it, and is started again with its option."""
    try:
        main()
    except ConfigCompositionException as error:
        if not is_changed_mode(error) or "--multirun" in sys.argv:
            raise
        sys.argv.insert(1, "--multirun")
        main()


@contextmanager
def limited_targets() -> Iterator[None]:
    """Limits the targets that Hydra builds itself, its callbacks and handlers of the log, to the full names in
    `conf/targets.yaml` and `LOGGING_CLASSES`. Hydra 1.4 passes the limit on to worker processes.

    Hydra 1.3 has no such limit. `limit_targets_of_hydra_1_3` replaces it."""
    if not HAS_WHITELIST:
        remove_limit = limit_targets_of_hydra_1_3(_build_callback, _check_logging_class)
        try:
            yield
        finally:
            remove_limit()
        return
    execution_whitelist: Any = hydra.utils.execution_whitelist  # type: ignore[attr-defined, unused-ignore]
    with execution_whitelist([*allowed_packages(), *LOGGING_CLASSES], reset=True):
        yield


def limit_targets() -> None:
    """Limits the targets for the rest of this process, which may be a worker process that runs no entry point. With
    Hydra 1.4 a worker has the limit already."""
    if not HAS_WHITELIST:
        limit_targets_of_hydra_1_3(_build_callback, _check_logging_class)


def _build_callback(settings: Mapping[str, Any], setting: str) -> Any:
    require_listed(settings.get("_target_"), f"{setting}._target_")
    return build(settings, setting)


def _check_logging_class(name: str) -> None:
    if name not in LOGGING_CLASSES:
        require_listed(name, "hydra.logging")
