"""All labeled digits of a file or a folder in memory, for training."""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from digits.data.formats.archives import list_zip_names
from digits.data.formats.arrays import Array
from digits.data.formats.digit_file import InputFile
from digits.data.formats.matlab import read_mat
from digits.data.formats.named_arrays import has_part
from digits.data.formats.open_file import open_digit_file, read_head
from digits.data.formats.picture_files import (
    FoundPictures,
    find_in_archive,
    find_in_folder,
    is_archive_of_pictures,
    label_of_folder,
)
from digits.data.formats.recognize import recognize
from digits.data.pictures.choose import Predict, choose
from digits.data.pictures.decode import read_pictures
from digits.data.pictures.orient import orient
from digits.data.pictures.picture_formats import PictureFile, open_picture
from digits.errors import InputError
from digits.files import translate_read_errors

log = logging.getLogger(__name__)

CHUNK_DIGITS = 8192
PICTURES_PER_CHUNK = 256


@dataclass(frozen=True)
class LabeledDigits:
    images: Array
    """uint8 [N, 28, 28]"""
    labels: Array
    """int64 [N]"""


def read_labeled_file(path: str, part: str, *, as_is: bool, judge: Predict | None) -> LabeledDigits:
    """The digits of any file, or of a folder or ZIP archive with the folders 0 … 9 of pictures. `part` is train or
    test, for files that have both. Pictures are taken `as_is`, or `judge` chooses the digit in each.

    Raises InputError for a file that cannot be read, and for digits without labels."""
    if os.path.isdir(path):
        return _read_pictures(path, find_in_folder(path), as_is, judge)
    if is_archive_of_pictures(Path(path)):
        with TemporaryDirectory(prefix="digits-") as folder:
            return _read_pictures(path, find_in_archive(Path(path), Path(folder)), as_is, judge)
    opened = open_digit_file(path, part, CHUNK_DIGITS)
    log.info(f"{'read':<12}{path}: {opened.description}")
    images, labels = [], []
    for chunk in opened.chunks:
        if chunk.labels is None:
            raise InputError(
                f"{path}: no labels; training and testing need a column 'label', a file of labels beside the images, "
                "or an array y"
            )
        images.append(chunk.images)
        labels.append(chunk.labels)
    return LabeledDigits(np.concatenate(images), np.concatenate(labels))


def has_test_part(path: str) -> bool:
    """Whether a file holds test digits beside its training digits, as Keras's mnist.npz does."""
    if not os.path.isfile(path):  # a folder, or a pipe, which can be read only once
        return False
    with translate_read_errors(path):
        kind = recognize(read_head(Path(path)))
    array_names: list[str] = []
    if kind == "mat":
        array_names = list(read_mat(InputFile(Path(path), path)))
    elif kind == "zip":
        array_names = [name.removesuffix(".npy") for name in list_zip_names(Path(path))]
    return has_part(array_names, "train") and has_part(array_names, "test")


def _read_pictures(path: str, found: FoundPictures, as_is: bool, judge: Predict | None) -> LabeledDigits:
    pictures = []
    for picture in found.pictures:
        label = label_of_folder(picture)  # training may use a single label
        if label is None:
            raise InputError(f"{path}: pictures without labels; training needs a folder for each digit, {path}/7/a.png")
        pictures.append(replace(picture, label=label))
    log.info(f"{'read':<12}{path}: {len(pictures):,} pictures, labeled by their folders")
    if found.skipped is not None:
        log.info(f"{'read':<12}{path}: {found.skipped}")
    images, labels = [], []
    errors: list[str] = []
    for start in range(0, len(pictures), PICTURES_PER_CHUNK):
        chunk = pictures[start : start + PICTURES_PER_CHUNK]
        read = _pixels(chunk) if as_is else _chosen_digits(chunk, judge)
        for picture, image in zip(chunk, read, strict=True):
            if isinstance(image, InputError):
                errors.append(str(image))
            else:
                images.append(image)
                labels.append(picture.label)
    for error in errors:
        log.error(error)
    if errors:
        log.warning(f"{'skipped':<12}{len(errors):,} of {len(pictures):,} pictures (see above)")
    if not images:
        raise InputError(f"{path}: none of its pictures can be read")
    return LabeledDigits(np.stack(images), np.array(labels))


def _pixels(pictures: Sequence[PictureFile]) -> list[Array | InputError]:
    """The gray values of pictures of 28×28 pixels."""
    found: list[Array | InputError] = []
    for file in pictures:
        try:
            with open_picture(file.path.read_bytes()) as picture:
                gray = orient(picture).convert("L")
        except Exception as error:  # damaged files raise almost any error in Pillow's decoders
            found.append(InputError(f"{file.name}: cannot be decoded ({error})"))
            continue
        if gray.size == (28, 28):
            found.append(np.asarray(gray))
        else:
            found.append(InputError(f"{file.name}: is {gray.width}×{gray.height}; data.as_is=true needs 28×28 pixels"))
    return found


def _chosen_digits(pictures: Sequence[PictureFile], judge: Predict | None) -> list[Array | InputError]:
    """The digits that are found in pictures, as in prediction."""
    results = read_pictures(pictures)
    readable = [result.hypotheses for result in results if not isinstance(result, InputError)]
    if judge is None:
        raise InputError("pictures need a network that chooses their digits")
    chosen = iter(choose(readable, judge))
    found: list[Array | InputError] = []
    for file, result in zip(pictures, results, strict=True):
        if isinstance(result, InputError):
            found.append(result)
            continue
        hypothesis = next(chosen)
        if hypothesis is None or len(hypothesis.digits) != 1:
            found.append(InputError(f"{file.name}: no single digit found"))
        else:
            found.append(hypothesis.digits[0])
    return found
