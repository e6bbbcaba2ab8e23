"""From checkpoints and digits to a predictions file, in this process."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import frame, predict_settings
from PIL import Image

from digits.data.sources import sample
from digits.errors import InputError
from digits.prediction import inputs
from digits.prediction.classifier import load_classifier
from digits.prediction.predict import predict
from digits.settings import PredictSettings

TEST = sample().test
assert TEST is not None
IMAGES = TEST.images[:60]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test works in its own folder, with a file of digits."""
    monkeypatch.chdir(tmp_path)
    frame(IMAGES, None).to_csv("test.csv", index=False)


def test_columns_on_request(trained: Path) -> None:
    settings = predict_settings(
        checkpoint=str(trained), input="test.csv", output="all.csv", confidence=True, probabilities=True, chunk_size=25
    )
    predict(settings)
    written = pd.read_csv("all.csv")
    probabilities = written[[f"p{digit}" for digit in range(10)]]
    assert list(written) == ["ImageId", "Label", "confidence", *probabilities]
    assert written["ImageId"].tolist() == list(range(1, 61))
    assert np.allclose(probabilities, load_classifier(trained).predict(IMAGES), atol=1e-3)
    assert np.allclose(probabilities.max(axis=1), written["confidence"])
    assert (probabilities.to_numpy().argmax(1) == written["Label"]).all()


def test_ensemble_reports_disagreement(trained: Path, caplog: pytest.LogCaptureFixture) -> None:
    last = str(trained / "checkpoints" / "last.ckpt")
    noisy = torch.load(last, weights_only=True)
    generator = torch.Generator().manual_seed(0)
    for weight in noisy["state_dict"].values():
        weight += 0.08 * torch.randn(weight.shape, generator=generator)
    torch.save(noisy | {"digits": noisy["digits"] | {"temperature": None}}, "noisy.ckpt")
    expected = load_classifier([last, "noisy.ckpt"], tta=3, seed=5).predict_with_agreement(IMAGES)
    assert expected.members_disagree.any()
    caplog.set_level("INFO")
    settings = predict_settings(
        checkpoint=[last, "noisy.ckpt"], input="test.csv", output="out.csv", confidence=True, tta=3, seed=5,
        chunk_size=25,
    )  # fmt: skip
    predict(settings)
    assert f"networks on {expected.members_disagree.sum()} of 60 (" in caplog.text
    assert f"views on {expected.views_disagree.sum()} of 60 (" in caplog.text
    assert "fast_cnn is not calibrated" in caplog.text
    assert pd.read_csv("out.csv")["Label"].tolist() == expected.probabilities.argmax(1).tolist()


def save_picture(path: str, digit: torch.Tensor) -> None:
    """Dark ink on light paper."""
    ink = Image.fromarray(digit.numpy()).resize((140, 140), Image.Resampling.BICUBIC)
    Image.eval(ink, lambda value: 230 - value * 200 // 255).save(path)


def with_preview(trained: Path, name: str, **changes: Any) -> PredictSettings:
    return predict_settings(checkpoint=str(trained), input=name, output="labels.csv", preview="seen.png", **changes)


@pytest.mark.usefixtures("drawn_figures")
def test_pictures_and_their_preview(
    trained: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first chunk has no readable picture."""
    monkeypatch.setattr(inputs, "PICTURES_PER_CHUNK", 2)
    Path("shots").mkdir()
    blank, names = ["shots/0.png", "shots/1.png"], [f"shots/{index}, it's.png" for index in range(2, 5)]
    for name in blank:
        Image.new("L", (90, 90), 240).save(name)
    for name, digit in zip(names, IMAGES, strict=False):  # dark ink on light paper
        ink = Image.fromarray(digit.numpy()).resize((140, 140), Image.Resampling.BICUBIC)
        Image.eval(ink, lambda value: 230 - value * 200 // 255).save(name)
    with pytest.raises(InputError, match="2 of 5 pictures"):
        predict(with_preview(trained, "shots", tta=3))
    assert [error.partition(": ")[0] for error in caplog.messages] == blank
    labels = load_classifier(trained).predict(IMAGES[:3]).argmax(1).tolist()
    written = pd.DataFrame({"file": names, "Label": labels})
    assert pd.read_csv("labels.csv").equals(written)
    with Image.open("seen.png") as preview:
        assert preview.width > 1000


@pytest.mark.usefixtures("drawn_figures")
def test_preview_of_one_picture_is_not_cut(trained: Path) -> None:
    ink = Image.fromarray(IMAGES[0].numpy()).resize((140, 140), Image.Resampling.BICUBIC)
    Image.eval(ink, lambda value: 230 - value * 200 // 255).save("one.png")
    predict(with_preview(trained, "one.png"))
    with Image.open("seen.png") as preview:
        pixels = np.asarray(preview.convert("L"))
    assert (pixels[:, :2] == 255).all()
    assert (pixels[:, -2:] == 255).all()


def save_page(path: str, rows: int, columns: int) -> None:
    """Digits in rows and columns, dark on white."""
    count = rows * columns
    large = IMAGES[:count].repeat_interleave(3, 1).repeat_interleave(3, 2)
    block = large.reshape(rows, columns, 84, 84).transpose(1, 2).reshape(rows * 84, columns * 84)
    Image.fromarray(255 - np.pad(block.numpy(), 20)).save(path)


@pytest.mark.usefixtures("drawn_figures")
def test_all_digits_of_pictures(trained: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    save_page("a.png", 2, 5)
    save_picture("b.png", IMAGES[0])
    Image.new("L", (90, 90), 240).save("c.png")
    settings = predict_settings(
        checkpoint=str(trained), input=["a.png", "b.png", "c.png"], several="all", output="all.csv", preview="seen.png",
        confidence=True,
    )  # fmt: skip
    with pytest.raises(InputError, match="1 of 3 pictures"):
        predict(settings)
    written = pd.read_csv("all.csv")
    assert list(written) == ["file", "index", "Label", "box", "confidence"]
    assert written["file"].tolist() == ["a.png"] * 10 + ["b.png"]
    assert written["index"].tolist() == [*range(1, 11), 1]
    boxes = np.array([list(map(int, box.split())) for box in written["box"]])
    assert (boxes[:, :2] < boxes[:, 2:]).all()
    assert (np.diff(boxes[:5, 0]) > 0).all()
    assert (boxes[:5, 3] <= boxes[5:10, 1] + 20).all()
    labels = "".join(map(str, written["Label"]))
    assert f"a.png: {labels[:5]} / {labels[5:10]}" in caplog.text
    assert f"b.png: {labels[10]}" in caplog.text
    assert "c.png: nothing like a digit found" in caplog.text
    with Image.open("seen.png") as preview:
        assert preview.width > 800


def test_without_a_readable_picture_nothing_is_written(trained: Path) -> None:
    Image.new("L", (90, 90), 240).save("nothing.png")
    with pytest.raises(InputError, match="nothing is written"):
        predict(with_preview(trained, "nothing.png"))
    assert sorted(os.listdir()) == ["nothing.png", "test.csv"]


def test_error_in_the_input_keeps_the_older_file(trained: Path) -> None:
    with Path("test.csv").open("a") as file:
        file.write("1,2,3\n")
    Path("out.csv").write_text("older")
    with pytest.raises(InputError, match=r"test\.csv, row 62: "):
        predict(predict_settings(checkpoint=str(trained), input="test.csv", output="out.csv", chunk_size=20))
    assert Path("out.csv").read_text() == "older"
    assert sorted(os.listdir()) == ["out.csv", "test.csv"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"input": "away.csv"}, "away.csv: no such file"),
        ({"output": "a/b.csv"}, "a/b.csv: .*folder a"),
        ({"output": "."}, "is a folder"),
        ({"output": "./test.csv"}, r"output=\./test\.csv: this file is read"),
        ({"output": "link.csv"}, "output=link.csv: this file is read"),
        ({"input": "x-images-idx3-ubyte", "output": "x-labels-idx1-ubyte"}, "this file is read"),
        ({"output": "{run}/checkpoints/last.ckpt"}, "this file is read"),
        ({"output": "a.onnx", "export": "a.onnx"}, "this file is written by export"),
        ({"preview": "a.png"}, "preview=a.png: needs pictures"),
        ({"review": "a/b.html"}, "a/b.html: .*folder a"),
        ({"review": "a.html", "page": "a.html"}, "review=a.html: this file is written by page"),
        ({"accelerator": "tpu"}, r"trainer\.accelerator=tpu"),
    ],
)
def test_invalid_options_change_no_file(
    trained: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], message: str
) -> None:
    monkeypatch.setattr("sys.stdin", open(os.devnull))  # noqa: SIM115
    Path("link.csv").symlink_to("test.csv")
    Path("x-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0\0\1\0\0\0\x1c\0\0\0\x1c" + bytes(784))
    Path("x-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\1\3")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    options = {key: value.format(run=trained) if key == "output" else value for key, value in options.items()}
    with pytest.raises(InputError, match=message) as raised:
        predict(predict_settings(**{"checkpoint": str(trained), "input": "test.csv", **options}))
    assert "\n" not in str(raised.value)
    assert {path: path.read_bytes() for path in Path().iterdir()} == before
