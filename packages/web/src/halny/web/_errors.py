"""What becomes of an exception: the log, and the error page.

Nothing here waits, so a `CancelledError` that comes up is not for the request, but that of another whose result was
read. It is answered like other exceptions; to what runs the request it would mean something else.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final

from halny.http import has_body, responses
from halny.iostream import StreamClosedError
from halny.template.escape import xhtml_escape

from ._exceptions import Finish, HTTPError
from ._response import Response
from ._status import find_fault, show

if TYPE_CHECKING:
    from types import TracebackType

general_log = logging.getLogger("halny.general")
application_log = logging.getLogger("halny.application")

_WHATEVER: Final = (Exception, asyncio.CancelledError)
"""What an application may raise here."""


class Errors(Response):
    """The part of `RequestHandler` that answers when something went wrong."""

    def send_error(self, status_code: int = 500, **kwargs: Any) -> None:
        """Send an error page, unless the head of the response is already sent; then break the response off.

        Args:
            status_code: the status. One that can't be sent is 500, and logged, unless `write_error` sets another.
            **kwargs: passed on to `write_error`; `exc_info` is the exception where there is one, `reason` a reason
                phrase.
        """
        error = kwargs["exc_info"][1] if "exc_info" in kwargs else None
        if self._headers_written:
            if error is None or isinstance(error, HTTPError):  # others are in the log already
                general_log.error("cannot send error response after headers written")
            if not self._finished:
                self._halny_break_off()
            return
        self.clear()
        reason = kwargs.get("reason")
        if isinstance(error, HTTPError) and error.reason:
            reason = error.reason
        fault = find_fault(status_code)
        self.set_status(500 if fault else status_code, reason=reason)
        try:
            self.write_error(status_code, **kwargs)
        except _WHATEVER:
            application_log.exception("uncaught exception in write_error")
        if not self._finished:
            self._halny_finish_error_page()
        if fault and self._status_code == 500:  # a page of the application's may have set another status
            exc_info = kwargs.get("exc_info")
            application_log.error(
                "answered %s with 500: %s", self._request_summary(), fault, exc_info=exc_info, stack_info=not exc_info
            )

    def _halny_finish_error_page(self) -> None:
        """Send what `write_error` has left unsent."""
        if not self._headers_written and not has_body("GET", self._status_code):
            self._write_buffer = []
        try:
            self.finish()
        except _WHATEVER:
            application_log.exception("cannot send error response")
            self._halny_break_off()

    def _halny_break_off(self) -> None:
        """End a response so that the client can tell that it is not complete, or that there is none."""
        self._finished = True
        if not self._headers_written:
            self._status_code, self._reason = 500, responses[500]  # for the log: no client has seen another
        close = getattr(self.request.connection, "abort", None)
        if close is not None:
            close()
        try:
            try:
                self._log()
            finally:
                self._halny_end_request()
        except _WHATEVER:
            application_log.exception("uncaught exception after the request")

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write the error page; a subclass may override this.

        With the setting `serve_traceback`, which debug mode turns on, the page is the traceback as plain text.

        Args:
            status_code: the status.
            **kwargs: what `send_error` got.
        """
        if self.settings.get("serve_traceback") and "exc_info" in kwargs:
            self.set_header("Content-Type", "text/plain; charset=UTF-8")
            self.finish("".join(traceback.format_exception(*kwargs["exc_info"])))
            return
        if find_fault(status_code):
            status_code = self._status_code
        if not has_body("GET", status_code):
            self.finish()
            return
        message = f"{show(status_code)}: {xhtml_escape(self._reason)}"
        self.finish(f"<html><title>{message}</title><body>{message}</body></html>")

    def log_exception(
        self, typ: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Log an exception that ended the request; a subclass may override this.

        An `HTTPError` is a warning without a traceback, and none at all without a message.

        Args:
            typ: the exception's class.
            value: the exception.
            tb: its traceback.
        """
        if isinstance(value, HTTPError):
            message = value.get_message()
            if message:
                general_log.warning("%s %s: %s", show(value.status_code), self._request_summary(), message)
            return
        application_log.error(
            "uncaught exception %s\n%r",
            self._request_summary(),
            self.request,
            exc_info=(typ, value, tb) if typ is not None and value is not None else None,
        )

    def _request_summary(self) -> str:
        # In a few words, for logs.
        request = self.request
        return f"{request.method} {request.uri} ({request.remote_ip})"

    def _handle_request_exception(self, error: BaseException) -> None:
        try:
            self._halny_answer_exception(error)
        except asyncio.CancelledError as cancelled:
            raise RuntimeError("a CancelledError came up while an exception was answered") from cancelled

    def _halny_answer_exception(self, error: BaseException) -> None:
        if isinstance(error, Finish):
            if not self._finished:
                self.finish(*error.args)
            return
        if isinstance(error, StreamClosedError) and self._halny_is_connection_gone():
            self._halny_connection_closed()
            self._finished = True
            self._halny_end_request()
            return
        try:
            self.log_exception(*sys.exc_info())
        except _WHATEVER:
            # What logs must not keep the client from its answer.
            application_log.exception("error in exception logger")
        if self._finished:
            return  # the answer is sent; the log has the rest
        if isinstance(error, HTTPError):
            self.send_error(error.status_code, exc_info=sys.exc_info())
        else:
            self.send_error(500, exc_info=sys.exc_info())

    _halny_connection_gone = False

    def _halny_connection_closed(self) -> None:
        """Tell the handler that its client is gone."""
        raise RuntimeError("part of a handler used alone")

    def _halny_is_connection_gone(self) -> bool:
        """Return whether the client went away before the response was finished."""
        # What waits for the connection hears of its end before `on_connection_close` is called.
        return self._halny_connection_gone or bool(getattr(self.request.connection, "is_closed", False))
