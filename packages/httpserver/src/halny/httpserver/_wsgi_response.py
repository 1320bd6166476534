"""What a WSGI application says in answer to one request (PEP 3333): `start_response`, `write`, and its iterable."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, final

from halny.http import HTTPHeaders, HTTPOutputError, ResponseStartLine, format_timestamp

from ._version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from types import TracebackType

    from halny.http import HTTPServerRequest

    ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    WSGIApplication = Callable[[dict[str, Any], Callable[..., Callable[[bytes], object]]], Iterable[bytes]]

SERVER: Final = f"HalnyServer/{__version__}"
"""The value of `Server` in a response that has none of its own."""

_HEAD_OF_500: Final = b"Content-Type: text/html; charset=UTF-8\r\nContent-Length: %d\r\n"

_HOP_BY_HOP: Final = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
"""Headers of the connection, which an application must not set (PEP 3333, "Other HTTP Features")."""


@final
class Response:
    """What an application says in answer to one request."""

    def __init__(self, application: WSGIApplication, environ: dict[str, Any], request: HTTPServerRequest) -> None:
        assert request.connection is not None
        self._application = application
        self._environ = environ
        self._connection = request.connection
        self._is_head = request.method == "HEAD"
        self._status: tuple[int, str] | None = None
        self._headers = HTTPHeaders()
        self._written: list[bytes] = []
        self._is_begun = False
        self._head_sent = False
        self.emit: Callable[[bytes], object] | None = None
        """Sends a block at once and waits; set where the application has a thread of its own."""

    @property
    def code(self) -> int:
        """The status code, for the log; 500 until the application has said one."""
        return 500 if self._status is None else self._status[0]

    def blocks(self) -> Generator[bytes]:
        """Run the application: yield its blocks, none of them empty, and close its iterable whatever happens."""
        result = self._application(self._environ, self._start_response)
        try:
            yield from self._take_written()
            if isinstance(result, (list, tuple)) and not self._is_begun:
                body = b"".join(result)
                self._announce(len(body))
                result_blocks: Iterable[bytes] = [body]
            else:
                result_blocks = result
            for block in result_blocks:
                yield from self._take_written()
                if block:
                    self._is_begun = True
                    yield block  # PEP 3333: an empty block sends nothing, not even the head
            yield from self._take_written()
        finally:
            close: Callable[[], object] | None = getattr(result, "close", None)
            if close is not None:
                close()

    def _announce(self, length: int) -> None:
        """Say how long the body is, unless there is none by its status, or a GET would have got another one.

        RFC 9110, section 8.6: a length in answer to HEAD, or beside 304, is that of what GET gets with 200.
        """
        if self._status is None or self._status[0] in (204, 304) or (self._is_head and not length):
            return
        self._headers.setdefault("Content-Length", str(length))

    def _take_written(self) -> Iterator[bytes]:
        written, self._written = self._written, []
        if written:
            yield b"".join(written)

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        """The `start_response` of PEP 3333."""
        if exc_info is not None and exc_info[1] is not None:
            try:
                if self._is_begun:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it refers to this frame
        elif self._status is not None:
            raise RuntimeError("start_response() was called twice without exc_info")
        code, _, reason = status.partition(" ")
        if not (len(code) == 3 and code.isascii() and code.isdigit()):
            raise ValueError(f"malformed status {status!r}, expected for example '200 OK'")
        checked = HTTPHeaders()
        for name, value in headers:
            if name.lower() in _HOP_BY_HOP:
                raise ValueError(f"header {name!r} is for the server to set")
            checked.add(name, value.strip(" \t"))  # Django's cookies begin with a space
        self._status, self._headers = (int(code), reason), checked
        return self._write

    def _write(self, data: bytes) -> None:
        """The `write()` of PEP 3333: what it gets leaves before the next block is asked for."""
        if not data:
            return
        self._is_begun = True
        if self.emit is None:
            self._written.append(bytes(data))  # leaves as soon as the loop has its thread back
        else:
            self.emit(bytes(data))

    async def send(self, block: bytes) -> None:
        """Send a block, the head before the first, and wait until the client keeps up."""
        if not block:
            return
        if self._head_sent:
            await self._connection.write(block)
        else:
            await self._send_head(block)

    async def _send_head(self, block: bytes | None) -> None:
        if self._status is None:
            raise RuntimeError("the WSGI application did not call start_response()")
        code, reason = self._status
        headers = self._headers
        if code not in (204, 304) and "Content-Type" not in headers:
            headers["Content-Type"] = "text/html; charset=UTF-8"
        if "Server" not in headers:
            headers["Server"] = SERVER
        if "Date" not in headers:
            headers["Date"] = format_timestamp(time.time())
        written = self._connection.write_headers(ResponseStartLine("HTTP/1.1", code, reason), headers, block)
        self._head_sent = True
        await written

    async def finish(self) -> None:
        """End the response; one without any block has its head still to be sent."""
        if not self._head_sent:
            self._announce(0)
            await self._send_head(None)
        self._connection.finish()

    def fail(self) -> None:
        """Answer with 500 in the application's place, or break off what it has begun."""
        if not self._head_sent:
            self._status = (500, "Internal Server Error")
            body = b"<html><title>500: Internal Server Error</title><body>500: Internal Server Error</body></html>"
            with suppress(HTTPOutputError):  # the server may have answered in our place
                self._connection.respond(500, "Internal Server Error", _HEAD_OF_500 % len(body), body)
            return
        abort: Callable[[], object] | None = getattr(self._connection, "abort", None)
        if abort is not None:
            abort()
