"""The end of a run: its final weights, their evaluation, and the final checkpoint."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from digits.errors import InputError
from digits.evaluation.calibration import calibration_summary, fit_temperature
from digits.evaluation.evaluate import Evaluation, Split, count_batches, evaluate
from digits.evaluation.mnist_subsets import subset_scores
from digits.processes import is_rank_zero
from digits.runs.checkpoint import read_checkpoint, write_checkpoint
from digits.training.fit import Training
from digits.training.loggers import RunLoggers

# Fewer have a temperature that comes from the smoothing of their labels more than from the digits.
MIN_CALIBRATION_DIGITS = 100


def finish_training(training: Training, loggers: RunLoggers) -> dict[str, Evaluation]:
    """Evaluates the final weights on the validation and test digits, and completes the final checkpoint: with
    `precise_bn` the statistics of batch normalization, and the temperature.

    Returns the evaluations by stage, `val` and `test`. Their logits are divided by the temperature, as in prediction.
    Of several processes the first one evaluates. The others wait, and return nothing.

    Raises InputError if no epoch was trained."""
    if not training.history.rows:
        raise InputError(
            "the training has ended before its first epoch was complete, so that there are no weights to evaluate; "
            "raise trainer.max_steps, trainer.max_time or trainer.limit_train_batches"
        )
    settings, metrics = training.settings, training.metrics
    metrics.checkpoint = f"checkpoints/{settings.weights}.ckpt"
    path = training.folder.path / metrics.checkpoint
    checkpoint = _load_final_weights(training, path)
    if settings.precise_bn:
        _recompute_batch_norm(training)
        checkpoint["state_dict"] = _state(training)
    evaluations: dict[str, Evaluation] = {}
    if is_rank_zero():
        evaluations = _evaluate_stages(training, loggers)
        if metrics.calibration is not None:
            checkpoint["digits"]["temperature"] = metrics.calibration["temperature"]
        write_checkpoint(checkpoint, path)
    training.trainer.strategy.barrier("evaluation")
    return evaluations


def _load_final_weights(training: Training, path: Path) -> dict[str, Any]:
    """Gives the module the weights of the final checkpoint. The first process returns the content of the checkpoint."""
    checkpoint: dict[str, Any] = {}
    if is_rank_zero():
        checkpoint = read_checkpoint(path)
    if training.settings.weights == "last" and training.history.ended:
        # The module has the final weights. A callback may have changed them after the checkpoint of the last epoch, as
        # StochasticWeightAveraging does. A run that is killed in the evaluation is then resumed with them.
        if is_rank_zero() and not _is_same(checkpoint["state_dict"], _state(training)):
            checkpoint["state_dict"] = _state(training)
            write_checkpoint(checkpoint, path)
    else:
        state = training.trainer.strategy.broadcast(checkpoint.get("state_dict", {}))
        training.module.load_state_dict(state)
    return checkpoint


def _recompute_batch_norm(training: Training) -> None:
    images = training.datamodule.splits["train"].images[: training.images_per_epoch]
    with training.trainer.precision_plugin.train_step_context():
        training.module.recompute_batch_norm(images)


def _evaluate_stages(training: Training, loggers: RunLoggers) -> dict[str, Evaluation]:
    """Evaluates the splits that the run has, and records scores, calibration and seconds."""
    metrics, datamodule = training.metrics, training.datamodule
    evaluations: dict[str, Evaluation] = {}

    val = _evaluate_stage(training, loggers, "val")
    temperature = _temperature(training, val)
    if temperature is not None:
        metrics.calibration = {"temperature": temperature}
    if val is not None:
        metrics.val = val.score.as_dict()
        evaluations["val"] = _calibrate(training, "val", val)

    test = None
    if training.settings.test:
        test = _evaluate_stage(training, loggers, "test")
    if test is not None:
        metrics.test = test.score.as_dict()
        if datamodule.is_mnist:
            scores = subset_scores(test.split.indices, test.split.labels, test.predicted)
            metrics.test_subsets = {name: score.as_dict() for name, score in scores.items()}
        evaluations["test"] = _calibrate(training, "test", test)

    return evaluations


def _temperature(training: Training, val: Evaluation | None) -> float | None:
    """Fits the temperature to the validation digits. If these are missing or too few, keeps the one of the initial
    weights."""
    initial = training.module.initial
    carried = initial.temperature if initial is not None else None
    if val is None:
        return carried
    is_too_few = len(val.split.labels) < MIN_CALIBRATION_DIGITS
    if carried is not None and is_too_few:
        return carried
    return fit_temperature(val.logits, val.split.labels)


def _evaluate_stage(training: Training, loggers: RunLoggers, stage: str) -> Evaluation | None:
    """Evaluates the weights of the module on the `val` or `test` digits, on the device and in the precision of the
    training. None if there are no such digits."""
    trainer, module = training.trainer, training.module
    split = evaluated_split(training, stage)
    if split is None:
        return None
    started_at = time.perf_counter()
    module.to(trainer.strategy.root_device).eval()
    with trainer.precision_plugin.val_step_context():
        evaluation = evaluate(module, split, training.datamodule.eval_batch_size)
    training.metrics.seconds[stage] = time.perf_counter() - started_at
    loggers.log_score(stage, evaluation.score, trainer.current_epoch, trainer.global_step)
    return evaluation


def evaluated_split(training: Training, stage: str) -> Split | None:
    """The `val` or `test` digits, or only those in `trainer.limit_val_batches` or `trainer.limit_test_batches`. None if
    there are no digits.

    Raises InputError if a limit is a fraction of less than one batch."""
    trainer, datamodule = training.trainer, training.datamodule
    if stage not in datamodule.splits:
        return None
    images, labels = datamodule.splits[stage]
    if stage == "val":
        indices, limit = datamodule.val_indices, trainer.limit_val_batches
    else:
        indices, limit = torch.arange(len(labels)), trainer.limit_test_batches
    batches = labels.tensor_split(count_batches(len(labels), datamodule.eval_batch_size))
    count = limit if isinstance(limit, int) else int(limit * len(batches))
    if limit == 0:
        return None
    if count == 0:
        raise InputError(f"trainer.limit_{stage}_batches={limit}: less than one of {len(batches)} batches")
    total = sum(len(batch) for batch in batches[:count])
    return Split(images[:total], labels[:total], indices[:total])


def _calibrate(training: Training, stage: str, evaluation: Evaluation) -> Evaluation:
    """Divides the logits by the temperature, if there is one, and records the calibration errors."""
    calibration = training.metrics.calibration
    if calibration is None:
        return evaluation
    temperature = calibration["temperature"]
    calibration[stage] = calibration_summary(evaluation.logits, evaluation.split.labels, temperature)
    return evaluation.scaled(temperature)


def _state(training: Training) -> dict[str, Tensor]:
    """The weights of the module, on the CPU."""
    return {name: tensor.cpu() for name, tensor in training.module.state_dict().items()}


def _is_same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    if one.keys() != other.keys():
        return False
    return all(torch.equal(one[name], other[name]) for name in one)
