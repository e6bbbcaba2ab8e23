"""Two processes on the CPU see each image once per epoch, and count as one process does."""

import json
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import PROJECT, SMALL, frame, made_digits

from digits.data.splits import split_indices
from digits.models.layers import scale_images
from digits.models.networks import build_network
from digits.runs.checkpoint import read_checkpoint


def test_two_processes(
    train_py: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROJECT / "tests"))
    train, test = made_digits(121), made_digits(57, seed=1)  # odd numbers: the shares differ
    frame(*train).to_csv(tmp_path / "train.csv", index=False)
    frame(*test).to_csv(tmp_path / "test.csv", index=False)
    process = train_py(
        *SMALL, "trainer=ddp", "name=two", "model=compact_cnn", "data=csv", "data.train_csv=train.csv",
        "data.test_csv=test.csv", "data.val_size=20",
        f"trainer.callbacks=[{{_target_:recorder.Recorder,folder:{tmp_path}}}]",
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

    folder = tmp_path / "outputs" / "two"
    network = build_network("compact_cnn").eval()
    checkpoint = read_checkpoint(folder / "checkpoints" / "last.ckpt")
    weights = checkpoint["state_dict"]
    network.load_state_dict({name.removeprefix("network."): value for name, value in weights.items()})
    errors = int((network(scale_images(test[0])).argmax(1) != test[1]).sum())
    metrics = json.loads((folder / "metrics.json").read_text())
    assert (metrics["test"]["errors"], metrics["test"]["total"]) == (errors, 57)
    assert metrics["status"] == "completed"
    assert checkpoint["digits"]["temperature"] == metrics["calibration"]["temperature"]
