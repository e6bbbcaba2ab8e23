"""The settings of a training and of a prediction: typed, and checked where they are built.

`conf/` composes and explains them. Below the entry points no other module reads a configuration by its keys."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from math import inf
from typing import Any, TypeAlias, TypeVar

from digits.errors import InputError
from digits.settings_checks import (
    QUOTED,
    Paths,
    as_yaml,
    is_integer,
    is_number,
    is_paths,
    require,
    require_bool,
    require_choice,
    require_count,
    require_file_type,
    require_fraction,
    require_no_missing_value,
    require_path,
    require_positive,
    require_seed,
    require_transform,
)

Component: TypeAlias = Mapping[str, Any]
"""The settings of one group: `_target_` and its arguments, for `digits.instantiation.build`."""
S = TypeVar("S")

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")
EXPORT_DTYPES = ("float32", "int8")
PREDICT_TRAINER_SETTINGS = ("_target_", "accelerator", "devices", "num_nodes", "precision", "strategy")


@dataclass(frozen=True)
class DataSettings:
    """The group `data`. `component` is the whole group, from which the DataModule is built."""

    component: Component
    batch_size: int
    val_size: float
    """a count, or a fraction below 1"""
    split_seed: int
    folds: int | None
    fold: int
    root: str | None = None
    train_csv: str | None = None
    test_csv: str | None = None
    train: str | None = None
    test: str | None = None
    transform: str | None = None
    as_is: bool = False
    rehearsal: float = 0.0

    def __post_init__(self) -> None:
        require_count("data.batch_size", self.batch_size)
        is_size = is_number(self.val_size) and 0 <= self.val_size < inf
        require(is_size, "data.val_size", self.val_size, "a count (500) or a fraction (0.1)")
        require(is_integer(self.split_seed), "data.split_seed", self.split_seed, "an integer")
        require(self.folds is None or is_integer(self.folds), "data.folds", self.folds, "null, or an integer")
        require(is_integer(self.fold), "data.fold", self.fold, "an integer")
        require_path("data.root", self.root)
        require_path("data.train_csv", self.train_csv)
        require_path("data.test_csv", self.test_csv)
        require_path("data.train", self.train)
        require_path("data.test", self.test)
        require_transform("data.transform", self.transform)
        require_bool("data.as_is", self.as_is)
        require_fraction("data.rehearsal", self.rehearsal, 100)

    @property
    def has_validation(self) -> bool:
        """Whether some training digits are held out for validation."""
        return self.val_size > 0 or self.folds is not None


@dataclass(frozen=True)
class TrainerSettings:
    """The group `trainer`. `component` is the whole group, from which Lightning's Trainer is built."""

    component: Component
    precision: str
    max_epochs: int
    accelerator: str = "auto"
    strategy: str = "auto"
    default_root_dir: str | None = None
    callbacks: Any = field(default_factory=list)
    check_val_every_n_epoch: int | None = 1
    fast_dev_run: int | bool = False
    gradient_clip_val: float | None = None

    def __post_init__(self) -> None:
        require_choice("trainer.precision", self.precision, PRECISIONS)
        require_count("trainer.max_epochs", self.max_epochs)
        if self.fast_dev_run:
            raise InputError(
                f"trainer.fast_dev_run={as_yaml(self.fast_dev_run)}: writes no checkpoint, which a run needs; "
                "debug=true trains and evaluates one batch of everything"
            )

    @property
    def validates_no_epoch(self) -> bool:
        """Whether the training ends before its first validation."""
        every = self.check_val_every_n_epoch
        return every is not None and is_integer(every) and every > self.max_epochs


@dataclass(frozen=True)
class TrainSettings:
    """The settings of `train.py`. `config` is the resolved configuration that they come from, as it is recorded.

    Raises InputError that names the first setting that is missing or invalid."""

    config: Mapping[str, Any]
    seed: int
    label_smoothing: float
    ema: float | None
    weights: str
    explain: str | None
    find: str | None
    precise_bn: bool
    test: bool
    debug: bool
    teacher: Paths | None
    teacher_temperature: float
    teacher_weight: float
    non_digits: float
    init: str | None
    freeze: int | None
    resume: str | None
    name: str
    study: str
    data: DataSettings
    trainer: TrainerSettings
    model: Component
    optimizer: Component
    schedule: Component | None
    augment: Component | None
    logger: Any

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "TrainSettings":
        """Takes the resolved configuration of `conf/train.yaml`. With debug=true it is limited to one batch of
        everything."""
        require_no_missing_value(config)
        for group in ("data", "trainer", "model", "optimizer"):
            settings = config.get(group)
            require(isinstance(settings, Mapping), group, settings, f"one of the choices in conf/{group}")
        if config.get("debug") is True:
            config = one_batch_of_everything(config)
        data = read_settings(DataSettings, config["data"], component=config["data"])
        trainer = read_settings(TrainerSettings, config["trainer"], component=config["trainer"])
        return read_settings(cls, config, config=config, data=data, trainer=trainer)

    @property
    def model_name(self) -> str:
        return str(self.model["name"])

    @property
    def learning_rate(self) -> float | None:
        """The rate that the optimizer is configured with; None for its own default."""
        return self.optimizer.get("lr")

    def __post_init__(self) -> None:
        self._check_values()
        self._check_combinations()

    def _check_values(self) -> None:
        require_seed(self.seed)
        is_smoothing = is_number(self.label_smoothing) and 0 <= self.label_smoothing < 1
        require(is_smoothing, "label_smoothing", self.label_smoothing, "a number from 0 to below 1")
        is_decay = self.ema is None or (is_number(self.ema) and 0 < self.ema < 1)
        require(is_decay, "ema", self.ema, "null, or a decay between 0 and 1")
        require_choice("weights", self.weights, ("last", "best"))
        require(self.explain is None, "explain", self.explain, "given on the command line, as explain=optimizer.lr")
        require(self.find in (None, "lr"), "find", self.find, "null or lr")
        require_bool("precise_bn", self.precise_bn)
        require_bool("test", self.test)
        require_bool("debug", self.debug)
        is_teacher = self.teacher is None or is_paths(self.teacher)
        require(is_teacher, "teacher", self.teacher, f"null, a path, or a list of paths; {QUOTED}")
        require_positive("teacher_temperature", self.teacher_temperature)
        require_fraction("teacher_weight", self.teacher_weight, 1)
        require_fraction("non_digits", self.non_digits, 0.5)
        if self.learning_rate is not None:
            require_positive("optimizer.lr", self.learning_rate)
        require_path("resume", self.resume)
        require_path("init", self.init)
        is_layer_count = self.freeze is None or (is_integer(self.freeze) and self.freeze >= 0)
        require(is_layer_count, "freeze", self.freeze, "null, or a number of layers, from 0")

    def _check_combinations(self) -> None:
        if self.teacher is None and (self.teacher_temperature, self.teacher_weight) != (1.0, 1.0):
            raise InputError("teacher_temperature and teacher_weight need teacher=…")
        if self.non_digits and not self.precise_bn and self.freeze is None:
            raise InputError(
                f"non_digits={self.non_digits}: needs precise_bn=true, because images without a digit distort the "
                "statistics of batch normalization"
            )
        self._check_start()
        if self.weights == "best":
            self._check_best_weights()
        if self.debug and self.find:
            raise InputError("debug=true and find=lr exclude each other; use only one")
        if self.debug and self.resume is not None:
            raise InputError("debug=true starts with new weights; omit resume=…")
        if self.find and self.resume is not None:
            raise InputError("find=lr starts with new weights; omit resume=…")

    def _check_start(self) -> None:
        if self.freeze is not None and self.init is None:
            raise InputError(f"freeze={self.freeze}: needs init=CHECKPOINT, because random weights must be trained")
        if self.freeze is not None and self.precise_bn:
            raise InputError(f"freeze={self.freeze} keeps the statistics of batch normalization; omit precise_bn=true")

    def _check_best_weights(self) -> None:
        if not self.data.has_validation:
            raise InputError("weights=best needs a validation error, but data.val_size=0 leaves no validation digits")
        if self.trainer.validates_no_epoch:
            every = self.trainer.check_val_every_n_epoch
            raise InputError(
                f"weights=best needs a validation, but trainer.check_val_every_n_epoch={every} validates no epoch"
            )


@dataclass(frozen=True)
class PredictSettings:
    """The settings of `predict.py`.

    Raises InputError that names the first setting that is missing or invalid."""

    checkpoint: Paths
    input: Paths | None
    input_transform: str | None
    several: bool | str
    output: str
    confidence: bool
    probabilities: bool
    preview: str | None
    review: str | None
    export: str | None
    export_dtype: str
    page: str | None
    tta: int
    seed: int
    batch_size: int
    chunk_size: int
    accelerator: str
    precision: str
    devices: int
    num_nodes: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "PredictSettings":
        """Takes the resolved configuration of `conf/predict.yaml`. Of the group `trainer` it reads the device and the
        precision."""
        require_no_missing_value(config)
        trainer = config.get("trainer") or {}
        for setting in sorted(trainer):
            if setting not in PREDICT_TRAINER_SETTINGS:
                raise InputError(f"trainer.{setting}: prediction has no such setting; see --help")
        return read_settings(cls, {**trainer, **config})

    def __post_init__(self) -> None:
        self._check_values()
        if self.input is None and self.export is None and self.page is None:
            raise InputError(
                "nothing to do: give digits, input=…, a model to export, export=…, or a page to write, page=…"
            )
        if self.export is None and self.export_dtype != "float32":
            raise InputError(f"export_dtype={self.export_dtype}: needs export=FILE.onnx")

    def _check_values(self) -> None:
        paths = f"a path, or a list of paths; {QUOTED}"
        require(is_paths(self.checkpoint), "checkpoint", self.checkpoint, paths)
        require(self.input is None or is_paths(self.input), "input", self.input, paths)
        require_transform("input_transform", self.input_transform)
        is_known = isinstance(self.several, bool) or self.several == "all"
        require(is_known, "several", self.several, "true, false or all")
        is_output = isinstance(self.output, str) and self.output != ""
        require(is_output, "output", self.output, f"a path, or - for standard output; {QUOTED}")
        require_bool("confidence", self.confidence)
        require_bool("probabilities", self.probabilities)
        require_file_type("preview", self.preview, ".png")
        require_file_type("review", self.review, ".html")
        require_file_type("export", self.export, ".onnx")
        require_choice("export_dtype", self.export_dtype, EXPORT_DTYPES)
        require_file_type("page", self.page, ".html")
        require(is_integer(self.tta) and 1 <= self.tta <= 1000, "tta", self.tta, "an integer from 1 to 1000")
        require_seed(self.seed)
        require_count("batch_size", self.batch_size)
        require_count("chunk_size", self.chunk_size)
        require_choice("trainer.precision", self.precision, PRECISIONS)
        one_device = "1: prediction uses one device, and CUDA_VISIBLE_DEVICES=N chooses a GPU"
        require(self.devices == 1, "trainer.devices", self.devices, one_device)
        require(self.num_nodes == 1, "trainer.num_nodes", self.num_nodes, "1: prediction uses one device")


def one_batch_of_everything(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of debug=true. Lightning's `fast_dev_run` would omit checkpoints and loggers."""
    limits = dict.fromkeys(("limit_train_batches", "limit_val_batches", "limit_test_batches"), 1)
    return {**config, "trainer": {**config["trainer"], "max_epochs": 1, **limits}}


def read_settings(cls: type[S], group: Mapping[str, Any], **built: object) -> S:
    """Builds a class of settings. A field takes its value from `built`, else from the group of settings, else
    from its default. A field without any of them is None."""
    values = dict(built)
    for setting in fields(cls):  # type: ignore[arg-type]
        has_default = setting.default is not MISSING or setting.default_factory is not MISSING
        if setting.name in built or (setting.name not in group and has_default):
            continue
        values[setting.name] = group.get(setting.name)
    return cls(**values)
