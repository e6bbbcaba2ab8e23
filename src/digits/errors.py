"""The one exception that is shown to people as a line instead of a stack trace."""


class InputError(ValueError):
    """A mistake in what the user gave. Its message is one line: what is wrong, where, and what to do."""
