"""From a checkpoint and digits to a predictions file, through the command line."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import PROJECT, config, frame, made_digits
from PIL import Image

from digits.data.sources import sample
from digits.errors import InputError
from digits.prediction.classifier import load_classifier
from digits.prediction.inputs import PICTURES
from digits.prediction.predict import predict

Run = Callable[..., subprocess.CompletedProcess[str]]

TEST = sample().test
assert TEST is not None
IMAGES, LABELS = TEST.images[:60], TEST.labels[:60]


@pytest.fixture
def test_csv(tmp_path: Path) -> Path:
    frame(IMAGES, None).to_csv(tmp_path / "test.csv", index=False)
    return tmp_path / "test.csv"


def expected(trained: Path) -> list[int]:
    return load_classifier(trained).predict(IMAGES).argmax(1).tolist()  # type: ignore[no-any-return]


def test_from_training_to_a_submission(train_py: Run, predict_py: Run, made_csv: Path, tmp_path: Path) -> None:
    small = ["trainer=cpu", "trainer.max_epochs=3", "model=fast_cnn", "augment=none", "data.batch_size=16"]
    run = train_py("data=csv", f"data.train_csv={made_csv}", "data.val_size=20", "name=first", *small)
    assert run.returncode == 0, run.stderr
    images, labels = made_digits(40, seed=1)
    frame(images, labels).sample(frac=1, axis=1, random_state=0).to_csv(tmp_path / "labelled.csv", index=False)
    run = predict_py("checkpoint=outputs/first", "input=labelled.csv", "output=submission.csv", "chunk_size=7")
    assert run.returncode == 0, run.stderr
    assert "error       0.00% (0/40" in run.stdout
    lines = (tmp_path / "submission.csv").read_text().splitlines()
    assert lines == ["ImageId,Label", *(f"{row},{label}" for row, label in enumerate(labels.tolist(), 1))]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labelled.csv", "outputs", "submission.csv"]


def test_several_processes_write_one_file_in_order(predict_py: Run, trained: Path, test_csv: Path) -> None:
    arguments = [f"checkpoint={trained}", "input=test.csv", "output=two.csv", "chunk_size=7"]
    run = predict_py(*arguments, "trainer=cpu", "trainer.devices=2")
    assert run.returncode == 0, run.stderr
    assert "2 processes" in run.stdout
    written = pd.read_csv(test_csv.parent / "two.csv")
    assert written["ImageId"].tolist() == list(range(1, 61))
    assert written["Label"].tolist() == expected(trained)
    text = test_csv.read_text().splitlines()
    test_csv.write_text("\n".join([*text[:40], text[40] + ",0", *text[41:]]))
    run = predict_py(*arguments, "trainer=cpu", "trainer.devices=2")
    assert run.returncode == 1
    assert run.stderr.strip().endswith("test.csv, row 41: 785 values, but the header names 784 columns")
    assert "Traceback" not in run.stderr
    assert pd.read_csv(test_csv.parent / "two.csv").equals(written)


def test_a_full_disk_ends_all_processes(predict_py: Run, trained: Path, test_csv: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full to stand for a full disk")
    arguments = [f"checkpoint={trained}", "input=test.csv", "output=/dev/full", "probabilities=true", "chunk_size=7"]
    run = predict_py(*arguments, "trainer=cpu", "trainer.devices=2")
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1] == "error: /dev/full: cannot be written (No space left on device)"
    assert "Traceback" not in run.stderr


def test_standard_input_and_output(trained: Path, test_csv: Path) -> None:
    command = [sys.executable, str(PROJECT / "predict.py"), f"checkpoint={trained}", "input=-"]
    with test_csv.open("rb") as file:
        run = subprocess.run(command, stdin=file, capture_output=True, text=True, cwd=test_csv.parent)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["ImageId,Label", *(f"{n},{k}" for n, k in enumerate(expected(trained), 1))]
    assert "digits      60 in" in run.stderr


def test_columns(trained: Path, test_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(test_csv.parent)
    arguments = [f"checkpoint={trained}", "input=test.csv", "output=all.csv", "confidence=true", "probabilities=true"]
    predict(config(*arguments, program="predict"))
    written = pd.read_csv("all.csv")
    columns = [f"p{digit}" for digit in range(10)]
    assert list(written) == ["ImageId", "Label", "confidence", *columns]
    probabilities = written[columns].to_numpy()
    assert np.allclose(probabilities.sum(1), 1, atol=1e-5)
    assert np.allclose(probabilities, load_classifier(trained).predict(IMAGES), atol=1e-3)
    assert (probabilities.argmax(1) == written["Label"]).all()
    assert np.allclose(probabilities.max(1), written["confidence"])


def save_picture(path: Path, digit: torch.Tensor) -> None:
    ink = Image.fromarray(digit.numpy()).resize((140, 140), Image.Resampling.BICUBIC)
    Image.eval(ink, lambda value: 230 - value * 200 // 255).save(path)


def test_pictures(predict_py: Run, trained: Path, tmp_path: Path) -> None:
    (tmp_path / "shots").mkdir()
    wanted = expected(trained)
    for index in range(4):
        save_picture(tmp_path / "shots" / f"{index}, it's.png", IMAGES[index])
    Image.new("L", (90, 90), 240).save(tmp_path / "shots" / "nothing.png")
    run = predict_py(f"checkpoint={trained}", "input=shots", "output=labels.csv", "preview=seen.png", "tta=3")
    assert run.returncode == 1
    fault, error = run.stderr.splitlines()
    assert fault == "shots/nothing.png: is blank: nothing like a digit found"
    assert error == "error: 1 of 5 pictures could not be predicted, as said above"
    written = pd.read_csv(tmp_path / "labels.csv")
    assert list(written) == ["file", "Label"]
    assert written["file"].tolist() == [f"shots/{index}, it's.png" for index in range(4)]
    assert written["Label"].tolist() == wanted[:4]
    with Image.open(tmp_path / "seen.png") as preview:
        assert preview.width > 1000


def test_a_chunk_without_a_usable_picture(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shots").mkdir()
    for index in range(PICTURES + 1):
        Image.new("L", (40, 40), 240).save(tmp_path / "shots" / f"{index:03}.png")
    save_picture(tmp_path / "shots" / "last.png", IMAGES[0])
    with pytest.raises(InputError, match=f"{PICTURES + 1} of {PICTURES + 2} pictures could not be predicted"):
        predict(config(f"checkpoint={trained}", "input=shots", "output=labels.csv", "tta=2", program="predict"))
    assert Path("labels.csv").read_text().splitlines() == ["file,Label", f"shots/last.png,{expected(trained)[0]}"]


def test_when_no_picture_can_be_used(predict_py: Run, trained: Path, tmp_path: Path) -> None:
    Image.new("L", (90, 90), 240).save(tmp_path / "nothing.png")
    run = predict_py(f"checkpoint={trained}", "input=nothing.png", "output=labels.csv", "preview=seen.png")
    assert run.returncode == 1
    assert run.stderr.splitlines() == [
        "nothing.png: is blank: nothing like a digit found",
        "error: no picture could be predicted, as said above; nothing is written",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["nothing.png"]


def test_ensembles_report_disagreement(
    trained: Path, test_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    last = trained / "checkpoints" / "last.ckpt"
    blurred = torch.load(last, weights_only=True)
    generator = torch.Generator().manual_seed(0)
    for weight in blurred["state_dict"].values():
        weight += 0.08 * torch.randn(weight.shape, generator=generator)
    torch.save(blurred, tmp_path / "blurred.ckpt")
    answers = load_classifier([last, "blurred.ckpt"], tta=3, seed=5).answer(IMAGES)
    assert answers.networks_disagree.any()
    caplog.set_level("INFO")
    overrides = [f"checkpoint=[{last},blurred.ckpt]", "input=test.csv", "output=o.csv", "tta=3", "seed=5"]
    predict(config(*overrides, program="predict"))
    for what, count in (("networks", answers.networks_disagree.sum()), ("moved copies", answers.copies_disagree.sum())):
        assert f"disagreed   {what} on {count} of 60 (" in caplog.text
    assert pd.read_csv("o.csv")["Label"].tolist() == answers.probabilities.argmax(1).tolist()


def test_export_and_prediction_from_it(predict_py: Run, trained: Path, test_csv: Path) -> None:
    run = predict_py(f"checkpoint={trained}", "export=model.onnx")
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("exported    model.onnx: the same 500 labels as PyTorch")
    assert len(run.stdout.splitlines()) == 1
    assert run.stderr == ""
    code = "import runpy, sys; sys.argv.pop(0); runpy.run_path(sys.argv[0], run_name='__main__')"
    code += "; assert 'lightning' not in sys.modules"
    arguments = ["checkpoint=model.onnx", "input=test.csv", "output=from_onnx.csv"]
    command = [sys.executable, "-c", code, str(PROJECT / "predict.py"), *arguments]
    run = subprocess.run(command, capture_output=True, text=True, cwd=test_csv.parent)
    assert run.returncode == 0, run.stderr
    assert pd.read_csv(test_csv.parent / "from_onnx.csv")["Label"].tolist() == expected(trained)


BAD = {
    "checkpoint": ([], "checkpoint is needed and not given"),
    "nothing": (["checkpoint={run}"], "nothing to do: name the digits to predict, input="),
    "tta": (["checkpoint={run}", "input=test.csv", "tta=0"], "tta=0: must be a whole number from 1 to 1000"),
    "typo": (["checkpoint={run}", "inputs=test.csv"], "inputs: no such setting; did you mean input?"),
    "no input": (["checkpoint={run}", "input=away.csv"], "away.csv: no such file"),
    "no folder": (["checkpoint={run}", "input=test.csv", "output=a/b.csv"], "a/b.csv: there is no folder a"),
    "a folder": (["checkpoint={run}", "input=test.csv", "output=."], "is a folder"),
    "over input": (["checkpoint={run}", "input=test.csv", "output=./test.csv"], "output=./test.csv: this file is read"),
    "over link": (["checkpoint={run}", "input=test.csv", "output=link.csv"], "output=link.csv: this file is read"),
    "over labels": (
        ["checkpoint={run}", "input=x-images-idx3-ubyte", "output=x-labels-idx1-ubyte"],
        "this file is read",
    ),
    "over checkpoint": (
        ["checkpoint={run}", "input=test.csv", "output={run}/checkpoints/last.ckpt"],
        "this file is read",
    ),
    "twice": (
        ["checkpoint={run}", "input=test.csv", "output=a.onnx", "export=a.onnx"],
        "this file is written by export",
    ),
    "preview": (["checkpoint={run}", "input=test.csv", "preview=a.png"], "preview=a.png: shows pictures"),
    "preview form": (["checkpoint={run}", "input=test.csv", "preview=a.jpg"], "must be a path that ends in .png"),
    "export form": (["checkpoint={run}", "export=model"], "must be a path that ends in .onnx"),
    "many devices": (
        ["checkpoint={run}", "input=test.csv", "trainer=cpu", "trainer.devices=9999"],
        "trainer.devices=9999: too many processes for",
    ),
    "devices": (["checkpoint={run}", "input=test.csv", "trainer.devices=0"], "trainer.devices=0: must be how many"),
    "device": (["checkpoint={run}", "input=test.csv", "trainer.accelerator=tpu"], "trainer.accelerator=tpu"),
}


@pytest.mark.parametrize("case", [case for case in BAD if case not in ("checkpoint", "typo")])
def test_mistakes_are_one_line(trained: Path, test_csv: Path, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(test_csv.parent)
    (test_csv.parent / "link.csv").symlink_to(test_csv)
    (test_csv.parent / "x-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0\0\1\0\0\0\x1c\0\0\0\x1c" + bytes(784))
    (test_csv.parent / "x-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01\0\0\0\1\3")
    before = {path: path.read_bytes() for path in test_csv.parent.iterdir()}
    arguments, message = BAD[case]
    with pytest.raises(InputError) as raised:
        predict(config(*(argument.format(run=trained) for argument in arguments), program="predict"))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert {path: path.read_bytes() for path in test_csv.parent.iterdir()} == before


@pytest.mark.parametrize("case", ["checkpoint", "typo"])
def test_mistakes_on_the_command_line(predict_py: Run, trained: Path, case: str) -> None:
    arguments, message = BAD[case]
    run = predict_py(*(argument.format(run=trained) for argument in arguments))
    assert run.returncode == 1
    assert run.stderr.startswith("error: ")
    assert message in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_help_names_every_setting(predict_py: Run) -> None:
    answer = predict_py("--help")
    assert answer.returncode == 0
    missing = [key for key in config(program="predict") if f"{key}=" not in answer.stdout]
    assert missing == []


def test_a_fault_leaves_the_older_file(trained: Path, test_csv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(test_csv.parent)
    test_csv.write_text(test_csv.read_text() + "1,2,3\n")
    Path("out.csv").write_text("older")
    with pytest.raises(InputError, match=r"test\.csv, row 62: 3 values, but the header names 784 columns"):
        predict(config(f"checkpoint={trained}", "input=test.csv", "output=out.csv", "chunk_size=20", program="predict"))
    assert Path("out.csv").read_text() == "older"
    assert sorted(os.listdir()) == ["out.csv", "test.csv"]


def test_a_full_disk_is_one_line(trained: Path, test_csv: Path) -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full to stand for a full disk")
    with pytest.raises(InputError, match="/dev/full: cannot be written .No space left on device"):
        predict(config(f"checkpoint={trained}", f"input={test_csv}", "output=/dev/full", program="predict"))


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_killed_process_leaves_no_file_under_the_final_name(
    trained: Path, tmp_path: Path, end: signal.Signals
) -> None:
    header = ",".join(f"pixel{k}" for k in range(784)).encode() + b"\n"
    rows = b",".join([b"0"] * 784) + b"\n"
    command = [sys.executable, str(PROJECT / "predict.py"), f"checkpoint={trained}", "input=-", "output=out.csv"]
    process = subprocess.Popen([*command, "chunk_size=10"], cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(header + rows * 100)
    process.stdin.flush()
    while process.poll() is None and not any(part.stat().st_size for part in tmp_path.glob(".out.csv.*.part")):
        process.stdin.write(rows * 10)
        process.stdin.flush()
        time.sleep(0.05)
    process.send_signal(end)
    _, errors = process.communicate()
    assert process.returncode != 0
    assert not (tmp_path / "out.csv").exists()
    if end != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []
    assert b"Traceback" not in errors


def peak_memory(rows: int, trained: Path, folder: Path) -> int:
    """Bytes at most held by a process that predicts so many rows."""
    with (folder / "many.csv").open("wb") as file:
        file.write(",".join(f"pixel{k}" for k in range(784)).encode() + b"\n")
        row = b",".join([b"0"] * 784) + b"\n"
        for _ in range(rows // 1000):
            file.write(row * 1000)
    command = [sys.executable, str(PROJECT / "predict.py"), f"checkpoint={trained}", "input=many.csv", "output=out.csv"]
    process = subprocess.Popen([*command, "trainer=cpu", "chunk_size=1000"], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    with (folder / "out.csv").open() as file:
        assert sum(1 for _ in file) == rows + 1
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def test_memory_does_not_grow_with_the_input(trained: Path, tmp_path: Path) -> None:
    few, many = (peak_memory(rows, trained, tmp_path) for rows in (3_000, 90_000))
    assert many - few < 0.5 * (tmp_path / "many.csv").stat().st_size  # what would be seen if it were held, twice over
