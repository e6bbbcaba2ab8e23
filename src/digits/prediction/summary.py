"""The summary of a prediction in the terminal."""

import time
from collections.abc import Iterator

from digits.evaluation.score import Score
from digits.prediction.chunks import PredictedChunk
from digits.prediction.classifier import Classifier
from digits.prediction.numbers import numbers_as_read


class PredictionSummary:
    """Counts over all digits."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self.total = 0
        self.pictures = 0
        self.labeled = 0
        self.misclassified = 0
        self.members_disagree = 0
        self.views_disagree = 0
        self.network_seconds = 0.0
        self.started_at = time.perf_counter()
        self.unreadable: list[str] = []
        """one line for each picture that could not be read"""
        self.numbers: list[str] = []
        """one line for each picture whose digits were all read"""

    def add(self, chunk: PredictedChunk) -> None:
        predictions, labels = chunk.predictions, chunk.digits.labels
        self.total += len(predictions.probabilities)
        self.pictures += _count_pictures(chunk)
        self.network_seconds += chunk.seconds
        self.members_disagree += int(predictions.members_disagree.sum())
        self.views_disagree += int(predictions.views_disagree.sum())
        self.unreadable += chunk.digits.errors
        self.numbers += numbers_as_read(chunk)
        if labels is not None:
            self.labeled += len(labels)
            self.misclassified += int((predictions.probabilities.argmax(1) != labels).sum())

    def lines(self, *, with_confidence: bool) -> Iterator[str]:
        """Plain text. `with_confidence` adds a warning if the confidence is not calibrated."""
        classifier = self.classifier
        for number in self.numbers:
            yield f"{'number':<12}{number}"
        yield f"{'network':<12}{classifier.name}, {classifier.hardware}"
        seconds = time.perf_counter() - self.started_at
        speed = self.total / self.network_seconds
        yield f"{'digits':<12}{self.total:,} in {seconds:.1f} s, {speed:,.0f} a second in the network"
        if self.labeled:
            yield f"{'error':<12}{Score(self.misclassified, self.labeled)}"
        if len(classifier.members) > 1:
            yield self._disagreement("networks", self.members_disagree)
        if classifier.views:
            yield self._disagreement("augmented views", self.views_disagree)
        if with_confidence and not classifier.calibrated:
            uncalibrated = sorted({str(member.name) for member in classifier.members if not member.calibrated})
            reason = "it has no temperature, which only a finished run with validation digits has"
            yield f"{'confidence':<12}of {', '.join(uncalibrated)} is not calibrated; {reason}"

    def _disagreement(self, who: str, count: int) -> str:
        return f"{'disagreed':<12}{who} on {count:,} of {self.total:,} ({count / self.total:.2%})"


def _count_pictures(chunk: PredictedChunk) -> int:
    """The pictures of which at least one digit is read."""
    places = [source.place for source in chunk.digits.sources]
    return sum(place is None or place.index == 1 for place in places)
