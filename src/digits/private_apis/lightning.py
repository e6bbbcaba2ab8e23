"""Private parts of Lightning."""

import subprocess
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from digits.private_apis.coupling import Coupling

if TYPE_CHECKING:
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import WeightAveraging
    from torch.optim.swa_utils import AveragedModel

LIGHTNING_COUPLINGS = (
    Coupling("lightning", "WeightAveraging._average_model", "ema= updates the average without waiting", "2.6.6"),
    Coupling(
        "lightning",
        "Trainer._checkpoint_connector",
        "only the checkpoint that resume= names is read, also in Slurm",
        "2.6.6",
    ),
    Coupling("lightning", "Trainer._accelerator_connector", "no checkpoint is written at Slurm's warning", "2.6.6"),
    Coupling("lightning", "strategy.launcher.procs", "when one process of a run ends, the others are ended", "2.6.6"),
    Coupling("lightning", "ModelCheckpoint.state_dict", "weights=best resumes only in its own folder", "2.6.6"),
    Coupling("lightning", "texts of warnings", "warnings that do not apply are hidden", "2.6.6"),
)


def average_model(callback: "WeightAveraging") -> "AveragedModel":
    """The averaged module during a training.

    Lightning's public update of it waits for the GPU in each step: it reads the number of updates from the device."""
    model = callback._average_model
    assert model is not None
    return model


def ignore_unnamed_checkpoints(trainer: "Trainer") -> None:
    """Makes `fit`, `validate` and `test` without a path read no file.

    In a Slurm job Lightning reads `hpc_ckpt_*.ckpt` of any run in the root folder of the trainer, and with the callback
    OnExceptionCheckpoint the file of an earlier run. Only a path turns this off. A `fit` of new weights has none."""
    from lightning.pytorch.trainer.connectors.checkpoint_connector import _CheckpointConnector

    class GivenPaths(_CheckpointConnector):
        def _parse_ckpt_path(self, state_fn: Any, ckpt_path: Any, *args: Any, **options: Any) -> Any:
            return None if ckpt_path is None else super()._parse_ckpt_path(state_fn, ckpt_path, *args, **options)

    trainer._checkpoint_connector = GivenPaths(trainer)


def disable_slurm_requeue(trainer: "Trainer") -> None:
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
    ".*in eval mode at the start of training",  # freeze= keeps the statistics of batch normalization
    SRUN_WARNING,
)
