"""Builds the data module and the module of a run from its settings."""

from functools import partial

from digits.data.datamodule import DigitsDataModule
from digits.errors import InputError
from digits.instantiation import build
from digits.models.networks import build_network
from digits.runs.initial_weights import load_initial_weights
from digits.runs.onnx_model import predict_with_bundled
from digits.settings import TrainSettings
from digits.training.distillation import Teacher
from digits.training.loss import TrainingLoss
from digits.training.module import DigitsModule, OptimizerFactory, Schedule
from digits.training.schedules import plateau


def build_datamodule(settings: TrainSettings) -> DigitsDataModule:
    """Raises InputError for invalid settings of the data."""
    # A partial: `build` would name the class in front of each error.
    build_data = build({**settings.data.component, "_partial_": True}, "data")
    datamodule: DigitsDataModule = build_data(judge=predict_with_bundled)
    return datamodule


def build_module(settings: TrainSettings) -> DigitsModule:
    """Raises InputError for invalid settings of the network, the optimizer, the schedule and the augmentation."""
    schedule = _build_schedule(settings)
    module = DigitsModule(
        build_network(**settings.model),
        optimizer_factory=_build_optimizer(settings),
        schedule=schedule,
        augment=build(settings.augment, "augment"),
        loss=_build_loss(settings),
        non_digits=settings.non_digits,
    )
    if settings.init is not None:
        module.initial = load_initial_weights(settings.init, module.network, settings.model)
    if settings.freeze is not None:
        module.freeze_layers(settings.freeze)
    return module


def _build_schedule(settings: TrainSettings) -> Schedule | None:
    """Raises InputError for schedule=plateau without the validation error of each epoch."""
    schedule: Schedule | None = build(settings.schedule, "schedule")
    if isinstance(schedule, partial) and schedule.func is plateau:
        if not settings.data.has_validation:
            raise InputError(
                "schedule=plateau needs a validation error, but data.val_size=0 leaves no validation digits"
            )
        if settings.trainer.check_val_every_n_epoch != 1:
            raise InputError("schedule=plateau needs the error of each epoch; omit trainer.check_val_every_n_epoch")
    return schedule


def _build_optimizer(settings: TrainSettings) -> OptimizerFactory:
    optimizer = dict(settings.optimizer)
    if settings.trainer.gradient_clip_val and optimizer.get("fused"):
        optimizer["fused"] = False  # Lightning cannot clip gradients inside a fused step
    factory: OptimizerFactory = build(optimizer, "optimizer")
    return factory


def _build_loss(settings: TrainSettings) -> TrainingLoss:
    teacher = None
    if settings.teacher is not None:
        teacher = Teacher(settings.teacher, settings.teacher_temperature)
    return TrainingLoss(settings.label_smoothing, teacher, settings.teacher_weight)
