"""Shared by train.py and predict.py: prepared arguments, and errors as one line with exit status 1.

Importing this module limits what Hydra builds in this process. The programs of this project and their workers need the
limit. Other programs, which may call `digits.train`, do not import it."""

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from digits.cli.arguments import check_options, prepare_arguments
from digits.cli.console import prepare_streams
from digits.cli.explain import explain
from digits.cli.help import describe_groups, describe_settings
from digits.cli.hydra_versions import limit_targets, limited_targets, register_resolver, run_main
from digits.cli.job import USER_ERRORS, register_resolvers
from digits.cli.messages import Command, describe_error, error_message, exception_chain
from digits.cli.signals import exit_on_signals, interrupt_on_signals
from digits.errors import InputError, one_line
from digits.files import discard_output
from digits.private_apis.hydra import without_help_check
from digits.processes import is_first_of_node

log = logging.getLogger(__name__)


def run_app(main: Callable[[], Any], config_dir: Path, config_name: str) -> None:
    """Runs a function decorated with `hydra.main`. Only a bug, not an error of the user, prints a traceback."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing
    prepare_streams()
    words = prepare_arguments(sys.argv[1:])
    sys.argv[1:] = words
    register_resolver("groups", lambda: describe_groups(config_dir, config_name))
    register_resolver("settings", lambda: describe_settings(config_dir, config_name))
    command = Command(config_dir, config_name, words)
    try:
        explained = _explained_setting(words) if config_name == "train" else None
        if explained is not None:
            sys.stdout.write(explain(explained, command))
            return
        check_options(words)
        with without_help_check(), limited_targets():
            run_main(main)
    except KeyboardInterrupt:
        sys.exit("interrupted" if is_first_of_node() else 1)
    except (*USER_ERRORS, ValueError) as error:
        if not _is_of_user(error):
            raise
        sys.exit(one_line(f"error: {error_message(error, command)}"))
    finally:
        exit_on_signals()


def _explained_setting(words: Sequence[str]) -> str | None:
    """The SETTING of the last `explain=SETTING`."""
    setting = None
    for word in words:
        if word.startswith("explain="):
            setting = word.removeprefix("explain=")
    return setting


def _is_of_user(error: Exception) -> bool:
    """Whether the error, or one of its causes, is an error of the user. Python's logging raises a ValueError for a
    class of the log that is refused."""
    return any(isinstance(cause, USER_ERRORS) for cause in exception_chain(error))


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
        sys.exit(one_line(f"error: {describe_error(error)}") if is_first_of_node() else 1)


# At import: worker processes of a parallel launcher import this module but run no entry point.
register_resolvers()
limit_targets()
