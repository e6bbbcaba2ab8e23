"""MNIST's files: where they lie, download and verification."""

import gzip
import os
import struct
import threading
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import md5
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from helpers import PROJECT, made_digits
from torchvision.datasets import MNIST

from digits.data import mnist_files
from digits.data.sources import mnist
from digits.errors import InputError


@pytest.fixture
def small_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of small versions of MNIST's four files, with the checksums changed to theirs."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for split, count in (("train", 30), ("t10k", 20)):
        images, labels = made_digits(count, seed=count)
        for name, content in {
            f"{split}-images-idx3-ubyte": struct.pack(">4i", 2051, count, 28, 28) + images.numpy().tobytes(),
            f"{split}-labels-idx1-ubyte": struct.pack(">2i", 2049, count) + labels.to(torch.uint8).numpy().tobytes(),
        }.items():
            (raw / name).write_bytes(content)
            monkeypatch.setitem(
                mnist_files.MNIST_FILES, name, mnist_files.FileCheck(len(content), md5(content).hexdigest())
            )
    return tmp_path


@pytest.mark.parametrize(("name", "damage", "message"), [
    ("train-images-idx3-ubyte", lambda content: b"\0" * 10, ".*10 bytes.*delete it"),
    ("train-images-idx3-ubyte", lambda content: content[:-1] + b"\7", ".*MD5.*delete it"),
    ("t10k-labels-idx1-ubyte", None, " is missing.*data.download.*data=sample"),
], ids=["cut", "altered", "missing"])  # fmt: skip
def test_damaged_or_missing_file_is_named(
    small_mnist: Path, name: str, damage: Callable[[bytes], bytes] | None, message: str
) -> None:
    path = small_mnist / "MNIST" / "raw" / name
    path.write_bytes(damage(path.read_bytes())) if damage else path.unlink()
    with pytest.raises(InputError, match=name + message):
        mnist(str(small_mnist), download=damage is not None)


@pytest.fixture
def mirror(small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a local server from which torchvision downloads the small files, gzipped."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    resources = []
    for name in mnist_files.MNIST_FILES:
        packed = gzip.compress((small_mnist / "MNIST" / "raw" / name).read_bytes())
        (folder / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", md5(packed).hexdigest()))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(MNIST, "resources", resources)
    yield folder
    server.shutdown()
    server.server_close()


def test_files_are_downloaded_once(mirror: Path, tmp_path: Path) -> None:
    for _ in range(2):
        train, test, _ = mnist(str(tmp_path / "new"))
        assert torch.equal(train.images, made_digits(30, seed=30)[0])
        assert torch.equal(test.images, made_digits(20, seed=20)[0])
        assert torch.equal(test.labels, made_digits(20)[1])
        for packed in mirror.iterdir():
            packed.unlink()


@pytest.mark.parametrize("cause", ["unreachable", "altered"])
def test_failed_download_is_one_line_with_a_remedy(mirror: Path, tmp_path: Path, cause: str) -> None:
    for packed in mirror.iterdir():
        packed.unlink() if cause == "unreachable" else packed.write_bytes(gzip.compress(b"something else"))
    with pytest.raises(InputError, match="raw: .*not downloaded.*data.root.*data=sample") as raised:
        mnist(str(tmp_path / "new"))
    assert "\n" not in str(raised.value)


PLACES = [Path(os.environ.get("DIGITS_MNIST", ".")), PROJECT.parent / "shared" / "data"]


@pytest.mark.skipif(not any((place / "MNIST").is_dir() for place in PLACES), reason="needs MNIST, in DIGITS_MNIST")
def test_full_mnist() -> None:
    root = next(place for place in PLACES if (place / "MNIST").is_dir())
    train, test, _ = mnist(str(root), download=False)
    assert train.images.shape == (60_000, 28, 28)
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert test.labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def move_files(root: Path, folder: Path, *, compress: bool = False, dotted: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in (root / "MNIST" / "raw").iterdir():
        name = path.name.replace("-idx", ".idx") if dotted else path.name
        content = path.read_bytes()
        path.unlink()
        target = folder / (f"{name}.gz" if compress else name)
        target.write_bytes(gzip.compress(content) if compress else content)


@pytest.mark.parametrize("folder", ["MNIST/raw", "raw", "."])
@pytest.mark.parametrize("options", [{}, {"compress": True}, {"dotted": True}], ids=str)
def test_files_are_found_where_people_have_them(
    small_mnist: Path, tmp_path: Path, folder: str, options: dict[str, bool]
) -> None:
    move_files(small_mnist, tmp_path / "own" / folder, **options)
    train, test, _ = mnist(str(tmp_path / "own"), download=False)
    assert torch.equal(train.images, made_digits(30, seed=30)[0])
    assert torch.equal(test.labels, made_digits(20)[1])
    folders = [path for path in (tmp_path / "own").rglob("*") if path.is_dir()]
    assert all(any(path.iterdir()) for path in folders)


def test_another_data_set_is_not_to_be_deleted(small_mnist: Path) -> None:
    images, _ = made_digits(7)
    path = small_mnist / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(struct.pack(">4i", 2051, 7, 28, 28) + images.numpy().tobytes())
    with pytest.raises(InputError, match=r"another data set \(uint8 \[7, 28, 28\]\); read it with data=file") as raised:
        mnist(str(small_mnist))
    assert "delete" not in str(raised.value)


def test_failed_download_leaves_no_folder(mirror: Path, tmp_path: Path) -> None:
    for packed in mirror.iterdir():
        packed.unlink()
    with pytest.raises(InputError):
        mnist(str(tmp_path / "new"))
    assert not (tmp_path / "new").exists()
