"""Shared by the programs that train and predict: prepared arguments, and errors as one line with exit status 1.

Importing this module limits what Hydra builds in this process. The programs of this project and their workers need the
limit. Other programs, which may call `digits.train`, do not import it."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode, TaskFunction

from digits.cli.arguments import asks_for_help, check_options, prepare_arguments
from digits.cli.config_folders import hydra_options, require_choices, take_folders
from digits.cli.console import prepare_streams
from digits.cli.help import describe_groups, describe_settings, help_page
from digits.cli.hydra_versions import VERSION_BASE, limit_targets, limited_targets, register_resolver, run_main
from digits.cli.job import USER_ERRORS, register_resolvers
from digits.cli.messages import Command, describe_error, error_message, exception_chain
from digits.cli.signals import exit_on_signals
from digits.errors import InputError, one_line
from digits.files import discard_output
from digits.private_apis.hydra import without_help_check
from digits.processes import is_first_of_node

log = logging.getLogger(__name__)


def run_app(task: TaskFunction, conf: Path, config_name: str, program: str) -> None:
    """Runs the jobs of a command line with Hydra. `program` is the text before its settings, for the help. Only a bug,
    not an error of the user, prints a traceback."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing
    prepare_streams()
    command = Command([conf], config_name, sys.argv[1:])
    try:
        command = _prepare_command(conf, config_name)
        explained = _explained_setting(command.words) if config_name == "train" else None
        if explained is not None:
            from digits.cli.explain import explain  # imported late: it is rarely needed

            sys.stdout.write(explain(explained, command))
            return
        check_options(command.words)
        _register_help(command, program)
        if asks_for_help(command.words):
            sys.stdout.write(help_page(command.folders, config_name))
            return
        with without_help_check(), limited_targets():
            run_main(hydra.main(**VERSION_BASE, config_path=str(conf), config_name=config_name)(task))
    except KeyboardInterrupt:
        sys.exit("interrupted" if is_first_of_node() else 1)
    except BrokenPipeError:  # the reader of --help or --cfg closed the pipe
        discard_output(sys.stdout)
        sys.exit(1)
    except (*USER_ERRORS, ValueError) as error:
        if not _is_of_user(error):
            raise
        sys.exit(one_line(f"error: {error_message(error, command)}"))
    finally:
        exit_on_signals()


def _prepare_command(conf: Path, config_name: str) -> Command:
    """The command line without the options for folders. Replaces `sys.argv` by the words that Hydra gets, and that
    Lightning gives to the other processes of a run."""
    folders, words = take_folders(sys.argv[1:], conf)
    words = prepare_arguments(words)
    require_choices(folders, words)
    options = hydra_options(folders) if folders != [conf] else []
    sys.argv[1:] = [*options, *words]
    return Command(folders, config_name, words)


def _register_help(command: Command, program: str) -> None:
    """Registers the resolvers in the help pages, `conf/hydra/help`."""
    register_resolver("groups", lambda: describe_groups(command.folders, command.config_name))
    register_resolver("settings", lambda: describe_settings(command.folders, command.config_name))
    register_resolver("program", lambda: program)


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
    """Wraps one job. An error of the user ends the program with one line. In a sweep every error is logged to the job's
    own file, and the sweep continues."""
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
