"""What a prediction tells in the terminal."""

import time
from collections.abc import Iterator

from digits.devices import device_name
from digits.prediction.classifier import Classifier, Predictions
from digits.prediction.inputs import Chunk


class Report:
    """What is told of all digits at the end."""

    def __init__(self, classifier: Classifier, processes: int) -> None:
        self.classifier = classifier
        self.processes = processes
        self.total = self.errors = self.labelled = self.networks_disagree = self.copies_disagree = 0
        self.loss = self.seconds = 0.0
        self.began = time.perf_counter()
        self.faults: list[str] = []

    def add(self, chunk: Chunk, answers: Predictions, seconds: float) -> None:
        """`seconds` were spent in the network."""
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
        """Plain text; `confidence` is whether it was asked for."""
        classifier = self.classifier
        device = device_name(classifier.moves.device)
        yield f"{'network':<12}{classifier.name}, {device}, {classifier.precision}"
        seconds = time.perf_counter() - self.began
        by = (
            f"{self.processes} processes"
            if self.processes > 1
            else f"{self.total / self.seconds:,.0f} a second in the network"
        )
        yield f"{'digits':<12}{self.total:,} in {seconds:.1f} s, {by}"
        if self.labelled:
            from digits.evaluation.score import Score  # only here: SciPy's statistics take a second

            yield f"{'error':<12}{Score(self.errors, self.labelled, self.loss / self.labelled)}"
        for many, count, what in (
            (len(classifier.members) > 1, self.networks_disagree, "networks"),
            (len(classifier.moves) > 0, self.copies_disagree, "moved copies"),
        ):
            if many:
                yield f"{'disagreed':<12}{what} on {count:,} of {self.total:,} ({count / self.total:.2%})"
        if confidence and (raw := sorted({str(member.name) for member in classifier.members if not member.calibrated})):
            why = "no temperature was fitted: validation digits are needed, and a finished run"
            yield f"{'confidence':<12}of {', '.join(raw)} is not calibrated; {why}"
