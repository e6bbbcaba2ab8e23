"""One run: from a configuration to a trained network, its scores, and everything that its folder holds."""

import gc
import logging
import shutil
import time
import traceback
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.types import RunMode
from hydra.utils import instantiate
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar, WeightAveraging
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from rich import get_console
from torch import Tensor

from digits.config import validate_train
from digits.data.datamodule import DigitsDataModule
from digits.devices import default_precision, device_name, keep_freed_memory
from digits.errors import InputError
from digits.evaluation.calibration import calibration, fit_temperature
from digits.evaluation.plots import plot_confusion, plot_curves, plot_mistakes
from digits.files import write_json
from digits.models.networks import build_network
from digits.runs import provenance
from digits.runs.checkpoint import add_to_checkpoint, read_checkpoint
from digits.runs.fingerprint import fingerprint
from digits.runs.folder import folder_lock, require_not_completed, resumable_checkpoint
from digits.seeding import seed_everything
from digits.training.callbacks import EpochHistory, ReseedEachEpoch
from digits.training.module import DigitsModule
from digits.training.resume import AtomicCheckpointIO, SaveConfig, log_resume_hint, prepare_resume

log = logging.getLogger(__name__)


def train(config: DictConfig, folder: Path, overrides: Sequence[str] = ()) -> float | None:
    """Trains as the composed `conf/train.yaml` says, validates and tests the final weights, and leaves in `folder`
    metrics.json, history.csv, checkpoints/ and plots/. Returns the validation error, a fraction; None if nothing
    is held out for validation.

    Raises InputError for a mistake in the configuration or the data. However a run ends, metrics.json says how.
    """
    first = rank_zero_only.rank == 0  # type: ignore[attr-defined]
    try:
        with folder_lock(folder, f"another process is training in {folder}") if first else nullcontext():
            return _train(config, folder, overrides)
    finally:
        if in_sweep():  # Lightning's trainer and module refer to each other: the next job is to find their memory free
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()


def _train(config: DictConfig, folder: Path, overrides: Sequence[str]) -> float | None:
    require_not_completed(str(folder))
    metrics: dict[str, Any] = {"status": "failed", "seed": config.seed, "overrides": list(overrides)}
    try:
        _run(config, folder, metrics)
        metrics["status"] = "completed"
    except (KeyboardInterrupt, SystemExit):  # Lightning turns the first into the second
        metrics["status"] = "interrupted"
        if not in_sweep():
            log_resume_hint(metrics, folder)
        raise SystemExit(1) from None  # a SIGTERM too is no success
    except Exception as error:
        metrics["reason"] = str(error) or type(error).__name__
        traceback.clear_frames(error.__traceback__)  # a sweep keeps the error: it must not keep the model with it
        raise
    finally:
        _write(metrics, folder)
    return metrics["val"]["error"] if "val" in metrics else None


def _half_done(folder: Path, settings: dict[str, Any]) -> Path | None:
    """Where a job of a sweep goes on, whoever started it again: the same command, or a cluster's queue. None if it
    begins anew, and then without leftovers."""
    if last := resumable_checkpoint(folder, settings):
        try:
            read_checkpoint(last)
            return last
        except InputError as error:
            log.warning(f"{error}; the job begins anew")
    if rank_zero_only.rank == 0:  # type: ignore[attr-defined]
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return None


def in_sweep() -> bool:
    """Whether this run is one of the jobs of a sweep."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


@rank_zero_only
def _write(metrics: dict[str, Any], folder: Path) -> None:
    write_json(metrics, folder / "metrics.json")


def _choices() -> dict[str, str]:
    """What was chosen in each group of the configuration; nothing where it was not composed by an entry point."""
    if not HydraConfig.initialized():
        return {}
    return {str(group): str(choice) for group, choice in HydraConfig.get().runtime.choices.items() if "/" not in group}


def _run(config: DictConfig, folder: Path, metrics: dict[str, Any]) -> None:
    """The run itself. Fills `metrics` as it goes, so that a run that ends early tells what it knew."""
    _silence_lightning()
    if config.trainer.get("gradient_clip_val") and config.optimizer.get("fused"):
        config.optimizer.fused = False  # Lightning clips between the backward pass and a step that is not fused
    settings: dict[str, Any] = OmegaConf.to_container(config, resolve=True)  # type: ignore[assignment]
    metrics |= {"choices": _choices(), "config": settings, "fingerprint": fingerprint(settings)}
    validate_train(config)
    if in_sweep():
        config.resume = _half_done(folder, settings)
    _write({**metrics, "status": "running"}, folder)  # a sweep that is killed knows by this what it finds
    if config.resume:
        prepare_resume(config, settings, folder)

    keep_freed_memory()
    seed_everything(config.seed)
    datamodule: DigitsDataModule = instantiate(config.data, _partial_=True)()  # called here: Hydra wraps what it raises
    module = DigitsModule(
        build_network(**config.model),
        optimizer=instantiate(config.optimizer, _convert_="all"),
        schedule=instantiate(config.schedule),
        augment=instantiate(config.augment, _convert_="all"),
        label_smoothing=config.label_smoothing,
    )
    history = EpochHistory(folder / "history.csv", module.scores)
    checkpoints = [_checkpoints(folder, weights) for weights in sorted({"last", config.weights})]
    ema = [WeightAveraging(avg_fn=partial(ema_update, config.ema))] if config.ema else []
    callbacks = [ReseedEachEpoch(config.seed), SaveConfig(settings), *ema, history, *checkpoints]
    trainer = _trainer(config, callbacks, folder)
    metrics |= {
        "model": config.model.name,
        "parameters": sum(parameter.numel() for parameter in module.network.parameters()),
        "device": device_name(trainer.strategy.root_device),
        "precision": trainer.precision,
        "versions": provenance.versions(),
        "git": provenance.git_state(),
    }
    for logger in trainer.loggers:
        logger.log_hyperparams(settings)

    datamodule.prepare_data()  # before other processes are launched: a bad file must not leave them waiting
    try:
        trainer.fit(module, datamodule, ckpt_path=config.resume, weights_only=True)
    finally:
        metrics |= {"epochs": len(history.rows), "seconds": {"fit": history.fit_seconds}}
        if history.rows:
            metrics["checkpoint"] = "checkpoints/last.ckpt"
            metrics["images_per_second"] = history.images_per_second(len(datamodule.digits["train"].labels))
    history.write()
    for callback in ema:  # it would put the weights that it averages back into the module
        trainer.callbacks.remove(callback)  # type: ignore[attr-defined]
    metrics["checkpoint"] = f"checkpoints/{config.weights}.ckpt"
    kept = read_checkpoint(folder / metrics["checkpoint"])
    module.load_state_dict(kept["state_dict"])  # what is scored is what is kept

    temperature: float | None = None
    for stage, evaluate in (("val", trainer.validate), ("test", trainer.test)):
        if stage in datamodule.digits:
            began = time.perf_counter()
            evaluate(module, datamodule=datamodule, verbose=False)
            metrics["seconds"][stage] = time.perf_counter() - began
            metrics[stage] = module.scores[stage].as_dict()
            if stage == "val":
                temperature = fit_temperature(module.logits, module.labels)
                metrics["calibration"] = {"temperature": temperature}
            if temperature is not None:
                metrics["calibration"][stage] = calibration(module.logits, module.labels, temperature)
    if temperature is not None and trainer.is_global_zero:
        add_to_checkpoint(folder / metrics["checkpoint"], temperature=temperature)
    _draw(module, history, folder / "plots")
    if trainer.is_global_zero:
        log.info(provenance.summary(metrics, module.scores, folder))


def ema_update(decay: float, average: Tensor, current: Tensor, count: Tensor | int) -> Tensor:
    """The next exponential moving average after `count` updates. Its decay grows to the one asked for, so that a short
    training is not averaged with its initial weights."""
    keep = min(decay, (1 + float(count)) / (10 + float(count)))
    return average * keep + current * (1 - keep)


def _trainer(config: DictConfig, callbacks: list[Callback], folder: Path) -> Trainer:
    """Raises InputError for what Lightning refuses, and for several processes inside a sweep, which would hang."""
    on_terminal = get_console().is_terminal
    precision = config.trainer.precision
    try:
        trainer: Trainer = instantiate(
            config.trainer,
            _convert_="all",
            precision=default_precision(config.trainer.accelerator) if precision == "auto" else precision,
            callbacks=instantiate(config.trainer.callbacks)
            + callbacks
            + ([ProgressBar(refresh_rate=10)] if on_terminal else []),
            logger=_logger(config, folder),
            plugins=[AtomicCheckpointIO()],
            enable_progress_bar=on_terminal,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,  # `EvenBatches` shares the images out
        )
    except InstantiationException as error:
        if isinstance(error.__cause__, MisconfigurationException | ValueError | TypeError):
            reason = " ".join(str(error.__cause__).split())
            raise InputError(f"trainer: {reason} (trainer=auto takes what this machine has)") from error
        raise
    if trainer.world_size > 1 and in_sweep():
        raise InputError("trainer=ddp cannot be part of a sweep (-m); run it alone, or give each job one device")
    return trainer


class ProgressBar(RichProgressBar):
    """Counts epochs from 1, as all else does."""

    def _get_train_description(self, current_epoch: int) -> str:
        return f"Epoch {current_epoch + 1}/{self.trainer.max_epochs}"


def _logger(config: DictConfig, folder: Path) -> Logger | bool:
    if config.logger is None:
        return False
    try:
        logger: Logger = instantiate(config.logger, save_dir=str(folder))
    except InstantiationException as error:
        if isinstance(error.__cause__, ModuleNotFoundError):
            reason = " ".join(str(error.__cause__).split())
            raise InputError(f"logger: {reason} (or pip install -e '.[tensorboard,wandb,mlflow]')") from error
        raise
    return logger


def _checkpoints(folder: Path, weights: str) -> ModelCheckpoint:
    return ModelCheckpoint(
        folder / "checkpoints",
        filename=weights,
        monitor="val/error" if weights == "best" else None,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )


@rank_zero_only
def _draw(module: DigitsModule, history: EpochHistory, folder: Path) -> None:
    """The pictures of the training, and of the test or, where there is none, of the validation."""
    folder.mkdir(exist_ok=True)
    plot_curves(history.rows, folder / "curves.png")
    for stage, name in (("test", "test"), ("val", "validation")):
        if stage in module.scores:
            score = module.scores[stage]
            title = f"{score.errors:,} mistakes among {score.total:,} {name} digits"
            plot_confusion(module.confusion, title, folder / "confusion.png")
            plot_mistakes(module.mistakes, title, folder / "mistakes.png")
            break


def _silence_lightning() -> None:
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*LeafSpec",  # Lightning's own
        "Total length of `list` across ranks is zero",  # nothing held out for validation
        ".*does not have many workers",  # batches are made on the device
        ".*sync_dist=True",  # scores are counted over all processes already
        ".*smaller than the logging interval",
        ".*exists and is not empty",  # a resumed run
        ".*dirpath has changed",  # the same, into another folder
    ):
        warnings.filterwarnings("ignore", message)
