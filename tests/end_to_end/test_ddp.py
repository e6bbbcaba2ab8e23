"""Two processes on the CPU see each image once per epoch, and count as one process does."""

from collections import Counter
from pathlib import Path

import pytest
import torch
from helpers import PROJECT, SMALL, frame, last_checkpoint, made_digits, read_metrics_json, run_program, trained_network

from digits.data.splits import split_indices
from digits.models.layers import scale_images


def test_two_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROJECT / "tests"))
    train, test = made_digits(121), made_digits(57, seed=1)  # odd numbers: the shares differ
    frame(*train).to_csv(tmp_path / "train.csv", index=False)
    frame(*test).to_csv(tmp_path / "test.csv", index=False)
    process = run_program(
        "train.py", *SMALL, "trainer=ddp", "name=two", "model=compact_cnn", "data=csv", "data.train_csv=train.csv",
        "data.test_csv=test.csv", "data.val_size=20",
        f"trainer.callbacks=[{{_target_:recorder.Recorder,folder:{tmp_path}}}]", folder=tmp_path,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert process.stdout.count("epoch 1/2") == 1

    def seen(pattern: str) -> Counter[str]:
        files = list(tmp_path.glob(pattern))
        assert len(files) == 2
        return Counter(line for file in files for line in file.read_text().split())

    def expected(images: torch.Tensor) -> Counter[str]:
        return Counter(image.numpy().tobytes().hex() for image in images)

    indices, _ = split_indices(train[1], val_size=20, seed=0)
    assert seen("train-0-*.txt") == seen("train-1-*.txt") == expected(train[0][indices])
    assert seen("test-*.txt") == expected(test[0])

    checkpoint = last_checkpoint(tmp_path / "outputs" / "two")
    errors = int((trained_network(checkpoint)(scale_images(test[0])).argmax(1) != test[1]).sum())
    metrics = read_metrics_json(tmp_path / "outputs" / "two")
    assert (metrics["test"]["errors"], metrics["test"]["total"]) == (errors, 57)
    assert metrics["status"] == "completed"
    assert checkpoint["digits"]["temperature"] == metrics["calibration"]["temperature"]
