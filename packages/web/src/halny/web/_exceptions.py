"""What handlers raise to end a request.

- `HTTPError`: answers with an error page of a status.
    - `MissingArgumentError`: 400, for an argument that is not there.
- `Finish`: ends the request as it stands, which is no error.
"""

from __future__ import annotations

from typing import Any

from halny.http import responses

from ._status import show


class HTTPError(Exception):
    """Ends a request with an error page.

    Raise it where you would call `send_error` but are deep inside other calls.

    Args:
        status_code: the status of the response, a number of three digits. Another is not refused here: a `write_error`
            of the application's may know what it means. The usual one answers 500 and logs it.
        log_message: what goes into the log, and onto the page only in debug mode. With further arguments it is
            a `%` format; without, it is taken as it is.
        *args: what is put into `log_message`.
        **kwargs: `reason`, a reason phrase in place of the usual one.
    """

    def __init__(self, status_code: int = 500, log_message: str | None = None, *args: Any, **kwargs: Any) -> None:
        self.status_code = status_code
        self._log_message = log_message
        self.args = args
        self.reason: str | None = kwargs.get("reason")

    def __reduce__(self) -> tuple[Any, ...]:
        # Neither this class nor its subclasses are called with `args`, so the copy is made without a call.
        return _without_a_call, (type(self), self.args), vars(self)

    @property
    def log_message(self) -> str | None:
        """The message for the log, with its `%` doubled where there is nothing to put in."""
        if self._log_message is not None and not self.args:
            return self._log_message.replace("%", "%%")
        return self._log_message

    def get_message(self) -> str | None:
        """Return the message for the log with its arguments put in, or beside it where they do not fit."""
        if self._log_message is None or not self.args:
            return self._log_message
        try:
            return self._log_message % self.args
        except Exception:  # noqa: BLE001 - a wrong format, or what the arguments raise
            return f"{self._log_message!r} % {_safe_repr(self.args)}"

    def __str__(self) -> str:
        message = f"HTTP {show(self.status_code)}: {self.reason or self._usual_reason()}"
        logged = self.get_message()
        return f"{message} ({logged})" if logged else message

    def _usual_reason(self) -> str:
        try:
            return responses.get(self.status_code, "Unknown")
        except TypeError:  # not even hashable
            return "Unknown"


def _safe_repr(args: tuple[Any, ...]) -> str:
    try:
        return repr(args)
    except Exception:  # noqa: BLE001 - whatever the arguments raise
        return f"({', '.join(type(arg).__name__ for arg in args)})"


def _without_a_call(kind: type[HTTPError], args: tuple[Any, ...]) -> HTTPError:
    return kind.__new__(kind, *args)


class MissingArgumentError(HTTPError):
    """Ends a request that lacks an argument with 400.

    Args:
        arg_name: the name of the argument.
    """

    def __init__(self, arg_name: str) -> None:
        super().__init__(400, f"Missing argument {arg_name}")
        self.arg_name = arg_name


class Finish(Exception):
    """Ends a request as it stands: the response that was being built is sent, and nothing is logged.

    Where the handler has not finished, `finish` is called with the exception's arguments.
    """
