"""A handler's response: its status and its headers.

Strategy: most responses have the default headers and no others. Those are kept as text, made once a second, and
become `HTTPHeaders` for a handler that asks. The order of the defaults is the one that Tornado's users see.
"""

from __future__ import annotations

import datetime as dt
import re
import time
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final, final

from halny.http import HTTPHeaders, HTTPInputError, format_timestamp, is_reason_phrase, responses

from ._base import HandlerBase
from ._status import as_status
from ._version import __version__

if TYPE_CHECKING:
    from http.cookies import Morsel

    from halny.http import SetCookie

SERVER: Final = f"HalnyServer/{__version__}"
"""The value of the `Server` header."""

HTML: Final = "text/html; charset=UTF-8"
"""The type of a response that says nothing else."""

JSON: Final = "application/json; charset=UTF-8"
"""The type of a response that is a dict."""

_UNSAFE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


@final
class Defaults:
    """The headers that every response begins with, made once a second."""

    def __init__(self) -> None:
        self.begin = 0.0
        self.end = 0.0
        self.date = ""
        self.heads: dict[str, str] = {}

    def date_at(self, now: float) -> str:
        """Return the value of the `Date` header."""
        if not self.begin <= now < self.end:
            self.renew(now)
        return self.date

    def renew(self, now: float) -> None:
        """Make the defaults of the second in which `now` is; to be called when it is not between `begin` and `end`."""
        second = int(now)
        self.date = date = format_timestamp(second)
        self.heads = {kind: f"Server: {SERVER}\r\nContent-Type: {kind}\r\nDate: {date}\r\n" for kind in (HTML, JSON)}
        self.begin, self.end = float(second), second + 1.0  # last, for the loops of other threads


defaults: Final = Defaults()
"""The defaults of this process."""


class ResponseHead(HandlerBase):
    """The part of `RequestHandler` that has the status and the headers of the response."""

    _status_code: int
    _reason: str
    _halny_content_type: str
    _write_buffer: list[bytes]
    _halny_cookies: dict[str, SetCookie | Morsel[str]] | None
    """The cookies that this response sets, by name; see `_new_cookie`. An error page keeps them."""
    _halny_header_fields: HTTPHeaders | None
    """The headers, as soon as somebody has asked for them; see `_headers`."""

    def clear(self) -> None:
        """Forget the headers and the body of the response, which have not been sent."""
        self._halny_header_fields = None
        self._write_buffer = []
        self._halny_content_type = HTML
        self._status_code = 200
        self._reason = "OK"
        self.set_default_headers()

    def set_default_headers(self) -> None:
        """Set headers at the start of each request; for subclasses. Error pages drop other headers, not these."""

    @property
    def _headers(self) -> HTTPHeaders:
        headers = self._halny_header_fields
        if headers is None:
            date = defaults.date_at(time.time())
            headers = self._halny_header_fields = HTTPHeaders.from_values(
                {"Server": [SERVER], "Content-Type": [self._halny_content_type], "Date": [date]}
            )
        return headers

    @_headers.setter
    def _headers(self, headers: HTTPHeaders) -> None:
        self._halny_header_fields = headers

    def set_status(self, status_code: int, reason: str | None = None) -> None:
        """Set the status of the response.

        Args:
            status_code: a number of three digits.
            reason: the reason phrase; by default the usual one of the code.

        Raises:
            TypeError: `status_code` is no number, as text is none, or `reason` is no text.
            ValueError: it is not from 100 to 999.
        """
        if type(status_code) is not int or not 100 <= status_code <= 999:
            status_code = as_status(status_code)
        self._status_code = status_code
        if reason is not None:
            if not isinstance(reason, str):  # pyright: ignore[reportUnnecessaryIsInstance] - an exception, for example
                raise TypeError(f"a reason phrase is text, not {reason!r}")
            if not reason or not is_reason_phrase(reason) or "<" in reason or not reason.isascii():
                reason = "Unknown"  # it may hold what a client sent, and it is shown on error pages
            self._reason = reason
        else:
            self._reason = responses.get(status_code, "Unknown")

    def get_status(self) -> int:
        """Return the status of the response."""
        return self._status_code

    def set_header(self, name: str, value: bytes | str | int | dt.datetime) -> None:
        """Set a header of the response, in place of any of the same name.

        Args:
            name: the name.
            value: text; a number or a date is turned into text.

        Raises:
            ValueError: the value holds control characters, or the name is none.
            TypeError: the value is of another type.
        """
        text = self._convert_header_value(value)
        try:
            self._headers[name] = text
        except HTTPInputError as error:
            raise ValueError(str(error)) from None

    def add_header(self, name: str, value: bytes | str | int | dt.datetime) -> None:
        """Add a header to the response, beside any of the same name.

        Args:
            name: the name.
            value: as for `set_header`.

        Raises:
            ValueError: the value holds control characters, or the name is none.
            TypeError: the value is of another type.
        """
        text = self._convert_header_value(value)
        try:
            self._headers.add(name, text)
        except HTTPInputError as error:
            raise ValueError(str(error)) from None

    def clear_header(self, name: str) -> None:
        """Take a header back, whether it was set or is one of the defaults.

        Args:
            name: the name. Headers that were added several times are all taken back.
        """
        if name in self._headers:
            del self._headers[name]

    def _convert_header_value(self, value: Any) -> str:
        if isinstance(value, str):
            if value.isprintable() and value.isascii():
                return value  # as most are
            text = value
        elif isinstance(value, bytes):
            text = value.decode("latin-1")
        elif isinstance(value, Integral):
            return str(value)
        elif isinstance(value, dt.datetime):
            return format_timestamp(value)
        else:
            raise TypeError(f"unsupported header value {value!r}")
        if _UNSAFE.search(text):
            raise ValueError(f"unsafe header value {text!r}")
        if not text.isascii():
            try:
                text.encode("latin-1")
            except UnicodeEncodeError:
                raise ValueError(f"header value {text!r} holds characters that ISO-8859-1 has not") from None
        return text

    def _halny_typed_head(self, content_type: str) -> bytes:
        """Return the headers that every response with a body begins with."""
        return f"Server: {SERVER}\r\nContent-Type: {content_type}\r\nDate: {defaults.date_at(time.time())}\r\n".encode()

    def _halny_bare_head(self, extra: str) -> bytes:
        return f"Server: {SERVER}\r\nDate: {defaults.date_at(time.time())}\r\n{extra}".encode("ascii")

    def _halny_add_cookies(self) -> None:
        cookies = self._halny_cookies
        if not cookies:
            return
        try:
            for cookie in cookies.values():
                self._headers.add("Set-Cookie", cookie.OutputString(None))
        except Exception:  # what programs put there is not checked before
            self._halny_cookies = None  # or the error page could not leave either
            raise
