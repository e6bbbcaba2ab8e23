"""The frame around the entry points: a mistake of the user is one line on stderr and exit status 1."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TextIO

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from digits.errors import InputError
from digits.run_folder import run_folder

log = logging.getLogger(__name__)

# An OSError names its file: a folder that cannot be written to, a full disk.
MISTAKES = (InputError, HydraException, OmegaConfBaseException, OSError)

OmegaConf.register_new_resolver("run_folder", run_folder)  # for hydra.run.dir: asked before Hydra writes to it
OmegaConf.register_new_resolver(  # for the logging of train.py: of a sweep's jobs the sweep itself speaks
    "console_level", lambda mode: "CRITICAL" if mode == RunMode.MULTIRUN else "INFO"
)
OmegaConf.register_new_resolver(  # for the logging of predict.py: what it says is not to mix with what it writes
    "report_stream", lambda digits, output: "stderr" if digits is not None and output == "-" else "stdout"
)


def run(main: Callable[[], Any], config_dir: Path, config_name: str) -> None:
    """Calls a function made by `hydra.main`. What is a bug, and not a mistake of the user, keeps its traceback."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises what it would print
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("interrupted")
    except MISTAKES as error:
        sys.exit(f"error: {_explain(error, config_dir, config_name)}")
    except ValueError as error:
        if not str(error).startswith("Only one of --"):
            raise
        sys.exit("error: -m, --cfg, --info and --help answer one at a time; leave out all but one")


class LineHandler(logging.Handler):
    """Writes errors to standard error, and all else to the stream named: to what that is at the moment, so that lines
    pass above a progress bar that stands there. Goes on in silence when nobody reads any more."""

    def __init__(self, stream: str = "stdout") -> None:
        super().__init__()
        self.where = stream

    def emit(self, record: logging.LogRecord) -> None:
        stream: TextIO = getattr(sys, "stderr" if record.levelno >= logging.ERROR else self.where)
        try:
            print(self.format(record), file=stream, flush=True)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@contextmanager
def one_job() -> Iterator[None]:
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
            raise InputError(_reason(error)) from None  # one that can travel between processes
        if not isinstance(error, MISTAKES):
            raise
        first = os.environ.get("LOCAL_RANK", "0") == "0"  # among the processes of a distributed run
        sys.exit(f"error: {_reason(error)}" if first else 1)


def _explain(error: BaseException, config_dir: Path, config_name: str) -> str:
    for cause in _causes(error):
        if isinstance(cause, OverrideParseException):
            quotes = "a space, comma, bracket or = in a value needs quotes within quotes: 'SETTING=\"a value\"'"
            return f"{cause.override}: not of the form SETTING=VALUE; {quotes}"
        if isinstance(cause, MissingConfigException) and cause.options:
            group, _, choice = str(cause.missing_cfg_file).rpartition("/")
            return f"{group}={choice}: no such choice; there are {', '.join(sorted(cause.options))}"
        if isinstance(cause, ConfigKeyError | ConfigAttributeError) and isinstance(error, ConfigCompositionException):
            return _unknown_key(str(cause.full_key), config_dir, config_name)
    return _reason(error)


def _reason(error: BaseException) -> str:
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
