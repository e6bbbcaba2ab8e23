"""The networks: functions that return a module from pixels float32 [N, 1, 28, 28] in [0, 1] to logits [N, 10].

To add one, write a function, add it to `NETWORKS`, and write conf/model/NAME.yaml with `name: NAME`.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from digits.errors import InputError
from digits.models.layers import (
    FastDropout,
    GlobalMaxPool,
    RescaleToMinusOneOne,
    conv,
    conv_norm,
    dense,
    keras_sequential,
    output_layer,
    sequential,
)


def mlp() -> nn.Module:
    """J. Brownlee's baseline, machinelearningmastery.com; both layers initialized from N(0, 0.05)."""
    layers = sequential(nn.Flatten(), dense(784), output_layer())
    for layer in layers.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=0.05)
            nn.init.zeros_(layer.bias)
    return layers


def simple_cnn() -> nn.Module:
    """J. Brownlee's simple CNN."""
    return keras_sequential(
        conv(32, 5), nn.MaxPool2d(2), FastDropout(0.2),
        nn.Flatten(), dense(128), output_layer(),
    )  # fmt: skip


def larger_cnn() -> nn.Module:
    """J. Brownlee's larger CNN."""
    return keras_sequential(
        conv(30, 5), nn.MaxPool2d(2),
        conv(15, 3), nn.MaxPool2d(2), FastDropout(0.2),
        nn.Flatten(), dense(128), dense(50), output_layer(),
    )  # fmt: skip


def keras_cnn() -> nn.Module:
    """`mnist_cnn.py` of the Keras examples."""
    return keras_sequential(
        conv(32, 3), conv(64, 3), nn.MaxPool2d(2), FastDropout(0.25),
        nn.Flatten(), dense(128), FastDropout(0.5), output_layer(),
    )  # fmt: skip


def kaggle_cnn() -> nn.Module:
    """Y. Ghouzam, "Introduction to CNN Keras", Kaggle 2017."""
    return keras_sequential(
        conv(32, 5, "same"), conv(32, 5, "same"), nn.MaxPool2d(2), FastDropout(0.25),
        conv(64, 3, "same"), conv(64, 3, "same"), nn.MaxPool2d(2), FastDropout(0.25),
        nn.Flatten(), dense(256), FastDropout(0.5), output_layer(),
    )  # fmt: skip


def conv28() -> nn.Module:
    """One convolution of 28 filters, without an activation."""
    return keras_sequential(
        nn.LazyConv2d(28, 3), nn.MaxPool2d(2),
        nn.Flatten(), dense(128), FastDropout(0.2), output_layer(),
    )  # fmt: skip


def dropout_cnn() -> nn.Module:
    """Two convolutions and two dense layers with dropout: the network of `experiment=adadelta`."""
    return keras_sequential(
        conv(32, 5), nn.MaxPool2d(2),
        conv(64, 3), nn.MaxPool2d(2),
        nn.Flatten(), dense(128), FastDropout(0.3), dense(64), FastDropout(0.5), output_layer(),
    )  # fmt: skip


def m3() -> nn.Module:
    """S. An et al. 2020, arXiv:2008.10400: ten 3×3 convolutions."""
    return m_cnn(3, range(32, 177, 16))


def m5() -> nn.Module:
    """S. An et al. 2020: five 5×5 convolutions."""
    return m_cnn(5, range(32, 161, 32))


def m7() -> nn.Module:
    """S. An et al. 2020: four 7×7 convolutions."""
    return m_cnn(7, range(48, 193, 48))


def m_cnn(kernel: int, channels: range) -> nn.Module:
    return sequential(
        RescaleToMinusOneOne(),
        *(conv_norm(count, kernel) for count in channels),
        nn.Flatten(), nn.LazyLinear(10, bias=False), nn.LazyBatchNorm1d(),
    )  # fmt: skip


def compact_cnn() -> nn.Module:
    """This project's own network: the lowest error for its number of operations."""
    return sequential(
        conv_norm(32, 3, "same"), conv_norm(32, 3, "same"), nn.MaxPool2d(2),
        conv_norm(64, 3, "same"), conv_norm(64, 3, "same"), nn.MaxPool2d(2),
        conv_norm(128, 3, "same"), conv_norm(128, 3, "same"), GlobalMaxPool(),
        output_layer(),
    )  # fmt: skip


def wide_cnn() -> nn.Module:
    """This project's own network of `experiment=record`: twice the channels of `compact_cnn`, and nine convolutions."""
    return sequential(
        *(conv_norm(64, 3, "same") for _ in range(3)), nn.MaxPool2d(2),
        *(conv_norm(128, 3, "same") for _ in range(3)), nn.MaxPool2d(2),
        *(conv_norm(256, 3, "same") for _ in range(3)), GlobalMaxPool(),
        output_layer(),
    )  # fmt: skip


def small_cnn() -> nn.Module:
    """The network of the default run: half the channels of `compact_cnn`, and one 5×5 convolution as first block."""
    return sequential(
        conv_norm(16, 5, "same"), nn.MaxPool2d(2),
        conv_norm(32, 3, "same"), conv_norm(32, 3, "same"), nn.MaxPool2d(2),
        conv_norm(64, 3, "same"), conv_norm(64, 3, "same"), GlobalMaxPool(),
        output_layer(),
    )  # fmt: skip


def fast_cnn() -> nn.Module:
    """The network of github.com/tuomaso/train_mnist_fast: 99 % after one epoch."""
    return sequential(
        conv(24, 5), nn.MaxPool2d(2),
        conv(32, 3), nn.MaxPool2d(2),
        nn.Flatten(), dense(256), output_layer(),
    )  # fmt: skip


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "mlp": mlp,
    "simple_cnn": simple_cnn,
    "larger_cnn": larger_cnn,
    "keras_cnn": keras_cnn,
    "kaggle_cnn": kaggle_cnn,
    "conv28": conv28,
    "dropout_cnn": dropout_cnn,
    "m3": m3,
    "m5": m5,
    "m7": m7,
    "compact_cnn": compact_cnn,
    "wide_cnn": wide_cnn,
    "small_cnn": small_cnn,
    "fast_cnn": fast_cnn,
}


def build_network(name: str, **options: Any) -> nn.Module:
    """A new network, initialized from torch's global generator; `options` are arguments of its function.

    Raises InputError if there is no such network, or if it has no such option.
    """
    if name not in NETWORKS:
        raise InputError(f"model.name={name}: no such network; choose one of {', '.join(NETWORKS)}")
    try:
        return NETWORKS[name](**options)
    except TypeError as error:
        raise InputError(f"model: {error}") from error
