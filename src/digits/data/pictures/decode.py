"""Picture files to MNIST's format, with a thumbnail of each."""

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from digits.data.pictures.normalize import normalize_oriented, orient
from digits.data.pictures.segment import Array
from digits.errors import InputError

IMAGE_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")
THUMBNAIL_SIZE = 192  # pixels of the longer side


def read_pictures(paths: Sequence[Path]) -> list[tuple[Array, Array] | InputError]:
    """`read_picture` of each path, or its error. Uses as many threads as PyTorch."""

    def read(path: Path) -> tuple[Array, Array] | InputError:
        try:
            return read_picture(path)
        except InputError as error:
            return error

    with warnings.catch_warnings(), ThreadPoolExecutor(torch.get_num_threads()) as pool:
        warnings.simplefilter("ignore")  # about large pictures and minor damage
        return list(pool.map(read, paths))  # Pillow and SciPy release the GIL


def read_picture(path: str | Path) -> tuple[Array, Array]:
    """A thumbnail uint8 [h, w, 3] and the digit in MNIST's format, uint8 [28, 28].

    Raises InputError if the file cannot be decoded or shows no digit.
    """
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise InputError("not a file")
        with Image.open(path, formats=IMAGE_FORMATS) as file:
            picture = orient(file)
            digit = normalize_oriented(picture)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnidentifiedImageError:
        *others, last = IMAGE_FORMATS
        raise InputError(f"{path}: cannot be decoded as {', '.join(others)} or {last}") from None
    except Image.DecompressionBombError:
        raise InputError(f"{path}: has more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels; reduce it") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:  # Pillow's decoders raise all of these
        raise InputError(f"{path}: cannot be decoded ({error})") from None
    picture.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE))
    return np.asarray(picture.convert("RGB")), digit
