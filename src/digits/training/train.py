"""One run: from a job to a trained network, its scores, and the files of its folder."""

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import torch
from lightning.pytorch import Trainer

from digits.errors import InputError
from digits.processes import end_together, is_rank_zero
from digits.runs.fingerprint import fingerprint
from digits.runs.job import TrainingJob
from digits.runs.metrics_file import RunMetrics
from digits.runs.recorded_run import RecordedRun
from digits.settings import TrainSettings
from digits.training.final_evaluation import finish_training
from digits.training.fit import Training
from digits.training.loggers import RunLoggers, logger_errors
from digits.training.report import summary, write_report
from digits.training.resume import find_resume_point
from digits.training.trainer import resolved_precision, silence_lightning

log = logging.getLogger(__name__)


def train(job: TrainingJob) -> float | None:
    """Trains, evaluates the final weights on the validation and test digits, and writes metrics.json, history.csv,
    checkpoints/ and plots/ into the folder of the job. Returns the validation error, a fraction; None without
    validation digits and for a pruned run.

    Raises InputError for an error in the settings or the data. metrics.json records how the run ended.
    """
    run = RecordedRun(job)
    try:
        with run.locked():
            earlier = run.prepare_folder()
            loggers = RunLoggers(run.folder, job)
            with _recorded(run, loggers):
                _train(run, loggers, earlier)
    finally:
        if job.in_sweep:
            _free_memory()
    return run.metrics.val["error"] if run.metrics.val else None


def _train(run: RecordedRun, loggers: RunLoggers, earlier: RunMetrics | None) -> None:
    """`earlier` is the metrics.json of an earlier attempt."""
    silence_lightning()
    settings = TrainSettings.from_config(run.job.config)
    metrics = run.metrics
    metrics.config = dict(settings.config)
    metrics.precision = resolved_precision(settings.trainer)
    metrics.fingerprint = fingerprint(settings.config, metrics.precision)
    resume = find_resume_point(run, settings, earlier)
    run.save_as_running()
    loggers.build(settings, resume.path if resume else None)
    loggers.start()
    training = Training(settings, run, loggers.loggers, resume)
    with _ending_together(training.trainer, run, loggers):
        training.fit()
        if metrics.reason is not None:  # pruned
            log.info(metrics.reason)
            return
        evaluations = finish_training(training, loggers)
    if is_rank_zero():
        is_fold = settings.data.folds is not None
        write_report(run.folder, training.history.rows, evaluations, is_fold)
        log.info(summary(metrics, evaluations, run.folder.path))


@contextmanager
def _recorded(run: RecordedRun, loggers: RunLoggers) -> Iterator[None]:
    """Writes metrics.json, and then ends the runs of the loggers, however the block ends."""
    try:
        with run.outcome(), logger_errors():
            yield
    finally:
        loggers.finish(run.metrics)


@contextmanager
def _ending_together(trainer: Trainer, run: RecordedRun, loggers: RunLoggers) -> Iterator[None]:
    """Of a run on several devices: when one process ends, the others are ended too.

    Raises InputError for several devices in a sweep, which would hang."""
    if trainer.world_size == 1:
        yield
        return
    if run.job.in_sweep:
        raise InputError("trainer=ddp cannot be part of a sweep (-m); run it alone, or give each job one device")

    def end(reason: BaseException) -> NoReturn:
        """While the main thread is blocked."""
        with _recorded(run, loggers):
            raise reason

    with end_together(trainer.strategy.launcher, end):
        yield


def _free_memory() -> None:
    """Frees the memory of a run for the next job: Lightning's trainer and module refer to each other."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
