"""One run: from a configuration to a trained network, its scores, and the files of its folder."""

import copy
import gc
import logging
import os
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from digits.data.datamodule import DigitsDataModule
from digits.devices import device_name, keep_freed_memory
from digits.errors import InputError
from digits.evaluation.calibration import calibration_summary, fit_temperature
from digits.evaluation.metrics import Evaluation
from digits.evaluation.mnist_test import describe_subsets, subset_scores
from digits.evaluation.plots import plot_confusion, plot_curves, plot_misclassified
from digits.instantiation import build
from digits.models.networks import build_network
from digits.private_apis import trainer_callbacks
from digits.processes import LostProcessError, end_together, is_disconnected
from digits.runs.checkpoint import read_checkpoint
from digits.runs.fingerprint import fingerprint
from digits.runs.folder import RunFolder, folder_lock
from digits.runs.metrics_file import RunMetrics, write_metrics
from digits.runs.predictions import write_mistakes, write_out_of_fold
from digits.runs.provenance import git_state, versions
from digits.seeding import seed_everything
from digits.settings import TrainSettings
from digits.training.callbacks import AtomicCheckpointIO, CollectEvaluation, EpochHistory
from digits.training.distillation import Teacher
from digits.training.loggers import RunLoggers, logger_errors
from digits.training.module import DigitsModule
from digits.training.resume import prepare_resume, resume_hint, sweep_resume_point
from digits.training.schedules import plateau
from digits.training.trainer import (
    build_trainer,
    is_refused_by_lightning,
    resolved_precision,
    silence_lightning,
)

log = logging.getLogger(__name__)


def train(
    config: Mapping[str, Any],
    folder: Path,
    overrides: Sequence[str] = (),
    choices: Mapping[str, str] | None = None,
    in_sweep: bool = False,
    start_folder: Path = Path(),
) -> float | None:
    """Trains with the resolved configuration of `conf/train.yaml`, evaluates the final weights on the validation and
    test digits, and writes metrics.json, history.csv, checkpoints/ and plots/ into `folder`. Returns the validation
    error, a fraction; None without validation digits. `start_folder` is the folder in which the command was given.

    Raises InputError for an error in the configuration or the data. metrics.json records how the run ended.
    """
    run = RunFolder(folder)
    if config["debug"] is True:
        config = _one_batch_of_everything(config)
    metrics = RunMetrics(
        "failed", config.get("seed"), list(overrides), dict(choices or {}), copy.deepcopy(dict(config))
    )
    loggers = RunLoggers(config, run, start_folder, in_sweep)
    is_rank_zero = rank_zero_only.rank == 0  # type: ignore[attr-defined]
    try:
        with folder_lock(folder, f"another process is training in {folder}") if is_rank_zero else nullcontext():
            if config["debug"] is not True:
                run.require_not_completed()
            elif is_rank_zero:
                run.require_no_other_run()
                run.remove_run()
            if is_rank_zero:
                run.remove_partial_files()
            with _recorded_outcome(run, metrics, loggers, in_sweep), logger_errors():
                _run(run, metrics, loggers, in_sweep)
    finally:
        if in_sweep:  # Lightning's trainer and module refer to each other: free their memory for the next job
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
    return metrics.val["error"] if metrics.val else None


def _one_batch_of_everything(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of debug=true. Lightning's `fast_dev_run` would omit checkpoints and loggers."""
    limits = dict.fromkeys(("limit_train_batches", "limit_val_batches", "limit_test_batches"), 1)
    return {**config, "trainer": {**config["trainer"], "max_epochs": 1, **limits}}


@contextmanager
def _recorded_outcome(run: RunFolder, metrics: RunMetrics, loggers: RunLoggers, in_sweep: bool) -> Iterator[None]:
    """Writes metrics.json, and ends the runs of the loggers, however the training ends."""
    try:
        yield
        metrics.status = "pruned" if metrics.reason else "completed"
    except (KeyboardInterrupt, SystemExit):  # Lightning turns the first into the second
        metrics.status = "interrupted"
        if not in_sweep and rank_zero_only.rank == 0:  # type: ignore[attr-defined]
            log.info(f"interrupted {resume_hint(metrics, run)}")
        raise SystemExit(1) from None
    except LostProcessError as error:
        metrics.reason = f"{error} {resume_hint(metrics, run)}"
        raise InputError(metrics.reason) from None
    except Exception as error:
        metrics.reason = str(error) or type(error).__name__
        traceback.clear_frames(error.__traceback__)  # Hydra keeps the error: it must not keep the model alive
        raise
    finally:
        _write(metrics, run)
        loggers.finish(metrics)


def _run(run: RunFolder, metrics: RunMetrics, loggers: RunLoggers, in_sweep: bool) -> None:
    """Fills `metrics` step by step, so that a run that ends early still records what is known."""
    silence_lightning()
    config = metrics.config
    metrics.precision = resolved_precision(config)
    metrics.fingerprint = fingerprint(config, metrics.precision)
    settings = TrainSettings.from_config(config)
    resume = sweep_resume_point(run, config, metrics.precision) if in_sweep else config["resume"]
    _write(replace(metrics, status="running"), run)  # read by a later resume if this process is killed
    if resume:
        prepare_resume(resume, config, run)

    def end(reason: BaseException) -> NoReturn:
        with _recorded_outcome(run, metrics, loggers, in_sweep):
            raise reason

    loggers.build(resume)
    loggers.start()
    training = Training(run, metrics, loggers.loggers, in_sweep)
    try:
        with (
            end_together(training.trainer.strategy.launcher, end) if training.trainer.world_size > 1 else nullcontext()
        ):
            training.fit(resume)
            if metrics.reason:  # pruned
                log.info(metrics.reason)
                return
            evaluations = training.evaluate()
    finally:
        training.checkpoint_io.flush()
    if training.trainer.is_global_zero:
        _save_plots(training.history.rows, evaluations, run.plots)
        write_mistakes(run, evaluations)
        if metrics.config["data"]["folds"] is not None:
            write_out_of_fold(run, evaluations["val"])
        log.info(_summary(metrics, evaluations, run.path))


class Training:
    """The built objects of a run: data, module, history, Trainer. `fit`, then `evaluate`."""

    def __init__(self, run: RunFolder, metrics: RunMetrics, loggers: Sequence[Logger], in_sweep: bool) -> None:
        config = metrics.config
        keep_freed_memory()
        seed_everything(config["seed"])
        self.run, self.metrics = run, metrics
        self.datamodule: DigitsDataModule = build_datamodule(config)
        self.module = build_module(config)
        self.history = EpochHistory(run.history_path, self.module.scores, has_validation(config))
        self.checkpoint_io = AtomicCheckpointIO(run.checkpoints, config["trainer"]["max_epochs"])
        epoch_callbacks: list[Callback] = [self.history]
        if in_sweep and run.earlier_trials_path.exists():
            from digits.training.pruning import MedianPruning  # imported late: Optuna is an extra

            epoch_callbacks.append(MedianPruning(run.earlier_trials_path, self.history, metrics))
        self.trainer = build_trainer(
            config, str(metrics.precision), run, epoch_callbacks, self.checkpoint_io, loggers, in_sweep
        )
        metrics.model = config["model"]["name"]
        metrics.parameters = sum(parameter.numel() for parameter in self.module.network.parameters())
        metrics.device = device_name(self.trainer.strategy.root_device)
        metrics.precision = self.trainer.precision
        metrics.versions, metrics.git = versions(), git_state()
        metrics.teacher = self.module.teacher_hashes or None

    def fit(self, resume: str | None) -> None:
        """Trains, from the start or from the checkpoint `resume`."""
        self.datamodule.prepare_data()  # before other processes start: an unreadable file must not leave them waiting
        try:
            # absolute: a file could have the name of one of Lightning's keywords, such as last
            path = os.path.abspath(resume) if resume else None
            self.trainer.fit(self.module, self.datamodule, ckpt_path=path, weights_only=True)
        except Exception as error:
            if is_refused_by_lightning(error):
                raise InputError(self._refusal(error)) from error
            other_causes = (InputError, OSError, torch.OutOfMemoryError)
            if resume is None or self.history.started or isinstance(error, other_causes) or is_disconnected(error):
                raise
            raise InputError(f"{resume}: does not hold the state of this run ({error})") from error
        finally:
            rows, metrics = self.history.rows, self.metrics
            metrics.epochs, metrics.seconds["fit"] = self.history.complete_epochs, self.history.fit_seconds
            if rows:
                metrics.checkpoint = "checkpoints/last.ckpt"
                metrics.images_per_second = self.history.images_per_second(self._images_per_epoch)
        self.history.write()

    def _refusal(self, error: Exception) -> str:
        """An error of Lightning or of a callback about the settings, as one line."""
        reason = " ".join(str(error).split()).removesuffix(".")
        if "logger" in reason and not self.trainer.loggers:
            return f"trainer: {reason}; add logger=tensorboard, logger=wandb or logger=mlflow"
        return f"trainer: {reason}"

    @property
    def _images_per_epoch(self) -> int:
        """The number of training digits, or of those in `trainer.limit_train_batches`."""
        total = len(self.datamodule.splits["train"].labels)
        batches = -(-total // self.datamodule.batch_size)
        return round(total * min(1, self.trainer.num_training_batches / batches))

    def evaluate(self) -> dict[str, Evaluation]:
        """Evaluates the weights of the final checkpoint. Adds the temperature to it, and with `precise_bn` the
        statistics of batch normalization. The returned logits are divided by the temperature, as in prediction."""
        if not self.history.rows:
            raise InputError(
                "the training has ended before its first epoch was complete, so that there are no weights to evaluate; "
                "raise trainer.max_steps, trainer.max_time or trainer.limit_train_batches"
            )
        metrics, trainer, pending = self.metrics, self.trainer, self.checkpoint_io.pending
        metrics.checkpoint = f"checkpoints/{metrics.config['weights']}.ckpt"
        path = self.run.path / metrics.checkpoint
        checkpoint = self._final_checkpoint(path) if trainer.is_global_zero else {}
        self.module.load_state_dict(trainer.strategy.broadcast(checkpoint.get("state_dict", {})))
        if metrics.config["precise_bn"]:
            with trainer.precision_plugin.train_step_context():
                self.module.recompute_batch_norm(self.datamodule.splits["train"].images[: self._images_per_epoch])
            if trainer.is_global_zero:
                checkpoint["state_dict"] = copy.deepcopy(self.module.state_dict())
                pending[path] = checkpoint
        evaluations: dict[str, Evaluation] = {}
        for stage in ("val", "test"):
            if stage not in self.datamodule.splits or (stage == "test" and not metrics.config["test"]):
                continue
            started_at = time.perf_counter()
            evaluations[stage] = evaluation = evaluate(trainer, self.module, self.datamodule, stage)
            metrics.seconds[stage] = time.perf_counter() - started_at
            setattr(metrics, stage, evaluation.score.as_dict())
            logits, labels = evaluation.logits, evaluation.labels
            if stage == "test" and self.datamodule.is_mnist:
                scores = subset_scores(evaluation.indices, labels, evaluation.predicted)
                metrics.test_subsets = {name: score.as_dict() for name, score in scores.items()}
            if stage == "val":
                metrics.calibration = {"temperature": fit_temperature(logits, labels)}
                if trainer.is_global_zero:
                    checkpoint["digits"] |= metrics.calibration
                    pending[path] = checkpoint
            if metrics.calibration:
                temperature = metrics.calibration["temperature"]
                metrics.calibration[stage] = calibration_summary(logits, labels, temperature)
                evaluations[stage] = evaluation._replace(logits=logits / temperature)
        return evaluations

    def _final_checkpoint(self, path: Path) -> dict[str, Any]:
        """The content of the final checkpoint, with the weights at the end of the training. A callback may change them
        after the checkpoint of the last epoch, as StochasticWeightAveraging does."""
        pending = self.checkpoint_io.pending
        checkpoint = pending.get(path) or read_checkpoint(path)
        if self.metrics.config["weights"] == "best" or not self.history.ended:
            return checkpoint
        saved, final = checkpoint["state_dict"], self.module.state_dict()
        if saved.keys() == final.keys() and any(not torch.equal(saved[key].cpu(), final[key].cpu()) for key in saved):
            checkpoint["state_dict"] = copy.deepcopy(final)
            pending[path] = checkpoint
        return checkpoint


def build_datamodule(config: Mapping[str, Any]) -> DigitsDataModule:
    """Raises InputError for invalid settings of the data."""
    # A partial: `build` would name the class in front of each error.
    datamodule: DigitsDataModule = build({**config["data"], "_partial_": True}, "data")()
    return datamodule


def build_module(config: Mapping[str, Any]) -> DigitsModule:
    """Raises InputError for schedule=plateau without validation digits."""
    schedule = build(config["schedule"], "schedule")
    if getattr(schedule, "func", None) is plateau:
        if not has_validation(config):
            raise InputError(
                "schedule=plateau needs a validation error, but data.val_size=0 leaves no validation digits"
            )
        if config["trainer"].get("check_val_every_n_epoch", 1) != 1:
            raise InputError("schedule=plateau needs the error of each epoch; omit trainer.check_val_every_n_epoch")
    optimizer = dict(config["optimizer"])
    if config["trainer"].get("gradient_clip_val") and optimizer.get("fused"):
        optimizer["fused"] = False  # Lightning cannot clip gradients inside a fused step
    return DigitsModule(
        build_network(**config["model"]),
        optimizer_factory=build(optimizer, "optimizer"),
        schedule=schedule,
        augment=build(config["augment"], "augment"),
        label_smoothing=config["label_smoothing"],
        teacher=Teacher(config["teacher"], config["teacher_temperature"]) if config["teacher"] else None,
        teacher_weight=config["teacher_weight"],
        non_digits=config["non_digits"],
    )


def evaluate(trainer: Trainer, module: DigitsModule, datamodule: DigitsDataModule, stage: str) -> Evaluation:
    """Runs the network of `module` on all `val` or `test` digits."""
    collect = CollectEvaluation()
    callbacks = trainer_callbacks(trainer)
    callbacks[:] = [one for one in callbacks if not isinstance(one, CollectEvaluation | WeightAveraging)]
    callbacks.append(collect)  # WeightAveraging is removed: it would replace the weights of the module
    run_loop = {"val": trainer.validate, "test": trainer.test}[stage]
    run_loop(module, datamodule=datamodule, verbose=False)
    [batches] = {"val": trainer.num_val_batches, "test": trainer.num_test_batches}[stage]
    return Evaluation(module.scores[stage], *collect.collected, datamodule.evaluated_indices(stage, batches))


@rank_zero_only
def _write(metrics: RunMetrics, run: RunFolder) -> None:
    write_metrics(metrics, run.metrics_path)


def _save_plots(rows: Sequence[Mapping[str, float]], evaluations: Mapping[str, Evaluation], folder: Path) -> None:
    """Plots the training, and the test or, without one, the validation."""
    folder.mkdir(exist_ok=True)
    plot_curves(rows, folder / "curves.png")
    for stage, name in (("test", "test"), ("val", "validation")):
        if stage in evaluations:
            evaluation = evaluations[stage]
            title = f"{evaluation.score.errors:,} mistakes among {evaluation.score.total:,} {name} digits"
            plot_confusion(evaluation.confusion, title, folder / "confusion.png")
            plot_misclassified(evaluation.misclassified, title, folder / "mistakes.png")
            break


def _summary(metrics: RunMetrics, evaluations: Mapping[str, Evaluation], folder: Path) -> str:
    """The table at the end of a run, as plain text."""
    lines = {
        "network": f"{metrics.model}, {metrics.parameters:,} parameters",
        "training": f"{metrics.epochs} epochs in {metrics.seconds['fit']:.1f} s, {metrics.images_per_second:,.0f} "
        f"images/s, {metrics.device}, {metrics.precision}, seed {metrics.seed}",
        **{f"{stage} error": str(evaluation.score) for stage, evaluation in evaluations.items()},
        **({"": describe_subsets(metrics.test_subsets)} if metrics.test_subsets else {}),
        "results": os.path.relpath(folder),
    }
    return "\n".join(f"{name:<12}{line}" for name, line in lines.items())
