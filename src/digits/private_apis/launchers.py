"""Private parts of the launchers of sweeps: Hydra's plugins, joblib and submitit."""

from typing import TYPE_CHECKING, Any

from digits.private_apis.coupling import Coupling

if TYPE_CHECKING:
    from hydra.plugins.launcher import Launcher
    from submitit.core.core import Job
    from submitit.slurm.slurm import SlurmJob

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
