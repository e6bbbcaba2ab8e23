"""Images of other sizes in MNIST's format."""

import numpy as np

from digits.data.formats.arrays import Array


def resize_to_mnist(images: Array) -> Array:
    """Images uint8 [N, side, side], white on black, to uint8 [N, 28, 28]. Those of 28×28 stay as they are. Others are
    scaled and centered as a digit in a picture is."""
    if images.shape[1:] == (28, 28):
        return images
    from digits.data.pictures.mnist_format import fit_and_center  # imported late: SciPy takes longer than all readers

    resized = [fit_and_center(image.astype(np.float32) / 255) for image in images]
    return np.stack(resized)
