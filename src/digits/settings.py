"""The settings of a training and of a prediction: typed, and checked where they are built.

`conf/` composes and explains them. Below the entry points no other module reads a configuration by its keys."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from math import inf
from typing import Any, TypeAlias, TypeGuard, TypeVar, get_args

from digits.config import flatten
from digits.errors import InputError

Component: TypeAlias = Mapping[str, Any]
"""The settings of one group: `_target_` and its arguments, for `digits.instantiation.build`."""
Paths: TypeAlias = str | list[str]
S = TypeVar("S")

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")
EXPORT_DTYPES = ("float32", "int8")
MAX_INT = 2**31 - 1
MAX_SEED = 2**32 - 1
PREDICT_TRAINER_SETTINGS = ("_target_", "accelerator", "devices", "num_nodes", "precision", "strategy")
TRANSFORMS = (
    "auto", "invert", "transpose", "flip_horizontally", "flip_vertically", "rotate_180", "rotate_left", "rotate_right",
    "remove_background", "center",
)  # fmt: skip
"""Of images that do not follow MNIST's convention; those of `digits.data.conventions`."""
QUOTED = "in a file of settings, a name such as 2024 or true needs quotes"


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
            require(isinstance(config[group], Mapping), group, config[group], f"one of the choices in conf/{group}")
        if config["debug"] is True:
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

    def _check_combinations(self) -> None:
        if self.teacher is None and (self.teacher_temperature, self.teacher_weight) != (1.0, 1.0):
            raise InputError("teacher_temperature and teacher_weight need teacher=…")
        if self.non_digits and not self.precise_bn:
            raise InputError(
                f"non_digits={self.non_digits}: needs precise_bn=true, because images without a digit distort the "
                "statistics of batch normalization"
            )
        if self.weights == "best":
            self._check_best_weights()
        if self.debug and self.find:
            raise InputError("debug=true and find=lr exclude each other; use only one")
        if self.debug and self.resume is not None:
            raise InputError("debug=true starts with new weights; omit resume=…")
        if self.find and self.resume is not None:
            raise InputError("find=lr starts with new weights; omit resume=…")

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
    several: bool
    output: str
    confidence: bool
    probabilities: bool
    preview: str | None
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
        trainer = config["trainer"]
        for setting in sorted(trainer):
            if setting not in PREDICT_TRAINER_SETTINGS:
                raise InputError(f"trainer.{setting}: predict.py has no such setting; see --help")
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
        require_bool("several", self.several)
        is_output = isinstance(self.output, str) and self.output != ""
        require(is_output, "output", self.output, f"a path, or - for standard output; {QUOTED}")
        require_bool("confidence", self.confidence)
        require_bool("probabilities", self.probabilities)
        require_file_type("preview", self.preview, ".png")
        require_file_type("export", self.export, ".onnx")
        require_choice("export_dtype", self.export_dtype, EXPORT_DTYPES)
        require_file_type("page", self.page, ".html")
        require(is_integer(self.tta) and 1 <= self.tta <= 1000, "tta", self.tta, "an integer from 1 to 1000")
        require_seed(self.seed)
        require_count("batch_size", self.batch_size)
        require_count("chunk_size", self.chunk_size)
        require_choice("trainer.precision", self.precision, PRECISIONS)
        one_device = "1: predict.py uses one device, and CUDA_VISIBLE_DEVICES=N chooses a GPU"
        require(self.devices == 1, "trainer.devices", self.devices, one_device)
        require(self.num_nodes == 1, "trainer.num_nodes", self.num_nodes, "1: predict.py uses one device")


def one_batch_of_everything(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of debug=true. Lightning's `fast_dev_run` would omit checkpoints and loggers."""
    limits = dict.fromkeys(("limit_train_batches", "limit_val_batches", "limit_test_batches"), 1)
    return {**config, "trainer": {**config["trainer"], "max_epochs": 1, **limits}}


def require_one_device(config: Mapping[str, Any]) -> None:
    """Raises InputError if a run with this configuration cannot be a job of a sweep."""
    trainer = config.get("trainer") or {}
    devices = trainer.get("devices")
    count = len(devices) if isinstance(devices, list) else devices
    if (isinstance(count, int) and count > 1) or trainer.get("num_nodes", 1) != 1:
        raise InputError(
            "trainer=ddp (several devices for one run) cannot be part of a sweep (-m); run it alone, "
            "or give each job one device: trainer.devices=1"
        )


def read_settings(cls: type[S], group: Mapping[str, Any], **built: object) -> S:
    """Builds a class of settings. A field takes its value from `built`, else from the group of settings, else
    from its default. A field without any of them is None."""
    values = dict(built)
    for one in fields(cls):  # type: ignore[arg-type]
        has_default = one.default is not MISSING or one.default_factory is not MISSING
        if one.name in built or (one.name not in group and has_default):
            continue
        values[one.name] = group.get(one.name)
    return cls(**values)


def require_no_missing_value(config: Mapping[str, Any]) -> None:
    """Raises InputError if a setting has the value ???, which marks a missing value."""
    for setting, value in sorted(flatten(config).items()):
        if value == "???":
            raise InputError(f"{setting} is required; add {setting}=…")


def require(is_valid: bool, setting: str, value: object, expected: str) -> None:
    """Raises InputError if the value of a setting is not valid."""
    if not is_valid:
        raise InputError(f"{setting}={as_yaml(value)}: must be {expected}")


def require_bool(setting: str, value: object) -> None:
    require(isinstance(value, bool), setting, value, "true or false")


def require_choice(setting: str, value: object, choices: Sequence[str]) -> None:
    expected = " or ".join(choices) if len(choices) == 2 else f"one of {', '.join(choices)}"
    require(value in choices, setting, value, expected)


def require_count(setting: str, value: object) -> None:
    require(is_integer(value) and 1 <= value <= MAX_INT, setting, value, f"an integer from 1 to {MAX_INT}")


def require_seed(value: object) -> None:
    require(is_integer(value) and 0 <= value <= MAX_SEED, "seed", value, f"an integer from 0 to {MAX_SEED}")


def require_positive(setting: str, value: object) -> None:
    require(is_number(value) and 0 < value < inf, setting, value, "a number above 0")


def require_fraction(setting: str, value: object, highest: float) -> None:
    require(is_number(value) and 0 <= value <= highest, setting, value, f"a number from 0 to {highest}")


def require_path(setting: str, value: object) -> None:
    """A path, or nothing."""
    is_path = value is None or (isinstance(value, str) and value != "")
    require(is_path, setting, value, f"a path; {QUOTED}")


def require_file_type(setting: str, value: object, suffix: str) -> None:
    """A path with this suffix, or nothing."""
    is_path = value is None or (isinstance(value, str) and value.lower().endswith(suffix))
    require(is_path, setting, value, f"a path that ends in {suffix}")


def require_transform(setting: str, value: object) -> None:
    """A transform of images, `auto`, or nothing."""
    require(value in (None, *TRANSFORMS), setting, value, f"null, or one of {', '.join(TRANSFORMS)}")


def is_paths(value: object) -> TypeGuard[Paths]:
    """Whether a value is a path, or a list of them."""
    paths = value if isinstance(value, list) else [value]
    return len(paths) > 0 and all(isinstance(path, str) and path != "" for path in paths)


def is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_yaml(value: object) -> str:
    """A value as the command line has it: true, false, null."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return str(value)[:100]


def text_settings(cls: type, prefix: str = "") -> set[str]:
    """The settings of a class that are text, or a list of texts."""
    texts = set()
    for one in fields(cls):
        alternatives = [one.type, *get_args(one.type)]
        if str in alternatives:
            texts.add(prefix + one.name)
    return texts


LOGGER_TEXTS = (
    "name", "project", "experiment_name", "run_name", "run_id", "id", "version", "entity", "group", "job_type", "notes",
    "prefix", "sub_dir", "save_dir", "dir", "tracking_uri", "artifact_location",
)  # fmt: skip
LAUNCHER_TEXTS = (
    "submitit_folder", "name", "partition", "account", "qos", "constraint", "comment", "nodelist", "exclude",
)  # fmt: skip
CONFIG_GROUPS = (
    "data", "model", "optimizer", "schedule", "augment", "trainer", "logger", "experiment",
    "hydra/launcher", "hydra/sweeper",
)  # fmt: skip
LIST_SETTINGS = ("checkpoint", "input", "teacher")
"""Settings that are a path or a list of paths."""
NAME_SETTINGS = ("name", "study")
"""Settings that are always text, even `null`."""
TEXT_SETTINGS = {
    *text_settings(TrainSettings), *text_settings(DataSettings, "data."), *text_settings(TrainerSettings, "trainer."),
    *text_settings(PredictSettings),
    "model.name", "hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir", "hydra.job.name",
    *CONFIG_GROUPS,
    *(f"logger.{name}" for name in LOGGER_TEXTS),
    *(f"hydra.launcher.{name}" for name in LAUNCHER_TEXTS),
}  # fmt: skip
"""Settings whose value is text. It is kept as it is typed: Hydra would read 2026_11_30, 1e3, true and null as a number,
a truth value and nothing."""
