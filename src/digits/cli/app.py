"""What Hydra's entry points share: resolvers, the running job, and errors as one line with exit status 1."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from digits.cli.arguments import check_options, prepare_arguments
from digits.cli.console import prepare_streams
from digits.cli.explain import explain
from digits.cli.help import describe_groups, describe_settings, top_level_settings
from digits.cli.hydra_versions import limited_targets, register_resolver, run_main
from digits.cli.messages import describe_error, error_message, exception_chain, unknown_setting_message
from digits.cli.signals import exit_on_signals, interrupt_on_signals, is_first_process
from digits.config import lookup
from digits.errors import InputError, one_line
from digits.files import discard_output
from digits.private_apis import without_help_check
from digits.runs.folder import resolve_run_folder

log = logging.getLogger(__name__)

# An OSError names its file: a folder without write permission, a full disk.
USER_ERRORS = (InputError, HydraException, OmegaConfBaseException, OSError)


def run_app(main: Callable[[], Any], config_dir: Path, config_name: str) -> None:
    """Runs a function decorated with `hydra.main`. Only a bug, not an error of the user, prints a traceback."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing
    prepare_streams()
    sys.argv[1:] = prepare_arguments(sys.argv[1:])
    register_resolver("groups", lambda: describe_groups(config_dir, config_name))
    register_resolver("settings", lambda: describe_settings(config_dir, config_name))
    try:
        explained = [word.partition("=")[2] for word in sys.argv[1:] if word.startswith("explain=")]
        if explained and config_name == "train":
            sys.stdout.write(explain(explained[-1], sys.argv[1:], config_dir, config_name))
            return
        check_options(sys.argv[1:])
        with without_help_check(), limited_targets():
            run_main(main)
    except KeyboardInterrupt:
        sys.exit("interrupted" if is_first_process() else 1)
    except USER_ERRORS as error:
        sys.exit(one_line(f"error: {error_message(error, config_dir, config_name)}"))
    except ValueError as error:
        # Python's logging raises it for a class of the log that is refused.
        if not any(isinstance(cause, USER_ERRORS) for cause in exception_chain(error)):
            raise
        sys.exit(one_line(f"error: {error_message(error, config_dir, config_name)}"))
    finally:
        exit_on_signals()


class HydraJob(NamedTuple):
    """The job that Hydra runs at the moment, as plain values."""

    config: dict[str, Any]
    """the configuration, all interpolations resolved"""
    folder: Path
    overrides: list[str]
    choices: dict[str, str]
    """the selected option of each config group"""
    in_sweep: bool
    start_folder: Path
    """the folder in which the command was given; a worker of a launcher may run in another one"""


def hydra_job(config: DictConfig) -> HydraJob:
    """Raises InputError for a setting that does not exist, and an OmegaConf error if an interpolation cannot be
    resolved."""
    hydra = HydraConfig.get()
    return HydraJob(
        config=resolve_config(config, hydra),
        folder=Path(hydra.runtime.output_dir),
        overrides=list(hydra.overrides.task),
        choices={str(group): str(choice) for group, choice in hydra.runtime.choices.items() if "/" not in group},
        in_sweep=hydra.mode == RunMode.MULTIRUN,
        start_folder=Path(hydra.runtime.cwd),
    )


def resolve_config(config: DictConfig, hydra: Any) -> dict[str, Any]:
    """A composed configuration as plain values.

    Raises InputError for a setting that `+name=…` or an experiment adds to the top level, where nothing reads it."""
    resolved: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    [source] = [source for source in hydra.runtime.config_sources if source.provider == "main"]
    known = top_level_settings(Path(source.path), hydra.job.config_name)
    if unknown := [key for key in resolved if key not in known]:
        raise InputError(unknown_setting_message(unknown[0], known, f"{hydra.job.config_name}.py"))
    return resolved


@contextmanager
def job_errors() -> Iterator[None]:
    """Wraps the work of one job. An error of the user ends the program with one line. In a sweep every error is logged
    to the job's own file, and the sweep continues."""
    interrupt_on_signals()
    try:
        yield
    except BrokenPipeError:  # the reader closed the pipe
        discard_output(sys.stdout)
        sys.exit(1)
    except Exception as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            log.exception("failed")
            raise InputError(describe_error(error)) from None  # picklable, for launchers with worker processes
        if not isinstance(error, USER_ERRORS):
            raise
        sys.exit(one_line(f"error: {describe_error(error)}") if is_first_process() else 1)


def register_resolvers() -> None:
    """Registers the resolvers of `conf/`."""
    resolvers: dict[str, Callable[..., Any]] = {
        "pick": lookup,
        # hydra.run.dir: checked before Hydra writes into the folder.
        "run_folder": resolve_run_folder,
        # Logging of train.py: the jobs of a sweep are silent, the sweep logs its progress.
        "console_level": lambda mode: "CRITICAL" if mode == RunMode.MULTIRUN else "INFO",
        # Logging of predict.py: to stderr when the predictions go to stdout.
        "console_stream": lambda digits, output: "stderr" if digits and output == "-" else "stdout",
    }
    for name, resolver in resolvers.items():
        register_resolver(name, resolver)


register_resolvers()  # at import: worker processes of a parallel launcher import this module but run no entry point
