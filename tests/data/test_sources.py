"""The bundled sample, and labeled CSV files."""

from pathlib import Path

import pytest
import torch
from helpers import frame, made_digits

from digits.data.sources import csv, sample
from digits.errors import InputError


def test_sample_is_balanced_and_does_not_depend_on_the_global_seed() -> None:
    train, test, _ = sample()
    assert (train.images.shape, train.images.dtype) == ((4500, 28, 28), torch.uint8)
    assert train.labels.bincount().tolist() == [450] * 10
    assert test.labels.bincount().tolist() == [50] * 10
    assert not set(map(bytes, test.images.numpy())) & set(map(bytes, train.images.numpy()))
    torch.manual_seed(1)
    assert torch.equal(sample().train.images, train.images)


def test_csv_needs_labels(tmp_path: Path) -> None:
    frame(made_digits(3)[0], None).to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(InputError, match="test.csv, row 1: .*'label'"):
        csv(str(tmp_path / "test.csv"))
