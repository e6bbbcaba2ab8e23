"""From digits to a predictions file: read, classified and written chunk by chunk, on one device or several."""

import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from digits.config import validate_predict
from digits.devices import keep_freed_memory
from digits.errors import InputError
from digits.files import atomic_write, check_writable
from digits.prediction.classifier import Classifier, Predictions, load_classifier
from digits.prediction.distributed import in_order, join_processes, wants_several
from digits.prediction.inputs import Chunk, Input, Read, open_input
from digits.prediction.summary import Report
from digits.prediction.writer import predictions_file
from digits.runs.checkpoint import find_checkpoints

MOST_SHOWN = 400  # pictures in a preview

log = logging.getLogger(__name__)


def predict(config: DictConfig) -> None:
    """Predicts, exports, or both, as the composed `conf/predict.yaml` says.

    Raises InputError for a mistake in the configuration, a checkpoint or the digits; when some pictures cannot be
    used, at the end, with those of the others written.
    """
    validate_predict(config)
    checkpoints = find_checkpoints(config.checkpoint)
    digits = open_input(_plain(config.input), config.chunk_size) if config.input is not None else None
    if config.preview is not None and (digits is None or not digits.pictures):
        raise InputError(f"preview={config.preview}: shows pictures; input must name some")
    _check_outputs(config, [*checkpoints, *(digits.files if digits else [])])

    if digits and wants_several(config.trainer) and not all(path.is_file() for path in digits.files):
        raise InputError("several processes cannot share standard input or a pipe; name a file, or one device")

    keep_freed_memory()
    process = join_processes(config.trainer)
    classifier = load_classifier(
        checkpoints,
        tta=config.tta,
        seed=config.seed,
        accelerator=config.trainer.accelerator,
        precision=config.trainer.precision,
    )
    if config.export is not None and process.rank == 0:
        _export(classifier, config.export)
    if digits is None:
        return
    if process.world > 1:
        classifier.to(process.device)
    results = in_order(digits.chunks, partial(_classify, classifier, config), process.rank, process.world)
    if process.rank == 0:
        _write(config, Report(classifier, process.world), digits, results)
    else:
        with suppress(InputError, RuntimeError):  # the first process tells of them, and of its own by going away
            for _ in results:
                pass


class Result(NamedTuple):
    """A chunk, its images only if they are to be shown, and what the classifier says of them."""

    chunk: Chunk
    answers: Predictions
    seconds: float
    """in the network"""


def _classify(classifier: Classifier, config: DictConfig, read: Read) -> Result:
    chunk = read()
    began = time.perf_counter()
    answers = classifier.answer(chunk.images, config.batch_size)
    seconds = time.perf_counter() - began
    if config.preview is None:
        chunk = chunk._replace(images=torch.empty(0, 28, 28, dtype=torch.uint8), thumbnails=())
    return Result(chunk, answers, seconds)


def _write(config: DictConfig, report: Report, digits: Input, results: Iterator[Result]) -> None:
    """Writes the predictions, and reports on them."""
    shown: list[Result] = []
    with (
        predictions_file(
            config.output,
            pictures=digits.pictures,
            confidence=config.confidence,
            probabilities=config.probabilities,
        ) as predictions,
        _progress(digits, config.output) as advance,
    ):
        for result in results:
            predictions.write(result.answers.probabilities, result.chunk.files)
            report.add(*result)
            advance(predictions.written)
            if config.preview is not None and report.total <= MOST_SHOWN:
                shown.append(result)
        if not report.total:
            log.error("\n".join(report.faults))
            raise InputError("no picture could be predicted, as said above; nothing is written")
    log.info("\n".join(report.lines(config.confidence)))
    if config.output != "-":
        log.info(f"{'written':<12}{config.output}")
    for fault in report.faults:
        log.error(fault)
    if config.preview is not None:
        _draw_preview(shown, config.preview)
        drawn = sum(len(result.chunk.files) for result in shown)
        rest = f", the first {drawn:,} of {report.total:,} pictures" if drawn < report.total else ""
        log.info(f"{'preview':<12}{config.preview}{rest}")
    if report.faults:
        total = report.total + len(report.faults)
        raise InputError(f"{len(report.faults):,} of {total:,} pictures could not be predicted, as said above")


@contextmanager
def _progress(digits: Input, output: str) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal's standard error, with rate and time left, and a function that moves it to a count."""
    columns = (
        TextColumn("{task.fields[count]:,} digits"),
        BarColumn(),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    hidden = not console.is_terminal or (output == "-" and sys.stdout.isatty())
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, disable=hidden) as progress:
        task = progress.add_task("", total=None, count=0, rate=0.0)
        began = time.perf_counter()

        def advance(count: int) -> None:
            fraction = digits.fraction()
            rate = count / (time.perf_counter() - began)
            total = None if fraction is None else 1.0
            progress.update(task, completed=fraction or 0, total=total, count=count, rate=rate)

        yield advance


def _draw_preview(results: Sequence[Result], path: str) -> None:
    from digits.evaluation.plots import plot_preview  # only here: matplotlib takes a while

    thumbnails = [thumbnail for result in results for thumbnail in result.chunk.thumbnails]
    files = [file for result in results for file in result.chunk.files]
    images = torch.cat([result.chunk.images for result in results])
    probabilities = torch.cat([result.answers.probabilities for result in results])
    with atomic_write(path) as part:
        plot_preview(files, thumbnails, images, probabilities, part)


def _export(classifier: Classifier, path: str) -> None:
    from digits.data.sources import sample
    from digits.prediction.export import export_onnx  # only here: the exporter takes seconds to import

    images = sample().test.images  # type: ignore[union-attr]
    difference = export_onnx(classifier, path, images)
    log.info(f"{'exported':<12}{path}: the same {len(images)} labels as PyTorch, probabilities within {difference:.0e}")


def _check_outputs(config: DictConfig, sources: Sequence[Path]) -> None:
    """Raises InputError if what is to be written would replace what is read, or something else that is written."""
    taken = {path.resolve(): "is read" for path in sources if str(path) != "-"}
    for key in ("export", "output", "preview"):
        path = config[key]
        if path not in (None, "-"):
            there = Path(path).resolve()
            if there in taken:
                raise InputError(f"{key}={path}: this file {taken[there]}; name another one")
            check_writable(path)
            taken[there] = f"is written by {key}"


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
