"""The job that Hydra runs, as plain values, and the resolvers of `conf/`.

This module changes nothing of Hydra when it is imported: Hydra imports the sweepers, and with them this module, in
every program of the same Python environment."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from digits.cli.help import default_choices, top_level_settings
from digits.cli.hydra_versions import register_resolver
from digits.cli.messages import unknown_setting_message
from digits.errors import InputError
from digits.installation import require_training
from digits.runs.choose_folder import resolve_run_folder
from digits.runs.job import TrainingJob

# An OSError names its file: a folder without write permission, a full disk. So does an error of YAML.
USER_ERRORS = (InputError, HydraException, OmegaConfBaseException, yaml.YAMLError, OSError)


def hydra_job(config: DictConfig) -> TrainingJob:
    """The job that Hydra runs at the moment, as plain values.

    Raises InputError for a setting that does not exist, and an OmegaConf error if an interpolation cannot be
    resolved."""
    hydra = HydraConfig.get()
    choices = {}
    for group, choice in hydra.runtime.choices.items():
        if "/" not in group:  # not a group of Hydra itself
            choices[str(group)] = str(choice)
    overrides = list(hydra.overrides.task)
    resolved = resolve_training_config(config, hydra, overrides)
    model = resolved.get("model")
    has_network = isinstance(model, dict) and "name" in model  # TrainSettings refuses others
    if resolved.get("init") is not None and has_network:
        choices["model"] = resolved["model"]["name"]
    return TrainingJob(
        config=resolved,
        folder=Path(hydra.runtime.output_dir),
        overrides=overrides,
        choices=choices,
        in_sweep=hydra.mode == RunMode.MULTIRUN,
        start_folder=Path(hydra.runtime.cwd),
    )


def resolve_training_config(config: DictConfig, hydra: Any, overrides: Sequence[str]) -> dict[str, Any]:
    """As `resolve_config`. With `init=`, takes the network of the checkpoint, unless the user chooses one.

    Raises InputError also for a checkpoint that cannot be read."""
    resolved = resolve_config(config, hydra)
    default = default_choices(_config_folders(hydra), hydra.job.config_name).get("model")
    init = resolved.get("init")
    if isinstance(init, str) and not is_model_given(resolved.get("model"), default, overrides):
        from digits.runs.initial_weights import initial_model  # imported late: needs torch

        resolved["model"] = initial_model(init)
    return resolved


def resolve_config(config: DictConfig, hydra: Any) -> dict[str, Any]:
    """A composed configuration as plain values.

    Raises InputError for a setting that `+name=…` or an experiment adds to the top level, where nothing reads it."""
    resolved: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    known = top_level_settings(_config_folders(hydra), hydra.job.config_name)
    for key in resolved:
        if key not in known:
            raise InputError(unknown_setting_message(key, known, hydra.job.config_name))
    return resolved


def _config_folders(hydra: Any) -> list[Path]:
    return [Path(source.path) for source in hydra.runtime.config_sources if source.schema == "file"]


def is_model_given(model: Any, default: str | None, overrides: Sequence[str]) -> bool:
    """Whether the command line or an experiment sets the network. `model` is composed, `default` the default choice."""
    if model != {"name": default}:
        return True
    return any(override.lstrip("+~").startswith(("model=", "model.")) for override in overrides)


def _run_folder(
    name: object, resume: str | None, debug: bool = False, find: str | None = None, *, _root_: DictConfig
) -> str:
    require_training()
    require_name(_root_, "name")
    return resolve_run_folder(str(name), resume, debug, find)


def _console_level(mode: RunMode) -> str:
    return "CRITICAL" if mode == RunMode.MULTIRUN else "INFO"


def _console_stream(digits: object, output: str) -> str:
    return "stderr" if digits and output == "-" else "stdout"


def require_name(config: DictConfig, setting: str) -> None:
    """Raises InputError if a name is a number, or nothing. YAML reads 2026_11_30 without quotes as 20261130."""
    value = config[setting]
    is_number = not isinstance(value, str) and not OmegaConf.is_interpolation(config, setting)
    if is_number or str(value).strip("./ ") == "":
        shown = "null" if value is None else value
        raise InputError(
            f"{setting}={shown}: must be the name of a folder in outputs/; a file of settings needs quotes around "
            f'a number or a date, {setting}: "2026_11_30"'
        )


def pick(key: object, values: Mapping[object, object]) -> object:
    """The resolver `${pick:KEY,{KEY1:VALUE1,…}}` of studies in which one setting depends on another.

    Raises InputError if the key has no value."""
    if key not in values:
        known = ", ".join(map(str, values))
        raise InputError(
            f"{key} is not one of {known}, for which this study has a value; set the dependent setting too"
        )
    return values[key]


def register_resolvers() -> None:
    """Registers the resolvers of `conf/`."""
    resolvers: dict[str, Callable[..., Any]] = {
        "pick": pick,
        # hydra.run.dir: checked before Hydra writes into the folder.
        "run_folder": _run_folder,
        # Logging of training: the jobs of a sweep are silent, the sweep logs its progress.
        "console_level": _console_level,
        # Logging of prediction: to stderr when the predictions go to stdout.
        "console_stream": _console_stream,
    }
    for name, resolver in resolvers.items():
        register_resolver(name, resolver)
