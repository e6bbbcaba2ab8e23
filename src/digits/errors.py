"""The exception for mistakes in the user's input, and text of messages that is safe to show on a terminal."""

MAX_LENGTH = 300  # characters of a message
END_LENGTH = 110  # characters kept at the end of a longer one: they name the remedy


class InputError(ValueError):
    """A mistake in the input, shown as one line without a stack trace: what is wrong, where, what to do."""

    def __init__(self, message: object) -> None:
        super().__init__(one_line(message))


def one_line(text: object) -> str:
    """One printable line of at most 300 characters. A longer text is cut in the middle."""
    line = printable(str(text).strip())
    if len(line) <= MAX_LENGTH:
        return line
    gap = " … "
    start_length = MAX_LENGTH - END_LENGTH - len(gap)
    return line[:start_length] + gap + line[-END_LENGTH:]


def printable(text: str) -> str:
    """Escapes control characters, such as those that clear a terminal, and bytes of a name that are not UTF-8. In such
    a text, line breaks and runs of blanks become one space."""
    if text.isprintable():
        return text
    escaped = ""
    for char in " ".join(text.split()):
        escaped += char if char.isprintable() else char.encode("unicode_escape").decode()
    return escaped


def quoted(value: object, length: int = 40) -> str:
    """The `repr` of a value from a file, cut to `length` characters."""
    text = str(value)
    if len(text) > length:
        text = f"{text[:length]}…"
    return repr(text)


def plural(number: int, noun: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
