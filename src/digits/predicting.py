"""From digits to a predictions file: read, classified and written chunk by chunk, on one device or several."""

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from digits.checkpoint import find_checkpoints
from digits.classifier import Answers, Classifier, load_classifier
from digits.devices import device_name
from digits.errors import InputError
from digits.inputs import Chunk, Input, Read, open_input
from digits.predictions import predictions_file
from digits.settings import check_prediction
from digits.whole_file import whole_file

log = logging.getLogger(__name__)


def predict(config: DictConfig) -> None:
    """Predicts, exports, or both, as the composed `conf/predict.yaml` says.

    Raises InputError for a mistake in the configuration, a checkpoint or the digits; when some pictures cannot be
    used, at the end, with those of the others written.
    """
    check_prediction(config)
    checkpoints = find_checkpoints(config.checkpoint)
    digits = open_input(_plain(config.input), config.chunk_size) if config.input is not None else None
    if config.preview is not None and (digits is None or not digits.pictures):
        raise InputError(f"preview={config.preview}: shows pictures; input must name some")
    _check_outputs(config, [*checkpoints, *(digits.files if digits else [])])

    rank, world, device = _join_processes(config)
    classifier = load_classifier(
        checkpoints,
        tta=config.tta,
        seed=config.seed,
        accelerator=config.trainer.accelerator,
        precision=config.trainer.precision,
    )
    if config.export is not None and rank == 0:
        _export(classifier, config.export)
    if digits is None:
        return
    if device is not None:
        classifier.to(device)
    results = _in_order(digits.chunks, partial(_classify, classifier, config), rank, world)
    if rank == 0:
        _write(config, classifier, digits, results)
    else:
        for _ in results:
            pass


class Result(NamedTuple):
    """A chunk, its images only if they are to be shown, and what the classifier says of them."""

    chunk: Chunk
    answers: Answers
    seconds: float
    """in the network"""


def _classify(classifier: Classifier, config: DictConfig, read: Read) -> Result:
    chunk = read()
    began = time.perf_counter()
    answers = classifier.answer(chunk.images, config.batch_size)
    seconds = time.perf_counter() - began
    if config.preview is None:
        chunk = chunk._replace(images=chunk.images[:0], thumbnails=())
    return Result(chunk, answers, seconds)


def _in_order(reads: Iterator[Read], work: Callable[[Read], Result], rank: int, world: int) -> Iterator[Result]:
    """The results of all chunks, in each process. The process of this rank works on every `world`-th."""
    while turn := list(islice(reads, world)):
        mine: Result | InputError | None = None
        if rank < len(turn):
            try:
                mine = work(turn[rank])
            except InputError as error:  # the others must not wait for it
                mine = error
        results = [mine]
        if world > 1:
            results = [None] * world
            dist.all_gather_object(results, mine)
        for result in results[: len(turn)]:
            if isinstance(result, InputError):
                raise result
            if result is not None:
                yield result


def _join_processes(config: DictConfig) -> tuple[int, int, torch.device | None]:
    """Starts a process for each device, through Lightning, and says which of how many this is, and its device. One
    device needs neither a process of its own nor Lightning."""
    wanted = config.trainer.devices
    if wanted in (1, "1") and config.trainer.num_nodes == 1:
        return 0, 1, None
    if "-" in (config.input, *(_plain(config.input) or ())):
        raise InputError("input=-: standard input is read by one process; name a file, or leave trainer.devices at 1")
    from lightning.fabric import Fabric  # only here: its import takes seconds

    cores = os.cpu_count() or 1
    if config.trainer.accelerator == "cpu" and isinstance(wanted, int) and wanted > cores:
        raise InputError(f"trainer.devices={wanted}: this machine has {cores} processor cores")
    if config.trainer.num_nodes > 1:
        log.info(f"waiting for {config.trainer.num_nodes} nodes")
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        fabric = Fabric(
            accelerator=config.trainer.accelerator,
            devices=_plain(wanted),
            num_nodes=config.trainer.num_nodes,
            strategy="ddp",
        )
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"trainer: {' '.join(str(error).split())}") from error
    fabric.launch()
    return fabric.global_rank, fabric.world_size, fabric.device


def _write(config: DictConfig, classifier: Classifier, digits: Input, results: Iterator[Result]) -> None:
    """Writes the predictions, and reports on them."""
    report = Report(classifier)
    shown: list[Result] = []
    with (
        nullcontext() if config.preview is None else whole_file(config.preview) as preview,
        predictions_file(
            config.output,
            pictures=digits.pictures,
            confidence=config.confidence,
            probabilities=config.probabilities,
        ) as predictions,
        _progress(digits) as advance,
    ):
        for result in results:
            predictions.write(result.answers.probabilities, result.chunk.files)
            report.add(result)
            advance(predictions.written)
            if preview:
                shown.append(result)
        for fault in report.faults:
            log.error(fault)
        if report.faults and not report.total:
            raise InputError("no picture could be predicted, as said above; nothing is written")
        if preview:
            _draw_preview(shown, preview)
    log.info("\n".join(report.lines(config.confidence)))
    for name, path in (("written", config.output), ("preview", config.preview)):
        if path not in (None, "-"):
            log.info(f"{name:<12}{path}")
    if report.faults:
        total = report.total + len(report.faults)
        raise InputError(f"{len(report.faults):,} of {total:,} pictures could not be predicted, as said above")


class Report:
    """What is told of all digits at the end."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self.total = self.errors = self.labelled = self.networks_disagree = self.copies_disagree = 0
        self.loss = self.seconds = 0.0
        self.began = time.perf_counter()
        self.faults: list[str] = []

    def add(self, result: Result) -> None:
        chunk, answers, seconds = result
        self.total += len(answers.probabilities)
        self.seconds += seconds
        self.networks_disagree += int(answers.networks_disagree.sum())
        self.copies_disagree += int(answers.copies_disagree.sum())
        self.faults += chunk.faults
        if chunk.labels is not None:
            probability = answers.probabilities.gather(1, chunk.labels[:, None])
            self.labelled += len(chunk.labels)
            self.errors += int((answers.probabilities.argmax(1) != chunk.labels).sum())
            self.loss -= float(probability.clamp_min(1e-12).log().sum())

    def lines(self, confidence: bool) -> Iterator[str]:
        classifier = self.classifier
        device = device_name(classifier.moves.device)
        yield f"{'network':<12}{classifier.name}, {device}, {classifier.precision}"
        rate = self.total / max(self.seconds, 1e-9)
        seconds = time.perf_counter() - self.began
        yield f"{'digits':<12}{self.total:,} in {seconds:.1f} s, {rate:,.0f} a second in the network"
        if self.labelled:
            from digits.score import Score  # only here: SciPy's statistics take a second

            yield f"{'error':<12}{Score(self.errors, self.labelled, self.loss / self.labelled)}"
        for many, count, what in (
            (len(classifier.members) > 1, self.networks_disagree, "networks"),
            (len(classifier.moves) > 0, self.copies_disagree, "moved copies"),
        ):
            if many:
                yield f"{'disagreed':<12}{what} on {count:,} of {self.total:,} ({count / max(self.total, 1):.2%})"
        if confidence and (raw := [member.name for member in classifier.members if not member.calibrated]):
            yield f"{'confidence':<12}not calibrated: no validation digits were kept when {raw[0]} was trained"


@contextmanager
def _progress(digits: Input) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal's standard error, with rate and time left, and a function that moves it to a count."""
    columns = (
        TextColumn("{task.fields[count]:,} digits"),
        BarColumn(),
        TextColumn("{task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=None, count=0, rate=0.0)
        began = time.perf_counter()

        def advance(count: int) -> None:
            fraction = digits.fraction()
            rate = count / (time.perf_counter() - began)
            total = None if fraction is None else 1.0
            progress.update(task, completed=fraction or 0, total=total, count=count, rate=rate)

        yield advance


def _draw_preview(results: Sequence[Result], path: Path) -> None:
    from digits.plots import plot_preview  # only here: matplotlib takes a while

    thumbnails = [thumbnail for result in results for thumbnail in result.chunk.thumbnails]
    files = [file for result in results for file in result.chunk.files]
    images = torch.cat([result.chunk.images for result in results])
    probabilities = torch.cat([result.answers.probabilities for result in results])
    plot_preview(files, thumbnails, images, probabilities, path)


def _export(classifier: Classifier, path: str) -> None:
    from digits.onnx_file import export_onnx  # only here: the exporter takes seconds to import
    from digits.sources import sample

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
            taken[there] = f"is written by {key}"


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
