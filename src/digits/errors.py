"""The exception for mistakes in the user's input."""


class InputError(ValueError):
    """A mistake in the input, shown as one line without a stack trace: what is wrong, where, what to do."""
