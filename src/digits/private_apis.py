"""All uses of private parts of other libraries: underscored or undocumented attributes, and texts of their errors.

Any release of a library can change them. Each has an entry in the table of its library, and a test in
tests/test_private_apis.py, which names the library and the attribute when it fails. Use a public API wherever there is
one, and add the rest here.

Libraries are imported late: `--help` needs none of them.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from hydra.core.config_loader import ConfigLoader
    from hydra.core.override_parser.types import Override
    from hydra.plugins.launcher import Launcher
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import WeightAveraging
    from submitit.core.core import Job
    from submitit.slurm.slurm import SlurmJob
    from torch import Tensor
    from torch.optim.swa_utils import AveragedModel
    from torch.utils.tensorboard import SummaryWriter


class Coupling(NamedTuple):
    """A private part of a library."""

    library: str
    attribute: str
    why: str
    """what breaks without it"""
    checked: str
    """versions of the library"""


# Hydra

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
    remove_limits = (_limit_callbacks(build_callback), _limit_log_classes(check_class), _keep_plugin_settings())

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


def _keep_plugin_settings() -> Callable[[], None]:
    """Makes Hydra build a sweeper or a launcher, plugins that it has found, but no object in their settings."""
    import hydra.utils
    from hydra.core import plugins

    original = plugins.instantiate  # type: ignore[attr-defined]

    def restore() -> None:
        plugins.instantiate = original  # type: ignore[attr-defined]

    plugins.instantiate = partial(hydra.utils.instantiate, _recursive_=False)  # type: ignore[attr-defined]
    return restore


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


# Launchers of sweeps

LAUNCHER_COUPLINGS = (
    Coupling("hydra-joblib-launcher", "JoblibLauncher.joblib", "jobs_per_gpu is no setting of joblib", "1.2.0"),
    Coupling("hydra-submitit-launcher", "SlurmLauncher.params", "a short time limit needs an early signal", "1.2.0"),
    Coupling(
        "joblib",
        "joblib.externals.loky.backend.context.set_start_method",
        "workers are forked from one process that has imported PyTorch",
        "1.6.0",
    ),
    Coupling("submitit", "SlurmExecutor.job_class, slurm.SlurmJob", "the state of a job is read with squeue", "1.5.4"),
    Coupling("submitit", "Job._get_outcome_and_result", "a dead job does not end the sweep", "1.5.4"),
    Coupling("lightning", "WeightAveraging._average_model", "ema= updates the average without waiting", "2.6.6"),
    Coupling(
        "lightning",
        "Trainer._checkpoint_connector",
        "only the checkpoint that resume= names is read, also in Slurm",
        "2.6.6",
    ),
)


def joblib_settings(launcher: "Launcher") -> dict[str, Any]:
    """The arguments of `joblib.Parallel`, to be changed in place.

    The launcher takes them only from its configuration, which Hydra has composed before."""
    settings: dict[str, Any] = launcher.joblib  # type: ignore[attr-defined]
    return settings


def slurm_parameters(launcher: "Launcher") -> dict[str, Any]:
    """The parameters of submitit, to be changed in place.

    The launcher takes them only from its configuration, which Hydra has composed before."""
    parameters: dict[str, Any] = launcher.params  # type: ignore[attr-defined]
    return parameters


def fork_workers_from_server() -> None:
    """Makes joblib fork its workers from the process of `multiprocessing.set_forkserver_preload`.

    joblib contains a copy of loky, and neither has a setting for the start method."""
    from joblib.externals.loky.backend.context import set_start_method  # type: ignore[import-untyped]

    set_start_method("forkserver", force=True)


def use_slurm_jobs(job_class: "type[SlurmJob[Any]]") -> None:
    """Makes submitit submit jobs of this class.

    `submitit.AutoExecutor`, which the launcher calls, has no setting for it. An array of jobs ignores the attribute
    `job_class` of its executor and takes the class of the module."""
    from submitit.slurm import slurm

    slurm.SlurmExecutor.job_class = job_class
    slurm.SlurmJob = job_class  # type: ignore[misc]


def slurm_outcome(task: "Job[Any]") -> tuple[str, Any]:
    """`success` and the result of a task that has written it, or `error` and its traceback.

    The public `Job.exception` returns the traceback inside a text of several lines."""
    outcome: tuple[str, Any] = task._get_outcome_and_result()
    return outcome


# Lightning

LIGHTNING_COUPLINGS = (
    Coupling("lightning", "Trainer._accelerator_connector", "no checkpoint is written at Slurm's warning", "2.6.6"),
    Coupling("lightning", "strategy.launcher.procs", "when one process of a run ends, the others are ended", "2.6.6"),
    Coupling("lightning", "ModelCheckpoint.state_dict", "weights=best resumes only in its own folder", "2.6.6"),
    Coupling("lightning", "texts of warnings", "warnings that do not apply are hidden", "2.6.6"),
    Coupling("torch", "torch._foreach_mul_, _foreach_mul, _foreach_add_", "ema= updates all weights at once", "2.15.0"),
    Coupling("torch", "torch.batch_norm_update_stats", "trainer=ddp computes what one process computes", "2.15.0"),
    Coupling("torch", "the error text gloo", "a lost process is reported in one line", "2.15.0"),
    Coupling(
        "torch", "SummaryWriter.file_writer, hparams", "TensorBoard shows settings, scores and outcomes", "2.15.0"
    ),
)


def average_model(callback: "WeightAveraging") -> "AveragedModel":
    """The averaged module during a training.

    Lightning's public update of it waits for the GPU in each step: it reads the number of updates from the device."""
    model = callback._average_model
    assert model is not None
    return model


def read_only_given_checkpoints(trainer: "Trainer") -> None:
    """Makes `fit`, `validate` and `test` without a path read no file.

    In a Slurm job Lightning reads `hpc_ckpt_*.ckpt` of any run in the root folder of the trainer, and with the callback
    OnExceptionCheckpoint the file of an earlier run. Only a path turns this off. A `fit` of new weights has none."""
    from lightning.pytorch.trainer.connectors.checkpoint_connector import _CheckpointConnector

    class GivenPaths(_CheckpointConnector):
        def _parse_ckpt_path(self, state_fn: Any, ckpt_path: Any, *args: Any, **options: Any) -> Any:
            return None if ckpt_path is None else super()._parse_ckpt_path(state_fn, ckpt_path, *args, **options)

    trainer._checkpoint_connector = GivenPaths(trainer)


def write_no_slurm_checkpoints(trainer: "Trainer") -> None:
    """Gives Slurm's warning signal to this program. Lightning would save `hpc_ckpt_*.ckpt` in the middle of an epoch
    and requeue the job.

    The public setting is an argument of SLURMEnvironment, which also refuses the environments that Lightning would
    detect before it."""
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

    environment = trainer._accelerator_connector.cluster_environment
    if isinstance(environment, SLURMEnvironment):
        environment.auto_requeue = False


def take_started_processes(launcher: Any) -> list["subprocess.Popen[bytes]"]:
    """Removes the processes from the list of the launcher that has started them. Returns them by local rank.

    Lightning has no public list, and kills this process if a process of its list has died."""
    started = []
    while launcher.procs and isinstance(launcher.procs[0], subprocess.Popen):
        started.append(launcher.procs.pop(0))
    return started


def monitored_folders(callback_states: Mapping[str, Any], monitor: str) -> Iterator[str]:
    """The folders of the ModelCheckpoint callbacks of a checkpoint that compare this quantity.

    Lightning documents the entry `callbacks` of a checkpoint, but not the content of a callback's state."""
    for state in callback_states.values():
        if isinstance(state, dict) and state.get("monitor") == monitor:
            yield str(state.get("dirpath"))


SRUN_WARNING = ".*`srun` command is available"  # on a cluster's login node
# Lightning's documentation filters by text too: its categories also contain warnings that apply.
IRRELEVANT_WARNINGS = (
    ".*LeafSpec",  # of PyTorch, about Lightning's code
    "Total length of `list` across ranks is zero",  # no validation digits
    ".*does not have many workers",  # batches are gathered on the device
    ".*sync_dist=True",  # scores are already counted over all processes
    ".*smaller than the logging interval",
    ".*exists and is not empty",  # a resumed run
    ".*dirpath has changed",  # a run resumed in another folder
    SRUN_WARNING,
)


# PyTorch

PYTORCH_COUPLINGS = (
    Coupling("torch", "names in a file of torch.save", "a checkpoint is checked before it is loaded", "2.15.0"),
)


def scale_and_add(totals: list["Tensor"], keep: float, summands: list["Tensor"], weight: float) -> None:
    """Sets each total to `keep` × total + `weight` × summand. On a GPU all tensors share a few kernels.

    The public functions take one tensor, or a list in an optimizer. `get_ema_multi_avg_fn` rounds differently."""
    import torch

    torch._foreach_mul_(totals, keep)
    torch._foreach_add_(totals, torch._foreach_mul(summands, weight))


def batch_statistics(features: "Tensor") -> tuple["Tensor", "Tensor"]:
    """The mean and the biased variance of each channel of [N, C, …], in float32 or float64, without a gradient.

    PyTorch's batch normalization uses this function on a CPU. `torch.var_mean` rounds differently, and takes 3 to 40
    times as long."""
    import torch

    precise = torch.promote_types(features.dtype, torch.float32)
    unused = torch.zeros(features.shape[1], dtype=precise, device=features.device)
    mean, var = torch.batch_norm_update_stats(features.detach(), unused, unused, 0.0)
    return mean, var


def is_gloo_error(error: BaseException) -> bool:
    """Whether a collective operation on CPUs failed. NCCL raises a class of its own, Gloo only RuntimeError. Its text
    begins with the path of the file in Gloo's source."""
    return isinstance(error, RuntimeError) and "gloo" in str(error)


def write_hparams(writer: "SummaryWriter", settings: Mapping[str, Any], metrics: Sequence[str]) -> None:
    """Writes the settings of a run for TensorBoard's page HPARAMS, and the names of the scalars in `metrics`, whose
    last value it shows.

    The public `add_hparams` needs the values at the start, and adds a run for each call."""
    from torch.utils.tensorboard.summary import hparams

    plain = {}
    for key, value in settings.items():
        plain[key] = value if isinstance(value, int | float | str) else str(value)
    experiment, start, _ = hparams(plain, dict.fromkeys(metrics, 0.0))
    assert writer.file_writer is not None
    writer.file_writer.add_summary(experiment)
    writer.file_writer.add_summary(start)


def write_session_end(folder: str, suffix: str, status: str, reason: str | None) -> None:
    """Writes the outcome of a run for TensorBoard's page HPARAMS, and as text, into an event file of its own.

    `add_hparams` of PyTorch always writes a success. TensorBoard's own function for it needs TensorFlow."""
    from tensorboard.plugins.hparams.api_pb2 import Status
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
    from torch.utils.tensorboard import SummaryWriter
    from torch.utils.tensorboard.summary import hparams

    *_, end = hparams({}, {})
    plugin_data = end.value[0].metadata.plugin_data
    content = HParamsPluginData.FromString(plugin_data.content)
    outcome = "STATUS_SUCCESS" if status in ("completed", "pruned") else "STATUS_FAILURE"
    content.session_end_info.status = Status.Value(outcome)
    plugin_data.content = content.SerializeToString()
    with SummaryWriter(folder, filename_suffix=suffix) as writer:
        writer.file_writer.add_summary(end)
        writer.add_text("outcome", f"{status}: {reason}" if reason else status)


# The functions and classes that torch.load with weights_only=True needs for numbers and tensors.
# PyTorch does not document the content of a file.
TORCH_SAVE_GLOBALS = re.compile(
    r"torch (\w+Storage|Size|device|b?float\w*|u?int\d+|bool|complex\d+)"
    r"|torch\._utils _rebuild_(tensor_v2|parameter)|collections (OrderedDict|Counter|defaultdict)"
)

COUPLINGS = (*HYDRA_COUPLINGS, *LAUNCHER_COUPLINGS, *LIGHTNING_COUPLINGS, *PYTORCH_COUPLINGS)
