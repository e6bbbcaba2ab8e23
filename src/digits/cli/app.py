"""The frame around the entry points: a mistake of the user is one line on stderr and exit status 1."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from digits.cli.messages import error_message, one_line
from digits.errors import InputError
from digits.runs.folder import resolve_run_folder

log = logging.getLogger(__name__)

# An OSError names its file: a folder that cannot be written to, a full disk.
MISTAKES = (InputError, HydraException, OmegaConfBaseException, OSError)

OmegaConf.register_new_resolver("run_folder", resolve_run_folder)  # for hydra.run.dir: asked before Hydra writes to it
OmegaConf.register_new_resolver(  # for the logging of train.py: of a sweep's jobs the sweep itself speaks
    "console_level", lambda mode: "CRITICAL" if mode == RunMode.MULTIRUN else "INFO"
)
OmegaConf.register_new_resolver(  # for the logging of predict.py: what it says is not to mix with what it writes
    "report_stream", lambda digits, output: "stderr" if digits is not None and output == "-" else "stdout"
)


def run_app(main: Callable[[], Any], config_dir: Path, config_name: str) -> None:
    """Calls a function made by `hydra.main`. What is a bug, and not a mistake of the user, keeps its traceback."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises what it would print
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
    except MISTAKES as error:
        sys.exit(f"error: {error_message(error, config_dir, config_name)}")
    except ValueError as error:
        if not str(error).startswith("Only one of --"):
            raise
        sys.exit("error: -m, --cfg, --info and --help answer one at a time; leave out all but one")


@contextmanager
def job_errors() -> Iterator[None]:
    """Around the work of one job: a mistake ends the program. In a sweep what went wrong, whatever it is, goes to
    the job's own log, and the sweep goes on."""
    try:
        yield
    except BrokenPipeError:  # whoever read what is written has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            log.exception("failed")
            raise InputError(one_line(error)) from None  # one that can travel between processes
        if not isinstance(error, MISTAKES):
            raise
        first = os.environ.get("LOCAL_RANK", "0") == "0"  # among the processes of a distributed run
        sys.exit(f"error: {one_line(error)}" if first else 1)
