"""The bundled sample, and MNIST's files: found, downloaded, verified."""

import gzip
import os
import struct
import threading
from collections.abc import Iterator
from functools import partial
from hashlib import md5
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from helpers import PROJECT, made_digits
from torchvision.datasets import MNIST

from digits.data import idx
from digits.data.sources import mnist, sample
from digits.errors import InputError


def test_sample_is_balanced_and_always_the_same() -> None:
    train, test = sample()
    assert test is not None
    assert train.images.shape == (4500, 28, 28)
    assert train.images.dtype == torch.uint8
    assert train.labels.bincount().tolist() == [450] * 10
    assert test.labels.bincount().tolist() == [50] * 10
    torch.manual_seed(1)
    again = sample()
    assert torch.equal(again.train.images, train.images)
    assert not set(map(bytes, test.images.numpy())) & set(map(bytes, train.images.numpy()))


@pytest.fixture
def small_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with MNIST's four files in small, which the checksums are made to expect; returns its root."""
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    expected = {}
    for part, count in (("train", 30), ("t10k", 20)):
        images, labels = made_digits(count, seed=count)
        contents = {
            f"{part}-images-idx3-ubyte": struct.pack(">4i", 2051, count, 28, 28) + images.numpy().tobytes(),
            f"{part}-labels-idx1-ubyte": struct.pack(">2i", 2049, count) + labels.to(torch.uint8).numpy().tobytes(),
        }
        for name, content in contents.items():
            (raw / name).write_bytes(content)
            expected[name] = (len(content), md5(content).hexdigest())
    monkeypatch.setattr(idx, "FILES", expected)
    return tmp_path


def test_mnist_parts_are_kept_apart(small_mnist: Path) -> None:
    train, test = mnist(str(small_mnist))
    assert test is not None
    assert torch.equal(train.images, made_digits(30, seed=30)[0])
    assert torch.equal(test.images, made_digits(20, seed=20)[0])
    assert torch.equal(test.labels, made_digits(20)[1])


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\0" * 10, "has 10 bytes instead of"), (None, "its MD5 is not")],
    ids=["cut", "altered"],
)
def test_damaged_file_is_refused(small_mnist: Path, content: bytes | None, message: str) -> None:
    path = small_mnist / "MNIST" / "raw" / "train-images-idx3-ubyte"
    path.write_bytes(content or path.read_bytes()[:-1] + b"\7")
    with pytest.raises(InputError, match=f"train-images-idx3-ubyte .*{message}.*delete it"):
        mnist(str(small_mnist))


def test_missing_files_without_download(small_mnist: Path) -> None:
    (small_mnist / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match="t10k-labels-idx1-ubyte missing and not downloaded.*data=sample"):
        mnist(str(small_mnist), download=False)


@pytest.fixture
def mirror(
    small_mnist: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A server on loopback with the small files, gzipped, from which torchvision downloads; yields its folder."""
    folder = tmp_path_factory.mktemp("mirror")
    resources = []
    for name in idx.FILES:
        packed = gzip.compress((small_mnist / "MNIST" / "raw" / name).read_bytes())
        (folder / f"{name}.gz").write_bytes(packed)
        resources.append((f"{name}.gz", md5(packed).hexdigest()))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
    monkeypatch.setattr(MNIST, "resources", resources)
    yield folder
    server.shutdown()
    server.server_close()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_download_happens_once(mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("downloaded")
    first = mnist(str(root))
    assert torch.equal(first.train.images, made_digits(30, seed=30)[0])
    for packed in mirror.iterdir():
        packed.unlink()
    assert torch.equal(mnist(str(root)).train.images, first.train.images)


@pytest.mark.parametrize("fault", ["unreachable", "altered"])
def test_failed_download_says_what_to_do(mirror: Path, tmp_path: Path, fault: str) -> None:
    for packed in mirror.iterdir():
        packed.unlink() if fault == "unreachable" else packed.write_bytes(gzip.compress(b"something else"))
    root = tmp_path / "new"
    with pytest.raises(InputError, match=r"MNIST is not in .*raw: .*not downloaded.*data\.root.*data=sample") as raised:
        mnist(str(root))
    assert "\n" not in str(raised.value)


def full_mnist() -> Path | None:
    places = [os.environ.get("DIGITS_MNIST"), PROJECT.parent / "shared" / "data"]
    return next((Path(place) for place in places if place and (Path(place) / "MNIST").is_dir()), None)


@pytest.mark.skipif(full_mnist() is None, reason="the full MNIST is not here; DIGITS_MNIST may name its folder")
def test_full_mnist() -> None:
    train, test = mnist(str(full_mnist()), download=False)
    assert test is not None
    assert train.images.shape == (60_000, 28, 28)
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert test.labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
