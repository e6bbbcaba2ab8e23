"""The bundled network as the judge of images: whether they look like digits, and where a picture shows one."""

from functools import cache

import numpy as np
import torch
from torch import nn

from digits.data.pictures.masks import Array
from digits.models.layers import scale_images
from digits.runs.checkpoint import BUNDLED_PATH, load_network

BATCH_SIZE = 128


def predict_with_bundled(images: Array) -> Array:
    """Images uint8 [N, 28, 28] to probabilities float32 [N, 10], on the CPU."""
    network, temperature = _bundled_network()
    batches = torch.from_numpy(np.ascontiguousarray(images)).split(BATCH_SIZE)
    with torch.inference_mode():
        logits = torch.cat([network(scale_images(batch)) for batch in batches])
        probabilities: Array = (logits / temperature).softmax(1).numpy()
    return probabilities


@cache
def _bundled_network() -> tuple[nn.Module, float]:
    network, _, temperature = load_network(BUNDLED_PATH)
    return network, temperature or 1.0
