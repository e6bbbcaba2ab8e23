"""The progress bar of a prediction."""

import sys

import pytest

from digits.prediction.progress import ProgressBar


@pytest.mark.parametrize(("is_terminal", "fraction"), [(True, 0.5), (True, None), (False, 0.5)])
def test_bar_is_shown_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_terminal: bool, fraction: float | None
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    monkeypatch.setenv("TERM", "xterm")
    with ProgressBar("labels.csv") as bar:
        bar.update(1234, fraction)
    assert ("1,234 digits" in capsys.readouterr().err) == is_terminal
