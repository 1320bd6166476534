"""The one exception of this package: `Error`."""


class Error(Exception):
    """An option is unknown, defined twice, or was given a value that it can't have."""
