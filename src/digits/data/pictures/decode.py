"""Picture files: decoded, and brought to MNIST's convention."""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from digits.data.pictures.images import Array, normalize_picture, upright
from digits.errors import InputError

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
THUMBNAIL = 192  # pixels of the longer side


def read_pictures(paths: Sequence[Path]) -> list[tuple[Array, Array] | InputError]:
    """`read_picture` of each, or what is wrong with it."""
    with warnings.catch_warnings(), ThreadPoolExecutor(torch.get_num_threads()) as pool:
        warnings.simplefilter("ignore")  # of large pictures and small damages: errors follow where it matters
        return list(pool.map(_try_picture, paths))  # Pillow and SciPy let other threads run


def _try_picture(path: Path) -> tuple[Array, Array] | InputError:
    try:
        return read_picture(path)
    except InputError as error:
        return error


def read_picture(path: str | Path) -> tuple[Array, Array]:
    """A picture as a thumbnail uint8 [h, w, 3] and in MNIST's convention, uint8 [28, 28].

    Raises InputError if it cannot be decoded or no digit is in it.
    """
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise InputError("not a file")
        with Image.open(path, formats=FORMATS) as file:
            picture = upright(file)
            image = normalize_picture(picture)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnidentifiedImageError:
        raise InputError(f"{path}: cannot be decoded as {', '.join(FORMATS[:-1])} or {FORMATS[-1]}") from None
    except Image.DecompressionBombError:
        raise InputError(f"{path}: has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; reduce it") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:  # Pillow's decoders raise all of these
        raise InputError(f"{path}: cannot be decoded ({error})") from None
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return np.asarray(picture.convert("RGB")), image
