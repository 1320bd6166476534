"""What reading and writing HTTP may raise.

- `HTTPInputError`: the peer sent something that HTTP does not allow, or more than a limit allows.
    - `HTTPRefusal`: the same, with the status that answers it.
- `HTTPOutputError`: the application asked for a message that can't be framed.
"""

from __future__ import annotations


class HTTPInputError(Exception):
    """The peer's message is malformed or over a limit; the fault is the peer's."""


class HTTPRefusal(HTTPInputError):
    """A message that is answered with an error status, after which the connection closes.

    Args:
        status: the status code that answers it, such as 400, 413 or 431.
        message: what was wrong, for the log.
    """

    status: int
    """The status code of the complete response that the peer gets."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def __reduce__(self) -> tuple[type[HTTPRefusal], tuple[int, str]]:
        return type(self), (self.status, str(self))


class HTTPOutputError(Exception):
    """The application's message can't be sent as it is; the fault is the application's."""
