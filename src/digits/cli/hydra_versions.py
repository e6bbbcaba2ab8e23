"""The differences between Hydra 1.3 and 1.4, and between OmegaConf 2.3 and 2.4. Each form below is silent in its
version. Remove the older ones when `pyproject.toml` requires Hydra 1.4."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import hydra
import hydra.utils
from hydra.errors import ConfigCompositionException
from omegaconf import DictConfig, OmegaConf

from digits.instantiation import allowed_packages, build, find_target

HAS_WHITELIST = hasattr(hydra.utils, "execution_whitelist")  # since Hydra 1.4
# Hydra 1.3 warns without `version_base`, Hydra 1.4 with it.
VERSION_BASE: dict[str, Any] = {} if HAS_WHITELIST else {"version_base": "1.3"}
# Named by the logging in `conf/hydra` and by Hydra's own.
LOGGING_CLASSES = [
    "digits.cli.console.ConsoleHandler", "logging.FileHandler", "logging.StreamHandler",
    "sys.stdout", "sys.stderr", "colorlog.ColoredFormatter",
]  # fmt: skip


def register_resolver(name: str, resolver: Callable[..., Any]) -> None:
    """Registers a resolver, or replaces it. OmegaConf 2.4 deprecates the older name of the function, which has another
    meaning before. It warns about annotations that it cannot check."""
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
        if "hydra.mode changed during config composition" not in str(error) or "--multirun" in sys.argv:
            raise
        sys.argv.insert(1, "--multirun")
        main()


@contextmanager
def limited_targets() -> Iterator[None]:
    """Limits the targets that Hydra builds itself, its callbacks and handlers of the log, to `conf/targets.yaml` and
    `LOGGING_CLASSES`. Hydra passes the limit on to worker processes. Hydra 1.3 has no limit; see `limit_hydra_1_3`."""
    if not HAS_WHITELIST:
        yield
        return
    packages = allowed_packages()
    below = [f"{package}.*" for package in packages]
    execution_whitelist: Any = hydra.utils.execution_whitelist  # type: ignore[attr-defined, unused-ignore]
    with execution_whitelist([*packages, *below, *LOGGING_CLASSES], reset=True):
        yield


def limit_hydra_1_3() -> None:
    """Limits Hydra 1.3 as `limited_targets` limits Hydra 1.4, for the rest of the process."""
    from hydra._internal.callbacks import Callbacks
    from hydra._internal.logging_config import HydraDictConfigurator
    from hydra.core import plugins

    def build_callbacks(self: Callbacks, config: DictConfig | None = None) -> None:
        chosen = OmegaConf.select(config, "hydra.callbacks") if config is not None else None
        settings = OmegaConf.to_container(chosen, resolve=True) if chosen else {}
        self.callbacks = list(build(settings, "hydra.callbacks").values())

    resolve = HydraDictConfigurator.resolve

    def resolve_allowed(self: HydraDictConfigurator, s: str) -> Any:
        if s not in LOGGING_CLASSES:
            find_target(s, "hydra.logging")
        return resolve(self, s)

    Callbacks.__init__ = build_callbacks  # type: ignore[method-assign]
    HydraDictConfigurator.resolve = resolve_allowed  # type: ignore[method-assign]
    # A sweeper or a launcher is a plugin that Hydra has found; its settings are values.
    plugins.instantiate = partial(hydra.utils.instantiate, _recursive_=False)  # type: ignore[attr-defined]


if not HAS_WHITELIST:
    limit_hydra_1_3()  # at import: worker processes of a parallel launcher import this module but run no entry point
