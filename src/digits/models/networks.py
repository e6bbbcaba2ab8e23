"""The networks: each takes pixels float32 [N, 1, 28, 28] in [0, 1] and gives logits [N, 10].

Channels and features of the input are inferred, so that each function reads as the table of its paper.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from digits.errors import InputError
from digits.models.layers import (
    Dropout,
    GlobalMaxPool,
    build,
    build_keras,
    classes,
    conv,
    conv_norm,
    dense,
    m_network,
)  # fmt: skip


def mlp() -> nn.Sequential:
    """J. Brownlee's baseline, machinelearningmastery.com: both layers drawn from N(0, 0.05)."""
    network = build(nn.Flatten(), dense(784), classes())
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.05)
            nn.init.zeros_(layer.bias)
    return network


def simple_cnn() -> nn.Sequential:
    """J. Brownlee's simple CNN."""
    return build_keras(
        conv(32, 5), nn.MaxPool2d(2), Dropout(0.2),
        nn.Flatten(), dense(128), classes(),
    )  # fmt: skip


def larger_cnn() -> nn.Sequential:
    """J. Brownlee's larger CNN."""
    return build_keras(
        conv(30, 5), nn.MaxPool2d(2),
        conv(15, 3), nn.MaxPool2d(2), Dropout(0.2),
        nn.Flatten(), dense(128), dense(50), classes(),
    )  # fmt: skip


def keras_cnn() -> nn.Sequential:
    """`mnist_cnn.py` of the Keras examples."""
    return build_keras(
        conv(32, 3), conv(64, 3), nn.MaxPool2d(2), Dropout(0.25),
        nn.Flatten(), dense(128), Dropout(0.5), classes(),
    )  # fmt: skip


def kaggle_cnn() -> nn.Sequential:
    """Y. Ghouzam, "Introduction to CNN Keras", Kaggle 2017."""
    return build_keras(
        conv(32, 5, "same"), conv(32, 5, "same"), nn.MaxPool2d(2), Dropout(0.25),
        conv(64, 3, "same"), conv(64, 3, "same"), nn.MaxPool2d(2), Dropout(0.25),
        nn.Flatten(), dense(256), Dropout(0.5), classes(),
    )  # fmt: skip


def conv28() -> nn.Sequential:
    """One convolution of 28 filters, with no activation after it."""
    return build_keras(
        nn.LazyConv2d(28, 3), nn.MaxPool2d(2),
        nn.Flatten(), dense(128), Dropout(0.2), classes(),
    )  # fmt: skip


def dropout_cnn() -> nn.Sequential:
    """Two convolutions and two dense layers with dropout: the network of the Adadelta pair."""
    return build_keras(
        conv(32, 5), nn.MaxPool2d(2),
        conv(64, 3), nn.MaxPool2d(2),
        nn.Flatten(), dense(128), Dropout(0.3), dense(64), Dropout(0.5), classes(),
    )  # fmt: skip


def m3() -> nn.Sequential:
    """S. An et al. 2020, arXiv:2008.10400: ten 3×3 convolutions."""
    return m_network(3, range(32, 177, 16))


def m5() -> nn.Sequential:
    """S. An et al. 2020: five 5×5 convolutions."""
    return m_network(5, range(32, 161, 32))


def m7() -> nn.Sequential:
    """S. An et al. 2020: four 7×7 convolutions."""
    return m_network(7, range(48, 193, 48))


def compact_cnn() -> nn.Sequential:
    """This project's own: the best error for the least arithmetic."""
    return build(
        conv_norm(32, 3, "same"), conv_norm(32, 3, "same"), nn.MaxPool2d(2),
        conv_norm(64, 3, "same"), conv_norm(64, 3, "same"), nn.MaxPool2d(2),
        conv_norm(128, 3, "same"), conv_norm(128, 3, "same"), GlobalMaxPool(),
        classes(),
    )  # fmt: skip


def fast_cnn() -> nn.Sequential:
    """The network of github.com/tuomaso/train_mnist_fast: 99 % after one epoch."""
    return build(
        conv(24, 5), nn.MaxPool2d(2),
        conv(32, 3), nn.MaxPool2d(2),
        nn.Flatten(), dense(256), classes(),
    )  # fmt: skip


NETWORKS: dict[str, Callable[..., nn.Sequential]] = {
    network.__name__: network
    for network in (
        mlp, simple_cnn, larger_cnn, keras_cnn, kaggle_cnn, conv28, dropout_cnn, m3, m5, m7, compact_cnn, fast_cnn
    )
}  # fmt: skip


def build_network(name: str, **options: Any) -> nn.Sequential:
    """The network of that name, freshly initialised from torch's global generator; `options` are its function's.

    Raises InputError if there is no such network, or no such option of it.
    """
    if name not in NETWORKS:
        raise InputError(f"model.name={name}: no such network; there are {', '.join(NETWORKS)}")
    try:
        return NETWORKS[name](**options)
    except TypeError as error:
        raise InputError(f"model: {error}") from error
