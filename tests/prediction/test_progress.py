"""The progress bar of a prediction."""

import pytest

from digits.prediction.progress import ProgressBar


@pytest.mark.parametrize(("is_terminal", "fraction"), [("1", 0.5), ("1", None), ("0", 0.5)])
def test_bar_is_shown_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_terminal: str, fraction: float | None
) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", is_terminal)
    with ProgressBar("labels.csv") as bar:
        bar.update(1234, fraction)
    assert ("1,234 digits" in capsys.readouterr().err) == (is_terminal == "1")
