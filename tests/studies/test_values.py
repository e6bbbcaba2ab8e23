"""Values of sweeps: equal ones are equal, and read as a person writes them."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from digits.studies.values import canonical, canonical_override, canonical_setting, number_text, override_values


def texts(override: str) -> list[str]:
    return [value.text for value in override_values(OverridesParser.create().parse_override(override))]


@pytest.mark.parametrize(
    ("override", "values"),
    [
        ("x=range(0,1,0.1)", ["0.0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9"]),
        ("x=range(0,0.9,0.3)", ["0.0", "0.3", "0.6"]),
        ("x=range(1,0,-0.3)", ["1.0", "0.7", "0.4", "0.1"]),
        ("x=range(0,3)", ["0", "1", "2"]),
        ("x=0.30000000000000004,1e-3,0.123456789012345", ["0.3", "0.001", "0.123456789012345"]),
        ("x=0.7000000000000001", ["0.7"]),
        ("x=[0.9,0.30000000000000004],[1,2]", ["[0.9,0.3]", "[1,2]"]),
        ("x=1,1.0,true,null", ["1", "1.0", "True", "null"]),
        ("x=shuffle(choice(0.30000000000000004))", ["0.3"]),
        ("x=choice(1e3)", ["1000.0"]),
        ("x='0.30000000000000004',a", ["'0.30000000000000004'", "a"]),
    ],
)
def test_values_are_those_that_a_person_writes(override: str, values: list[str]) -> None:
    assert texts(override) == values


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.1 + 0.2, "0.3"), (1.0, "1"), (1e-05, "1e-5"), (1e6, "1000000"), (1e22, "1e22"), (-0.0, "0"),
        (0.99999999999999, "0.99999999999999"), (float("inf"), "inf"), (2.5e-07, "2.5e-7"),
    ],
)  # fmt: skip
def test_number_reads_as_typed(number: float, text: str) -> None:
    assert number_text(number) == text


@pytest.mark.parametrize("text", ["1e-3", "0.001", "0.0010", "1.0E-3"])
def test_equal_numbers_have_one_form(text: str) -> None:
    assert canonical(text) == canonical(float(text)) == canonical_setting(0.001) == "0.001"


@pytest.mark.parametrize("text", ["2026_11", "1e3", "1.50"])
def test_text_of_a_configuration_is_no_number(text: str) -> None:
    assert canonical_setting(text) == text


def test_equal_overrides_have_one_form() -> None:
    assert canonical_override("tag(log, interval(1e-4, 1.0))") == canonical_override("tag(log,interval(0.0001,1))")
    assert canonical_override("'adam'") == canonical_override("adam")
    assert canonical_override("[0.30000000000000004, a]") == canonical_override("[0.3,a]")
