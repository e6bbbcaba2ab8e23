"""Digits in any usual form are the same digits, chunk after chunk, and every fault is one line."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import frame, made_digits
from PIL import Image

from digits.data.pictures.decode import read_picture
from digits.errors import InputError
from digits.prediction.inputs import open_input

IMAGES, LABELS = made_digits(25)


def idx(array: np.ndarray) -> bytes:  # type: ignore[type-arg]
    return b"\0\0\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape) + array.tobytes()


def write(folder: Path, form: str) -> Path:
    path = folder / {"csv": "test.csv", "csv.gz": "test.csv.gz", "npy": "test.npy"}.get(form, "t10k-images-idx3-ubyte")
    content = frame(IMAGES, None).to_csv(index=False).encode() if "csv" in form else idx(IMAGES.numpy())
    if form == "npy":
        np.save(path, IMAGES.numpy())
    else:
        path.write_bytes(gzip.compress(content) if form.endswith("gz") else content)
    return path


@pytest.mark.parametrize("form", ["csv", "csv.gz", "npy", "idx", "idx.gz"])
@pytest.mark.parametrize("chunk_size", [7, 25, 100])
def test_forms(tmp_path: Path, form: str, chunk_size: int) -> None:
    digits = open_input(str(write(tmp_path, form)), chunk_size)
    fractions, chunks = [], []
    for read in digits.chunks:
        chunks.append(read())
        fractions.append(digits.fraction())
    assert [len(chunk.images) for chunk in chunks] == [min(chunk_size, 25 - n) for n in range(0, 25, chunk_size)]
    assert torch.equal(torch.cat([chunk.images for chunk in chunks]), IMAGES)
    assert all(chunk.labels is None for chunk in chunks)
    assert not digits.pictures
    assert fractions[-1] == 1
    assert fractions == sorted(fractions)  # type: ignore[type-var]


def test_what_is_in_a_file_counts_more_than_its_name(tmp_path: Path) -> None:
    for form in ("csv", "npy", "idx"):
        path = write(tmp_path, form).rename(tmp_path / "digits.dat")
        [read] = open_input(str(path), 100).chunks
        assert torch.equal(read().images, IMAGES)
    Image.new("L", (60, 60)).save(tmp_path / "picture", "PNG")
    assert open_input(str(tmp_path / "picture"), 100).pictures


def test_labels_beside_mnist_images(tmp_path: Path) -> None:
    path = write(tmp_path, "idx")
    labels = tmp_path / "t10k-labels-idx1-ubyte"
    labels.write_bytes(idx(LABELS.numpy().astype(np.uint8)))
    chunks = [read() for read in open_input(str(path), 10).chunks]
    assert torch.equal(torch.cat([chunk.labels for chunk in chunks if chunk.labels is not None]), LABELS)
    labels.write_bytes(idx(LABELS[:9].numpy().astype(np.uint8)))
    with pytest.raises(InputError, match="does not have as many labels"):
        open_input(str(path), 10)


def picture(path: Path, side: int = 90) -> None:
    values = np.full((side, side), 230, dtype=np.uint8)
    values[side // 5 : -side // 5, side // 2 : side // 2 + side // 12] = 30
    Image.fromarray(values).convert("RGB").save(path)


def test_pictures(tmp_path: Path) -> None:
    names = ["a.png", "b.jpg", "c.bmp", "d.tiff", "e.webp", "f (1), x=[2].PNG"]
    for name in names:
        picture(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    expected = [str(tmp_path / name) for name in names]
    for given in (str(tmp_path), f"{tmp_path}/*", expected):
        [read] = open_input(given, 10).chunks
        chunk = read()
        assert sorted(chunk.files) == expected
        assert chunk.images.shape == (6, 28, 28)
        assert not chunk.faults
        assert {thumbnail.shape for thumbnail in chunk.thumbnails} == {(90, 90, 3)}
    [read] = open_input(expected[-1], 10).chunks
    assert list(read().files) == expected[-1:]


def test_a_picture_that_cannot_be_used_is_named_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture(tmp_path / "good.png")
    (tmp_path / "text.png").write_text("hello")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) - 60])
    Image.new("L", (1, 1)).save(tmp_path / "one.png")
    Image.new("L", (90, 90), 200).save(tmp_path / "blank.png")
    Image.new("L", (400, 400), 200).save(tmp_path / "bomb.png")
    (tmp_path / "gif.png").write_bytes(b"GIF89a" + bytes(50))
    (tmp_path / "away.png").symlink_to(tmp_path / "nowhere.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60_000)
    [read] = open_input(str(tmp_path), 10).chunks
    chunk = read()
    assert [os.path.basename(file) for file in chunk.files] == ["good.png"]
    for name, message in {
        "text": "cannot be decoded as PNG, JPEG, BMP, TIFF or WEBP",
        "cut": "cannot be decoded",
        "one": "is 1×1",
        "blank": "is blank",
        "bomb": "more than 120,000 pixels",
        "gif": "cannot be decoded",
        "away": "no such file",
    }.items():
        [fault] = [fault for fault in chunk.faults if f"{name}.png" in fault]
        assert message in fault
        assert "\n" not in fault


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npy", None, "no such file"),
        ("a.csv", None, "no such file"),
        ("floats.npy", np.zeros((3, 28, 28)), r"uint8 \[N, 28, 28\] is expected, not float64 \[3, 28, 28\]"),
        ("flat.npy", np.zeros((3, 784), np.uint8), r"not uint8 \[3, 784\]"),
        ("none.npy", np.zeros((0, 28, 28), np.uint8), r"not uint8 \[0, 28, 28\]"),
        ("objects.npy", np.array([{}], dtype=object), "damaged, or not an array of numbers"),
        ("cut.npy", b"\x93NUMPY\x01\0v\0{'descr'", "damaged, or not an array of numbers"),
        ("cut-idx3-ubyte", idx(IMAGES.numpy())[:-5], "ends before all that its header announces"),
        ("header-idx3-ubyte", b"\0\0\x08\x03\0\0", "ends before all"),
        ("labels-idx1-ubyte", idx(np.zeros(5, np.uint8)), "not an IDX file of images"),
        ("other-idx3-ubyte", idx(np.zeros((5, 20, 20), np.uint8)), "images of 20×20; images of 28×28 are expected"),
        ("packed.gz", gzip.compress(bytes(5000), mtime=0)[:-9], "not a text file|cannot be read"),
        ("empty", b"", "empty; the header"),
        ("noise", bytes(range(256)), "not a text file"),
    ],
)
def test_arrays_that_cannot_be_used(tmp_path: Path, name: str, content: object, message: str) -> None:
    path = tmp_path / name
    if isinstance(content, np.ndarray):
        np.save(path, content)
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"{name}.*({message})") as raised:
        [read() for read in open_input(str(path), 10).chunks]
    assert "\n" not in str(raised.value)


def test_nothing_to_read(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not a picture")
    with pytest.raises(InputError, match="a folder without pictures"):
        open_input(str(tmp_path), 10)
    with pytest.raises(InputError, match="matches no picture"):
        open_input(f"{tmp_path}/*.png", 10)
    with pytest.raises(InputError, match=r"notes\.txt: not a picture; of other files only one"):
        open_input([str(tmp_path / "notes.txt"), str(tmp_path / "notes.txt")], 10)


def test_read_picture(tmp_path: Path) -> None:
    picture(tmp_path / "large.png", 600)
    thumbnail, pixels = read_picture(tmp_path / "large.png")
    assert thumbnail.shape == (192, 192, 3)
    assert pixels.shape == (28, 28)
