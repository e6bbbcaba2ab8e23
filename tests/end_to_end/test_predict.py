"""`python predict.py` as a user meets it."""

import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import PROJECT, frame, run_main, run_program
from PIL import Image

from digits.data.sources import sample
from digits.prediction.classifier import load_classifier
from digits.processes import ENDING_SIGNALS

TEST = sample().test
assert TEST is not None
IMAGES, LABELS = TEST.images[:60], TEST.labels[:60]
HEADER = ",".join(f"pixel{k}" for k in range(784)).encode() + b"\n"
ROW = b",".join([b"0"] * 784) + b"\n"


@pytest.fixture
def test_csv(tmp_path: Path) -> Path:
    frame(IMAGES, None).to_csv(tmp_path / "test.csv", index=False)
    return tmp_path / "test.csv"


def expected_labels(trained: Path) -> list[int]:
    return load_classifier(trained).predict(IMAGES).argmax(1).tolist()  # type: ignore[no-any-return]


def test_submission_and_error_rate(trained: Path, tmp_path: Path) -> None:
    """The order of the columns does not matter."""
    frame(IMAGES, LABELS).sample(frac=1, axis=1, random_state=0).to_csv(tmp_path / "labeled.csv", index=False)
    arguments = [f"checkpoint={trained}", "input=labeled.csv", "output=submission.csv", "chunk_size=7"]
    process = run_main("predict.py", *arguments, folder=tmp_path)
    assert (process.returncode, process.stderr) == (0, "")
    labels = expected_labels(trained)
    errors = sum(label != expected for label, expected in zip(labels, LABELS.tolist(), strict=True))
    assert f"({errors}/60, 95% interval" in process.stdout
    lines = (tmp_path / "submission.csv").read_text().splitlines()
    assert lines == ["ImageId,Label", *(f"{row},{label}" for row, label in enumerate(labels, 1))]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labeled.csv", "submission.csv"]


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full plays a full disk")
def test_full_disk_is_one_line(trained: Path, test_csv: Path) -> None:
    arguments = [f"checkpoint={trained}", "input=test.csv", "output=/dev/full", "probabilities=true", "chunk_size=7"]
    process = run_program("predict.py", *arguments, folder=test_csv.parent)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1] == "error: /dev/full: cannot be written (No space left on device)"
    assert "Traceback" not in process.stderr


@pytest.mark.slow
def test_standard_input_and_output(trained: Path, test_csv: Path) -> None:
    with test_csv.open("rb") as file:
        process = run_program("predict.py", f"checkpoint={trained}", "input=-", folder=test_csv.parent, stdin=file)
    assert process.returncode == 0, process.stderr
    labels = expected_labels(trained)
    assert process.stdout.splitlines() == ["ImageId,Label", *(f"{n},{label}" for n, label in enumerate(labels, 1))]
    assert "digits      60 in" in process.stderr


def run_shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a line of the shell in which `predict` is the program."""
    function = f'predict() {{ "{sys.executable}" "{PROJECT}/predict.py" "$@"; }}'
    return subprocess.run(f"{function}\n{command}", shell=True, cwd=folder, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "cat test.csv | predict {} input=-",
        "gzip -c test.csv | predict {} input=-",
        "mkfifo pipe; cat test.csv > pipe & predict {} input=pipe",
        "chmod a-w . test.csv; predict {} input=test.csv; status=$?; chmod u+w .; exit $status",
    ],
)
def test_input_of_a_shell(trained: Path, test_csv: Path, command: str) -> None:
    process = run_shell(command.format(f'"checkpoint={trained}"'), test_csv.parent)
    assert process.returncode == 0, process.stderr
    labels = expected_labels(trained)
    assert process.stdout.splitlines() == ["ImageId,Label", *(f"{n},{label}" for n, label in enumerate(labels, 1))]


@pytest.mark.slow
def test_array_in_a_pipe_is_one_line(trained: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "test.npy", IMAGES.numpy())
    process = run_shell(f'cat test.npy | predict "checkpoint={trained}" input=-', tmp_path)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.startswith("error: standard input: this format (npy) cannot be read from a pipe; save it")
    assert process.stderr.count("\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write into every folder")
def test_folder_without_permission_to_write_is_one_line(trained: Path, test_csv: Path) -> None:
    output = test_csv.parent / "locked"
    output.mkdir(mode=0o555)
    arguments = [f"checkpoint={trained}", "input=test.csv", "output=locked/out.csv"]
    process = run_program("predict.py", *arguments, folder=test_csv.parent)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1] == "error: locked/out.csv: cannot be written (Permission denied)"
    assert list(output.iterdir()) == []


def make_inputs(folder: Path) -> None:
    """Folders, and files of digits beside each other."""
    for name in ("a.csv", "b.csv", "c.csv", "d.csv"):
        (folder / name).write_bytes(HEADER + ROW)
    (folder / "empty").mkdir()
    (folder / "others").mkdir()
    (folder / "others" / "film.mov").touch()
    (folder / "folder.csv").mkdir()
    (folder / "loop").symlink_to("loop")


@pytest.mark.parametrize(("argument", "message"), [
    ("input=[a.csv,b.csv]", "a.csv: not a picture; only one file of digits can be read at a time"),
    ("input=*.csv", "*.csv: matches 4 files, no picture (a.csv, b.csv, c.csv, …); only one file of digits can"),
    ("input=*.txt", "*.txt: matches no file"), ("input=empty", "empty: a folder without pictures (png, "),
    ("input=others", "others: holds 1 file, no picture (film.mov); only one"), ("input=loop", "loop: cannot be read ("),
    ("input=folder.csv", "folder.csv: a folder without pictures (png, "),
    ("output=a.csv/out.csv", "a.csv/out.csv: there is no folder a.csv"),
])  # fmt: skip
def test_input_or_output_that_cannot_be_used(trained: Path, tmp_path: Path, argument: str, message: str) -> None:
    make_inputs(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    arguments = [f"checkpoint={trained}", argument]
    if argument.startswith("output="):
        arguments.append("input=a.csv")
    process = run_main("predict.py", *arguments, folder=tmp_path)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.startswith(f"error: {message}")
    assert process.stderr.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_other_files_of_an_archive_of_pictures_are_counted(trained: Path, tmp_path: Path) -> None:
    Image.fromarray(255 - IMAGES[0].numpy()).resize((90, 90)).save(tmp_path / "a.png")
    with zipfile.ZipFile(tmp_path / "mixed.zip", "w") as archive:
        archive.write(tmp_path / "a.png", "a.png")
        archive.writestr("digits.csv", HEADER + ROW)
    process = run_main("predict.py", f"checkpoint={trained}", "input=mixed.zip", "output=out.csv", folder=tmp_path)
    assert (process.returncode, process.stderr) == (0, "")
    assert "read        1 file skipped: .csv\n" in process.stdout
    assert pd.read_csv(tmp_path / "out.csv")["file"].tolist() == ["mixed.zip/a.png"]


def test_export_and_prediction_from_the_model(trained: Path, test_csv: Path) -> None:
    process = run_main("predict.py", f"checkpoint={trained}", "export=model.onnx", folder=test_csv.parent)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("exported    model.onnx: the same 500 labels as PyTorch")
    assert process.stdout.count("\n") == 1
    arguments = ["checkpoint=model.onnx", "input=test.csv", "output=from_onnx.csv"]
    process = run_main("predict.py", *arguments, folder=test_csv.parent)
    assert process.returncode == 0, process.stderr
    assert pd.read_csv(test_csv.parent / "from_onnx.csv")["Label"].tolist() == expected_labels(trained)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to do: "),
        (["inputs=a.csv"], "inputs: no such"),
        (["checkpoint=a.ckpt"], "nothing to do: "),
        (["checkpoint=a.ckpt", "-m", "input=a.csv,b.csv", "output=m.csv"], "prediction has no -m"),
        (["checkpoint=a.ckpt", "input=a.csv", "hydra.mode=MULTIRUN"], "prediction has no -m"),
        (["checkpoint=a.ckpt", "input=a.csv,b.csv"], "input=a.csv,b.csv: several values; write 'input=[a.csv,b.csv]'"),
        (["checkpoint=a.ckpt", "input=2024"], "2024: no such file"),
        (["checkpoint=a.ckpt", "input=Übung (1).csv"], "Übung (1).csv: no such file"),
        (["checkpoint=a.ckpt", "input=???"], "a setting has the value ???"),
        (
            ["checkpoint=a.ckpt", "input=a.csv", "+confidnce=true"],
            "confidnce: no such setting; did you mean conf",
        ),
        (
            ["checkpoint=a.ckpt", "input=a.csv", "trainer.devices=2"],
            "trainer.devices=2: must be 1: prediction uses one",
        ),
        (["checkpoint=a.ckpt", "input=a.csv", "+trainer.foo=1"], "trainer.foo: prediction has no such setting"),
        (
            ["checkpoint=a.ckpt", "input=a.csv", "batch_size=2147483648"],
            "batch_size=2147483648: must be an int",
        ),
        (["checkpoint=a.ckpt", f"input={900 * 'x'}"], "xxx"),
        (["checkpoint=a.ckpt", f"--{900 * 'x'}"], "unrecognized arguments: --xxx"),
        (["checkpoint=a.ckpt", "--a\x1b[2J"], "unrecognized arguments: --a\\x1b[2J"),
        (["checkpoint=a.ckpt", f"trainer={900 * 'x'}"], "trainer=xxx"),
        (["checkpoint=a.ckpt", "trainer=a\x1b[2J"], "trainer=a"),
    ],
)
def test_error_on_the_command_line(tmp_path: Path, arguments: list[str], message: str) -> None:
    process = run_main("predict.py", *arguments, folder=tmp_path)
    assert (process.returncode, process.stdout) == (1, "")
    assert process.stderr.startswith(f"error: {message}")
    assert process.stderr[:-1].isprintable()
    assert len(process.stderr) <= 301
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_names_that_the_terminal_cannot_show(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    names = ["数字.png", "\udcff.png", "\x1b[2J.png"]
    for name in names:
        Image.fromarray(255 - IMAGES[0].numpy()).resize((90, 90)).save(os.fsencode(tmp_path / name), "PNG")
    (tmp_path / "\n\x1b[2J.png").write_text("not a picture")
    command = [sys.executable, str(PROJECT / "predict.py"), f"checkpoint={trained}", "input=."]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True)
    assert process.returncode == 1
    rows = process.stdout.splitlines()
    assert sorted(row.rpartition(b",")[0] for row in rows[1:]) == sorted(map(os.fsencode, names))
    assert b"\x1b" not in process.stderr
    assert b"Traceback" not in process.stderr
    assert b"\nerror: 1 of 4 pictures" in process.stderr


@pytest.mark.slow
@pytest.mark.parametrize("output", ["-", "out.csv"])
def test_closed_standard_output(trained: Path, test_csv: Path, output: str) -> None:
    command = f'"{sys.executable}" "{PROJECT}/predict.py" "checkpoint={trained}" input=test.csv output={output} >&-'
    process = subprocess.run(command, shell=True, cwd=test_csv.parent, stderr=subprocess.PIPE, text=True)
    if output == "-":
        assert (process.returncode, process.stderr) == (1, "error: standard output is closed; name a file, output=…\n")
    else:
        assert (process.returncode, process.stderr) == (0, "")
        assert pd.read_csv(test_csv.parent / "out.csv")["Label"].tolist() == expected_labels(trained)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="/dev/full plays a full disk")
def test_standard_output_on_a_full_disk(trained: Path, test_csv: Path) -> None:
    for output in ("out.csv", "-"):
        command = [sys.executable, str(PROJECT / "predict.py"), f"checkpoint={trained}", "input=test.csv"]
        with open("/dev/full", "w") as full:
            process = subprocess.run(
                [*command, f"output={output}"], cwd=test_csv.parent, stdout=full, stderr=subprocess.PIPE, text=True
            )
        assert process.returncode == (output == "-")
        assert process.stderr.endswith("standard output: cannot be written (No space left on device)\n")
        assert "Traceback" not in process.stderr
    assert (test_csv.parent / "out.csv").exists()


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, *ENDING_SIGNALS])
def test_killed_process_leaves_no_half_written_file(trained: Path, tmp_path: Path, end: signal.Signals) -> None:
    command = [sys.executable, str(PROJECT / "predict.py"), f"checkpoint={trained}", "input=-", "output=out.csv"]
    process = subprocess.Popen([*command, "chunk_size=10"], cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(HEADER + ROW * 100)
    process.stdin.flush()
    while process.poll() is None and not any(path.stat().st_size for path in tmp_path.glob(".out.csv.*.part")):
        process.stdin.write(ROW * 10)
        process.stdin.flush()
        time.sleep(0.05)
    process.send_signal(end)
    _, errors = process.communicate()
    assert process.returncode != 0
    assert not (tmp_path / "out.csv").exists()
    if end != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []
    assert b"Traceback" not in errors


@pytest.mark.parametrize("program", ["train.py", "predict.py"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_during_the_imports_is_one_line(
    program: str, number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hydra.py").write_text(f"import os\nos.kill(os.getpid(), {number.value})\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    process = run_program(program, "input=a.csv", folder=tmp_path)
    assert (process.returncode, process.stdout, process.stderr) == (1, "", "interrupted\n")


def peak_memory(rows: int, trained: Path, folder: Path) -> int:
    """The largest memory in bytes of a process that predicts this many rows."""
    with (folder / "many.csv").open("wb") as file:
        file.write(HEADER)
        for _ in range(rows // 1000):
            file.write(ROW * 1000)
    command = [sys.executable, str(PROJECT / "predict.py"), f"checkpoint={trained}", "input=many.csv", "output=out.csv"]
    process = subprocess.Popen([*command, "trainer=cpu", "chunk_size=1000"], cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    with (folder / "out.csv").open() as file:
        assert sum(1 for _ in file) == rows + 1
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_input(trained: Path, tmp_path: Path) -> None:
    few, many = (peak_memory(rows, trained, tmp_path) for rows in (3_000, 90_000))
    assert many - few < 0.5 * (tmp_path / "many.csv").stat().st_size  # twice the file would be held otherwise
