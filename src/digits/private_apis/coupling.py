"""A private part of a library."""

from typing import NamedTuple


class Coupling(NamedTuple):
    """An entry in the table of a library."""

    library: str
    attribute: str
    why: str
    """what breaks without it"""
    checked: str
    """versions of the library"""
