"""A prediction: digits are read, predicted and written chunk by chunk, on one device or several."""

import logging
import os
import sys
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from digits.devices import keep_freed_memory
from digits.errors import InputError
from digits.files import check_writable
from digits.prediction.chunks import PredictedChunk
from digits.prediction.classifier import Classifier
from digits.prediction.distributed import Devices, is_distributed, launch, ordered_map
from digits.prediction.inputs import DigitStream, Reader, open_input
from digits.prediction.summary import PredictionSummary
from digits.prediction.writer import COLUMNS, PredictionWriter, open_output
from digits.runs.checkpoint import find_checkpoints

MAX_PREVIEW = 400  # pictures
EXPORT_DTYPES = ("float32", "int8")
CHECKED_DIGITS = 500  # of a page

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PredictOptions:
    """The settings of `conf/predict.yaml`, where they are explained."""

    checkpoint: str | Sequence[str]
    input: str | Sequence[str] | None = None
    output: str = "-"
    columns: Sequence[str] = ()  # keys of writer.COLUMNS
    several: bool = False
    preview: str | None = None
    export: str | None = None
    export_dtype: str = "float32"
    tta: int = 1
    seed: int = 0
    batch_size: int = 128
    chunk_size: int = 8192
    accelerator: str = "auto"
    devices: Devices = 1
    num_nodes: int = 1
    precision: str = "auto"
    page: str | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "PredictOptions":
        """Takes the resolved configuration. Raises InputError if the setting of a column is not a boolean."""
        for name in COLUMNS:
            if not isinstance(config[name], bool):
                raise InputError(f"{name}={config[name]}: must be true or false")
        settings = {**config, **config["trainer"], "columns": tuple(name for name in COLUMNS if config[name])}
        return cls(**{field.name: settings[field.name] for field in fields(cls)})


def predict(options: PredictOptions) -> None:
    """Predicts digits, exports the classifier as an ONNX model, writes a page to draw on, or any of these.

    Raises InputError for invalid options, checkpoints or digits. Pictures that cannot be read raise it at the end,
    after the predictions of the others are written."""
    checkpoints = find_checkpoints(options.checkpoint)
    stream = None if options.input is None else open_input(options.input, options.chunk_size, options.several)
    _check_options(options, checkpoints, stream)

    keep_freed_memory()
    process = launch(options.accelerator, options.devices, options.num_nodes)
    classifier = Classifier.from_checkpoints(
        checkpoints, process.device, precision=options.precision, tta=options.tta, seed=options.seed
    )
    if options.export is not None and process.rank == 0:
        _export(classifier, options.export, options.export_dtype)
    if options.page is not None and process.rank == 0:
        _write_page(classifier, options.page)
    if stream is None:
        return
    chunks = ordered_map(partial(_predict_chunk, classifier, options), stream.readers, process)
    if process.rank == 0:
        _write(options, stream, chunks, PredictionSummary(classifier, process.world_size))
    else:
        with suppress(InputError, RuntimeError):  # rank 0 reports errors; if it exits, the collective raises here
            for _ in chunks:
                pass


def _check_options(options: PredictOptions, checkpoints: Sequence[Path], stream: DigitStream | None) -> None:
    """Raises InputError if options contradict each other, or if an output would replace an input or another output."""
    if options.export_dtype not in EXPORT_DTYPES:
        raise InputError(f"export_dtype={options.export_dtype}: must be {' or '.join(EXPORT_DTYPES)}")
    if options.export is None and options.export_dtype != "float32":
        raise InputError(f"export_dtype={options.export_dtype}: needs export=FILE.onnx")
    if options.preview is not None and (stream is None or not stream.from_pictures):
        raise InputError(f"preview={options.preview}: needs pictures as input")
    if stream and is_distributed(options.devices, options.num_nodes) and not all(map(Path.is_file, stream.files)):
        raise InputError("several processes cannot share standard input or a pipe; give a file, or use one device")
    sources = [*checkpoints, *(stream.files if stream else [])]
    used = {os.path.realpath(path): "is read" for path in sources if str(path) != "-"}
    for key in ("export", "page", "output", "preview"):
        path = getattr(options, key)
        if path is None or path == "-":
            continue
        if use := used.get(os.path.realpath(path)):
            raise InputError(f"{key}={path}: this file {use}; choose another one")
        check_writable(path)
        used[os.path.realpath(path)] = f"is written by {key}"


def _export(classifier: Classifier, path: str, dtype: str) -> None:
    from digits.data.sources import sample
    from digits.prediction.export import export_onnx  # imported late: the exporter takes seconds

    train, test, _ = sample()
    images = test.images if dtype == "float32" else torch.cat([train.images, test.images])  # type: ignore[union-attr]
    labels, probability = export_onnx(classifier, path, images, dtype)
    same = f"the same {len(images):,} labels as PyTorch"
    if labels:
        same = f"{len(images) - labels:,} of {len(images):,} labels as PyTorch"
    log.info(f"{'exported':<12}{path}: {same}, probabilities within {probability:.2g}")


def _write_page(classifier: Classifier, path: str) -> None:
    from digits.data.sources import sample
    from digits.prediction.page import write_page

    images = sample().train.images[:CHECKED_DIGITS]
    check = write_page(classifier, path, images)
    if check is None:
        log.warning(f"{'page':<12}{path}: not compared with PyTorch, because neither Node nor Chromium is installed")
        return
    agreement = f"the same {len(images)} labels as PyTorch, probabilities within {check.difference:.1g}"
    log.info(f"{'page':<12}{path}: {agreement}; {check.milliseconds:.0f} ms per digit in {check.program}")


def _predict_chunk(classifier: Classifier, options: PredictOptions, read: Reader) -> PredictedChunk:
    digits = read()
    started_at = time.perf_counter()
    predictions = classifier.predict_with_agreement(digits.images, options.batch_size)
    seconds = time.perf_counter() - started_at
    if options.preview is None:
        digits = digits._replace(images=torch.empty(0, 28, 28, dtype=torch.uint8), thumbnails=(), hypotheses=())
    return PredictedChunk(digits, predictions, seconds)


def _write(
    options: PredictOptions, stream: DigitStream, chunks: Iterator[PredictedChunk], summary: PredictionSummary
) -> None:
    """Writes the predictions and the preview, and logs the summary."""
    preview = []
    with open_output(options.output) as file, closing(_with_progress_bar(chunks, stream, options.output)) as chunks:
        writer = PredictionWriter(file, options.columns, from_pictures=stream.from_pictures)
        for chunk in chunks:
            writer.write(chunk.predictions, chunk.digits.files)
            summary.add(chunk)
            if summary.total <= MAX_PREVIEW:
                preview.append(chunk)
        if not summary.total:
            log.error("\n".join(summary.unreadable))
            raise InputError("none of the pictures could be read; nothing is written")
    log.info("\n".join(summary.lines(with_confidence="confidence" in options.columns)))
    if options.output != "-":
        log.info(f"{'written':<12}{options.output}")
    for error in summary.unreadable:
        log.error(error)
    if options.preview is not None:
        from digits.prediction.preview import save_preview  # imported late: matplotlib takes a while

        save_preview(preview, options.preview)
        shown = sum(len(chunk.digits.files) for chunk in preview)
        rest = f", the first {shown:,} of {summary.total:,} pictures" if shown < summary.total else ""
        log.info(f"{'preview':<12}{options.preview}{rest}")
    if summary.unreadable:
        total = summary.total + len(summary.unreadable)
        raise InputError(f"{len(summary.unreadable):,} of {total:,} pictures could not be read (see above)")


def _with_progress_bar(
    chunks: Iterator[PredictedChunk], stream: DigitStream, output: str
) -> Generator[PredictedChunk, None, None]:
    """Yields the chunks, and shows a progress bar if standard error is a terminal."""
    count_column, rate_column = TextColumn("{task.fields[count]:,} digits"), TextColumn("{task.fields[rate]:,.0f}/s")
    columns = (count_column, BarColumn(), rate_column, TimeRemainingColumn())
    console = Console(stderr=True)
    hidden = not console.is_terminal or (output == "-" and sys.stdout.isatty())
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, disable=hidden) as bar:
        task = bar.add_task("", total=None, count=0, rate=0.0)
        count, started_at = 0, time.perf_counter()
        for chunk in chunks:
            yield chunk
            count += len(chunk.predictions.probabilities)
            rate, fraction = count / (time.perf_counter() - started_at), stream.progress()
            total = None if fraction is None else 1.0
            bar.update(task, completed=fraction or 0, total=total, count=count, rate=rate)
