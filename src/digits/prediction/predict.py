"""A prediction: digits are read, predicted and written chunk by chunk."""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from digits.errors import InputError
from digits.files import check_writable
from digits.host import keep_freed_memory
from digits.installation import require_packages
from digits.prediction.chunks import DigitChunk, PredictedChunk
from digits.prediction.classifier import Classifier, load_classifier
from digits.prediction.input_check import transform_digits, warn_about_labels
from digits.prediction.inputs import DigitStream, PictureStream, open_input
from digits.prediction.pictures import choose_digits, read_all_digits
from digits.prediction.progress import ProgressBar
from digits.prediction.review import Review, write_review
from digits.prediction.summary import PredictionSummary
from digits.prediction.writer import PredictionWriter, open_output
from digits.runs.find_checkpoints import find_checkpoints
from digits.runs.onnx_model import predict_with_bundled
from digits.settings import PredictSettings

MAX_PREVIEW = 400  # pictures
CHECKED_DIGITS = 500  # of a page

log = logging.getLogger(__name__)


def predict(settings: PredictSettings) -> None:
    """Predicts digits, exports the classifier as an ONNX model, writes a page to draw on, or any of these.

    Raises InputError for invalid files, checkpoints or digits. Pictures that cannot be read raise it at the end,
    after the predictions of the others are written."""
    _require_packages(settings)
    checkpoints = find_checkpoints(settings.checkpoint)
    stream = None
    if settings.input is not None:
        has_preview, reads_all = settings.preview is not None, settings.several == "all"
        stream = open_input(settings.input, settings.chunk_size, thumbnails=has_preview, sheets=reads_all)
    _check_files(settings, checkpoints, stream)

    keep_freed_memory()
    classifier = load_classifier(
        checkpoints, tta=settings.tta, seed=settings.seed,
        accelerator=settings.accelerator, precision=settings.precision,
        needs_pytorch=settings.export is not None or settings.page is not None,
    )  # fmt: skip
    if settings.export is not None:
        _export(classifier, settings.export, settings.export_dtype)
    if settings.page is not None:
        _write_page(classifier, settings.page)
    if stream is not None:
        digits = _read_digits(settings, stream)
        _write_predictions(settings, classifier, digits)


def _require_packages(settings: PredictSettings) -> None:
    """Raises InputError if a setting needs a package that is not installed."""
    if settings.export is not None:
        require_packages(f"export={settings.export}", "PyTorch", "torch", "onnxscript")
    if settings.page is not None:
        require_packages(f"page={settings.page}", "PyTorch", "torch")
    if settings.preview is not None:
        require_packages(f"preview={settings.preview}", "matplotlib", "matplotlib")


def _check_files(
    settings: PredictSettings, checkpoints: Sequence[Path], stream: DigitStream | PictureStream | None
) -> None:
    """Raises InputError if an output would replace an input or another output, or cannot be written."""
    if settings.preview is not None and not isinstance(stream, PictureStream):
        raise InputError(f"preview={settings.preview}: needs pictures as input")
    if settings.review is not None and stream is None:
        raise InputError(f"review={settings.review}: needs digits, input=…")
    if settings.input_transform is not None and not isinstance(stream, DigitStream):
        raise InputError(f"input_transform={settings.input_transform}: needs a file of digits as input, not pictures")
    inputs = [*checkpoints, *stream.files] if stream else checkpoints
    uses = {os.path.realpath(path): "is read" for path in inputs if str(path) != "-"}
    outputs = {
        "export": settings.export, "page": settings.page, "output": settings.output, "preview": settings.preview,
        "review": settings.review,
    }  # fmt: skip
    for setting, path in outputs.items():
        if path is None or path == "-":
            continue
        target = os.path.realpath(path)
        if target in uses:
            raise InputError(f"{setting}={path}: this file {uses[target]}; choose another one")
        check_writable(path)
        uses[target] = f"is written by {setting}"


def _export(classifier: Classifier, path: str, dtype: str) -> None:
    from digits.data.sources import sample
    from digits.prediction.export import export_onnx  # imported late: the exporter takes seconds

    train, test, _ = sample()
    assert test is not None
    images = test.images.numpy()
    if dtype != "float32":
        images = np.concatenate([train.images.numpy(), images])
    agreement = export_onnx(classifier, path, images, dtype)
    log.info(f"{'exported':<12}{path}: {agreement}")


def _write_page(classifier: Classifier, path: str) -> None:
    from digits.data.sources import sample
    from digits.prediction.page import write_page

    check = write_page(classifier, path, sample().train.images[:CHECKED_DIGITS].numpy())
    if check is None:
        log.warning(f"{'page':<12}{path}: not compared with PyTorch, because neither Node nor Chromium is installed")
        return
    speed = f"{check.milliseconds:.0f} ms per digit in {check.program}"
    log.info(f"{'page':<12}{path}: {check.agreement}; {speed}")


def _read_digits(settings: PredictSettings, stream: DigitStream | PictureStream) -> Iterator[DigitChunk]:
    """The digits of a file, or those that are found in pictures."""
    if isinstance(stream, PictureStream):
        for line in stream.skipped:
            log.info(f"{'read':<12}{line}")
        for chunk in stream.chunks:
            if settings.several == "all":
                yield read_all_digits(chunk, predict_with_bundled)
            else:
                yield choose_digits(chunk, predict_with_bundled, several=settings.several is True)
        return
    log.info(f"{'read':<12}{stream.name}: {stream.description}")
    yield from transform_digits(stream.chunks, settings.input_transform, predict_with_bundled)


def _write_predictions(settings: PredictSettings, classifier: Classifier, digits: Iterator[DigitChunk]) -> None:
    """Writes the predictions, the preview and the review, and logs the summary."""
    summary = PredictionSummary(classifier)
    previewed: list[PredictedChunk] = []
    review = Review()
    with open_output(settings.output) as file, ProgressBar(settings.output) as bar:
        writer = PredictionWriter(file, settings)
        for chunk in digits:
            predicted = _predict_chunk(classifier, chunk, settings.batch_size)
            writer.write(predicted)
            if summary.total == 0:
                warn_about_labels(predicted)
            summary.add(predicted)
            bar.update(summary.total, chunk.progress)
            if settings.preview is not None and summary.total <= MAX_PREVIEW:
                previewed.append(predicted)
            if settings.review is not None:
                review.add(predicted)
        if summary.total == 0:
            log.error("\n".join(summary.unreadable))
            raise InputError("none of the pictures could be read; nothing is written")
    _log_summary(settings, summary)
    if settings.preview is not None:
        _write_preview(settings, previewed, summary.total)
    if settings.review is not None:
        write_review(review, settings.review)
        log.info(f"{'review':<12}{settings.review}: {review.describe()}")
    if summary.unreadable:
        total = summary.pictures + len(summary.unreadable)
        raise InputError(f"{len(summary.unreadable):,} of {total:,} pictures could not be read (see above)")


def _log_summary(settings: PredictSettings, summary: PredictionSummary) -> None:
    log.info("\n".join(summary.lines(with_confidence=settings.confidence)))
    if settings.output != "-":
        log.info(f"{'written':<12}{settings.output}")
    for error in summary.unreadable:
        log.error(error)


def _predict_chunk(classifier: Classifier, digits: DigitChunk, batch_size: int) -> PredictedChunk:
    started_at = time.perf_counter()
    predictions = classifier.predict_with_agreement(digits.images, batch_size)
    return PredictedChunk(digits, predictions, seconds=time.perf_counter() - started_at)


def _write_preview(settings: PredictSettings, chunks: Sequence[PredictedChunk], total: int) -> None:
    from digits.prediction.preview import save_preview  # imported late: matplotlib takes a while
    from digits.prediction.sheet_preview import save_sheet_preview

    assert settings.preview is not None
    save = save_sheet_preview if settings.several == "all" else save_preview
    save(chunks, settings.preview)
    shown = sum(len(chunk.digits.sources) for chunk in chunks)
    rest = f", the first {shown:,} of {total:,} digits" if shown < total else ""
    log.info(f"{'preview':<12}{settings.preview}{rest}")
