"""How far a confidence can be believed (C. Guo et al. 2017, arXiv:1706.04599)."""

import math

import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor
from torchmetrics.functional.classification import multiclass_calibration_error


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The number by which to divide logits float [N, 10] so that the cross-entropy with the labels int64 [N] is least:
    above 1 if the network is too sure of itself. Not all of so few labels are believed (J. Platt 1999, section 2.2): a
    network without mistakes among them would become infinitely sure. It lies between 0.05 and 20.
    """
    doubt = 10 / 9 / (len(labels) + 2)

    def loss(log_temperature: float) -> float:
        scaled = logits.double() / math.exp(log_temperature)
        return float(F.cross_entropy(scaled, labels, label_smoothing=doubt))

    return math.exp(minimize_scalar(loss, bounds=(math.log(0.05), math.log(20)), method="bounded").x)


def calibration_error(logits: Tensor, labels: Tensor, temperature: float = 1.0) -> float:
    """The expected calibration error, a fraction: how far confidence and accuracy are apart in each of 15 bins of
    confidence, on average over the digits."""
    probabilities = (logits.double() / temperature).softmax(1)
    return float(multiclass_calibration_error(probabilities, labels, num_classes=10, n_bins=15, norm="l1"))


def calibration(logits: Tensor, labels: Tensor, temperature: float) -> dict[str, float]:
    """The form of `metrics.json`: the expected calibration error `before` and `after`."""
    return {
        "before": calibration_error(logits, labels),
        "after": calibration_error(logits, labels, temperature),
    }
