"""The result of an evaluation: the error rate, with the counts that it comes from."""

from collections.abc import Mapping
from math import sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

QUANTILE = NormalDist().inv_cdf(0.975)  # of a 95 % interval


class Score(NamedTuple):
    """Misclassified images among `total` images, and means of other quantities over the same images."""

    errors: int
    total: int
    means: Mapping[str, float] = {}
    """`loss`: the cross-entropy in nats without label smoothing"""

    @property
    def error(self) -> float:
        """The error rate, a fraction."""
        return self.errors / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % score interval of the error rate. SciPy's takes a second to import."""
        weight = QUANTILE**2 / self.total
        center = (self.error + weight / 2) / (1 + weight)
        half_width = sqrt(weight * (self.error * (1 - self.error) + weight / 4)) / (1 + weight)
        low = 0.0 if self.errors == 0 else center - half_width
        high = 1.0 if self.errors == self.total else center + half_width
        return low, high

    def by_name(self, stage: str) -> dict[str, float]:
        """The error rate and the means under their names in history.csv and loggers: `val/error`, `val/loss`."""
        quantities = {"error": self.error, **self.means}
        return {f"{stage}/{name}": value for name, value in quantities.items()}

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.error:.2%} ({self.errors:,}/{self.total:,}, 95% interval {100 * low:.2f}–{100 * high:.2f}%)"

    def as_dict(self) -> dict[str, Any]:
        """The form of `metrics.json`."""
        low, high = self.interval
        return {
            "errors": self.errors, "total": self.total, **self.means, "error": self.error, "low": low, "high": high,
        }  # fmt: skip
