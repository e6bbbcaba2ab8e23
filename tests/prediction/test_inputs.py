"""Every input format gives the same digits in chunks, and every error is one line."""

import gzip
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers import frame, made_digits
from PIL import Image

from digits.errors import InputError
from digits.prediction import inputs
from digits.prediction.chunks import DigitChunk, Picture, PictureChunk
from digits.prediction.inputs import DigitStream, PictureStream, open_input

IMAGES, LABELS = made_digits(25)


def idx(array: np.ndarray[Any, Any]) -> bytes:
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape) + array.tobytes()


def npy(array: np.ndarray[Any, Any]) -> bytes:
    np.save(buffer := BytesIO(), array)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["csv", "csv.gz", "npy", "idx", "idx.gz"])
@pytest.mark.parametrize("chunk_size", [7, 25, 100])
def test_content_decides_on_the_format(tmp_path: Path, form: str, chunk_size: int) -> None:
    content = frame(IMAGES, None).to_csv(index=False).encode() if "csv" in form else idx(IMAGES.numpy())
    content = npy(IMAGES.numpy()) if form == "npy" else content
    (tmp_path / "digits.dat").write_bytes(gzip.compress(content) if "gz" in form else content)
    stream = open_input(str(tmp_path / "digits.dat"), chunk_size)
    assert isinstance(stream, DigitStream)
    chunks = list(stream.chunks)
    assert [len(chunk.images) for chunk in chunks] == [min(chunk_size, 25 - n) for n in range(0, 25, chunk_size)]
    assert np.array_equal(np.concatenate([chunk.images for chunk in chunks]), IMAGES)
    assert all(chunk.labels is None for chunk in chunks)
    progress = [chunk.progress or 0 for chunk in chunks]
    assert progress[-1] == 1
    assert progress == sorted(progress)


def read_all(path: Path) -> list[DigitChunk | PictureChunk]:
    return list(open_input(str(path), 10).chunks)


def write_mnist(folder: Path, labels: torch.Tensor) -> list[Path]:
    paths = [folder / "t10k-images-idx3-ubyte", folder / "t10k-labels-idx1-ubyte"]
    for path, values in zip(paths, (IMAGES, labels), strict=True):
        path.write_bytes(idx(values.numpy().astype(np.uint8)))
    return paths


def test_labels_of_mnist_images_are_read_too(tmp_path: Path) -> None:
    paths = write_mnist(tmp_path, LABELS)
    stream = open_input(str(paths[0]), 10)
    assert stream.files == paths
    assert np.concatenate([chunk.labels for chunk in stream.chunks]).tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("labels", "message"), [(LABELS[:9], "9 labels for the 25 images"), (LABELS + 2, "label 10 is not a digit")]
)
def test_other_labels_are_refused(tmp_path: Path, labels: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_all(write_mnist(tmp_path, labels)[0])


@pytest.mark.parametrize(
    "damage", [lambda packed: packed[:-8] + bytes(8), lambda packed: packed[:-8], lambda packed: 2 * packed]
)
@pytest.mark.parametrize("damaged", [0, 1])
def test_checksum_of_gzipped_idx_files_is_verified(
    tmp_path: Path, damaged: int, damage: Callable[[bytes], bytes]
) -> None:
    paths = write_mnist(tmp_path, LABELS)
    for number, path in enumerate(paths):
        packed = gzip.compress(path.read_bytes())
        path.write_bytes(damage(packed) if number == damaged else packed)
    with pytest.raises(InputError, match=f"{paths[damaged].name}: (cannot be read|holds more)"):
        read_all(paths[0])


def save_picture(path: Path) -> None:
    Image.fromarray(np.pad(np.full((54, 8), 30, np.uint8), ((18, 18), (41, 41)), constant_values=230)).convert(
        "RGB"
    ).save(path)


def test_pictures_are_a_file_a_list_a_folder_or_a_glob(tmp_path: Path) -> None:
    expected = [str(tmp_path / name) for name in ("a.png", "b.jpg", "c.bmp", "d.tiff", "e.webp", "f (1), x=[2].PNG")]
    for path in expected:
        save_picture(Path(path))
    (tmp_path / "notes.txt").write_text("not a picture")
    for names in (str(tmp_path), f"{tmp_path}/*", expected):
        stream = open_input(names, 10)
        assert isinstance(stream, PictureStream)
        [chunk] = stream.chunks
        pictures = [picture for picture in chunk.pictures if isinstance(picture, Picture)]
        assert sorted(picture.file for picture in pictures) == expected
        assert all(picture.decoded.hypotheses[0].digits.shape == (1, 28, 28) for picture in pictures)
        assert chunk.progress == 1
    Path(expected[-1]).rename(tmp_path / "f [1], no suffix")
    [chunk] = read_all(tmp_path / "f [1], no suffix")
    assert [picture.file for picture in chunk.pictures] == [str(tmp_path / "f [1], no suffix")]


@pytest.mark.parametrize("thumbnails", [False, True])
def test_thumbnails_are_made_on_request(tmp_path: Path, thumbnails: bool) -> None:
    save_picture(tmp_path / "a.png")
    [chunk] = open_input(str(tmp_path), 10, thumbnails=thumbnails).chunks
    [picture] = chunk.pictures
    shape = None if picture.decoded.thumbnail is None else picture.decoded.thumbnail.shape
    assert shape == ((90, 90, 3) if thumbnails else None)


def test_picture_that_is_named_twice_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "PICTURES_PER_CHUNK", 2)
    paths = [str(tmp_path / name) for name in ("a.png", "b.png", "c.png")]
    for path in paths:
        save_picture(Path(path))
    chunks = open_input([paths[2], str(tmp_path)], 10).chunks
    files = [picture.file for chunk in chunks for picture in chunk.pictures]
    assert files == [paths[2], paths[0], paths[1]]


def test_hidden_files_of_a_folder_are_not_read(tmp_path: Path) -> None:
    save_picture(tmp_path / "a.png")
    (tmp_path / ".b.png").touch()
    assert open_input(str(tmp_path), 10).files == [tmp_path / "a.png"]


def test_unreadable_picture_is_named_and_the_others_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_picture(tmp_path / "good.png")
    (tmp_path / "away.png").symlink_to(tmp_path / "nowhere.png")
    Image.new("L", (90, 90), 200).save(tmp_path / "blank.png")
    Image.new("L", (400, 400), 200).save(tmp_path / "large.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:-60])
    (tmp_path / "gif.png").write_bytes(b"GIF89a" + bytes(50))
    Image.new("L", (1, 1)).save(tmp_path / "one.png")
    (tmp_path / "text.png").write_text("hello")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60_000)
    [chunk] = read_all(tmp_path)
    assert [one.file for one in chunk.pictures if isinstance(one, Picture)] == [str(tmp_path / "good.png")]
    errors = [str(one) for one in chunk.pictures if isinstance(one, InputError)]
    formats = "cannot be decoded as PNG, JPEG, "
    messages = ["no such file", "is blank", "cannot be decoded (", formats, "more than 120,000 pixels", "1×1", formats]
    names = ["away", "blank", "cut", "gif", "large", "one", "text"]
    for error, name, message in zip(errors, names, messages, strict=True):
        assert error.startswith(f"{tmp_path}/{name}.png: ")
        assert message in error
        assert "\n" not in error


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npy", None, "no such file"),
        ("color.npy", np.zeros((3, 28, 28, 3)), r"color images \[3, 28, 28, 3\]"),
        ("flat.npy", np.zeros((3, 700), np.uint8), r"images \[N, 28, 28\] or \[N, 784\] are expected"),
        ("none.npy", np.zeros((0, 28, 28), np.uint8), "holds no images"),
        ("objects.npy", np.array([{}], dtype=object), "holds Python objects"),
        ("cut.npy", b"\x93NUMPY\x01\0v\0{'descr'", "damaged, or not an array of numbers"),
        ("cut-idx3-ubyte", idx(IMAGES.numpy())[:-5], "ends before"),
        ("long-idx3-ubyte", idx(IMAGES.numpy()) + b"\0", "holds more than its header announces"),
        ("long.npy", npy(IMAGES.numpy()) + b"\0", "holds more than its header announces"),
        ("floats-idx3-ubyte", b"\0\0\x0d\x03" + idx(IMAGES.numpy())[4:], "ends before"),
        ("header-idx3-ubyte", b"\0\0\x08\x03\0\0", "ends before"),
        ("labels-idx1-ubyte", idx(np.zeros(5, np.uint8)), "labels, not images"),
        ("other-idx3-ubyte", idx(np.zeros((5, 21, 21), np.uint8)), "images of 21×21"),
        ("packed.gz", gzip.compress(bytes(5000), mtime=0)[:-9], "not a text file|cannot be read"),
        ("empty", b"", "empty"),
        ("noise", bytes(range(256)), "not a text file"),
    ],
)
def test_invalid_file_is_refused(tmp_path: Path, name: str, content: object, message: str) -> None:
    if isinstance(content, np.ndarray):
        np.save(tmp_path / name, content)
    elif isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}.*({message})") as raised:
        read_all(tmp_path / name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("names", "message"),
    [([""], "holds 1 file, no picture"), (["*.png"], "matches no file"), (["a.txt", "a.txt"], "only one file")],
)
def test_input_without_digits_is_refused(tmp_path: Path, names: list[str], message: str) -> None:
    (tmp_path / "a.txt").write_text("not a picture")
    with pytest.raises(InputError, match=message):
        open_input([str(tmp_path / name) for name in names], 10)


@pytest.mark.parametrize("name", ["a\0b", 300 * "a", "loop"])
def test_impossible_name_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(InputError):
        read_all(tmp_path / name)


def test_unreadable_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(path: str) -> list[str]:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("os.listdir", denied)  # the tests may run as root, which may read everything
    with pytest.raises(InputError, match="Permission denied"):
        open_input(str(tmp_path), 10)


BROKEN_HEADERS = {  # of pictures, in a file without a picture's suffix
    "tiff": b"II*\0\x08\0\0\0\x02\0" + struct.pack("<HHII", 256, 4, 1, 0) + struct.pack("<HHII", 257, 4, 1, 0),
    "png": b"\x89PNG\r\n\x1a\n\0\0\0\x02IHDR" + bytes(2) + struct.pack(">I", zlib.crc32(b"IHDR\0\0")),
}


@pytest.mark.parametrize("form", BROKEN_HEADERS)
def test_broken_header_of_a_picture_is_one_line(tmp_path: Path, form: str) -> None:
    (tmp_path / "digits").write_bytes(BROKEN_HEADERS[form] + bytes(8))
    with pytest.raises(InputError):
        read_all(tmp_path / "digits")
