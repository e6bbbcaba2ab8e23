"""Text for a terminal."""

import pytest

from digits.errors import InputError, plural, printable


@pytest.mark.parametrize(("text", "shown"), [
    ("a  b.csv", "a  b.csv"), ("one\r\n  two\n", "one two"), ("\x1b[2J", "\\x1b[2J"), ("\udcff.png", "\\udcff.png"),
    (100_000 * " " + "\x07", "\\x07"),
])  # fmt: skip
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_noun_agrees_with_its_number() -> None:
    assert [plural(number, "job") for number in (0, 1, 2)] == ["0 jobs", "1 job", "2 jobs"]


def test_long_message_keeps_its_start_and_its_end() -> None:
    message = str(InputError(f"train.csv: {1000 * 'x'}; use another name"))
    assert len(message) == 300
    assert message.startswith("train.csv: xxx")
    assert message.endswith("xxx; use another name")
