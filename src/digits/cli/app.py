"""What Hydra's entry points share: errors as one line with exit status 1.

Importing this module limits what Hydra builds in this process, as it must be in the programs of this project and their
workers. Programs of others, which may call `digits.train`, do not import it."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
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
from digits.cli.messages import describe_error, error_message, exception_chain
from digits.cli.signals import exit_on_signals, interrupt_on_signals
from digits.errors import InputError, one_line
from digits.files import discard_output
from digits.private_apis import without_help_check
from digits.processes import is_first_of_node

log = logging.getLogger(__name__)


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
        sys.exit("interrupted" if is_first_of_node() else 1)
    except USER_ERRORS as error:
        sys.exit(one_line(f"error: {error_message(error, config_dir, config_name, sys.argv[1:])}"))
    except ValueError as error:
        # Python's logging raises it for a class of the log that is refused.
        if not any(isinstance(cause, USER_ERRORS) for cause in exception_chain(error)):
            raise
        sys.exit(one_line(f"error: {error_message(error, config_dir, config_name, sys.argv[1:])}"))
    finally:
        exit_on_signals()


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
