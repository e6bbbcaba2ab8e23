"""The number of this project: the error rate, with the counts it comes from."""

from typing import Any, NamedTuple

from scipy.stats import binomtest


class Score(NamedTuple):
    """Mistakes among `total` images, and their mean cross-entropy in nats."""

    errors: int
    total: int
    loss: float

    @property
    def error(self) -> float:
        """The error rate, a fraction."""
        return self.errors / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the error rate: what so many images can tell of it."""
        interval = binomtest(self.errors, self.total).proportion_ci(method="wilson")
        return float(interval.low), float(interval.high)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.error:.2%} ({self.errors:,}/{self.total:,}, 95% interval {100 * low:.2f}–{100 * high:.2f}%)"

    def as_dict(self) -> dict[str, Any]:
        """The form of `metrics.json`."""
        low, high = self.interval
        return {**self._asdict(), "error": self.error, "low": low, "high": high}
