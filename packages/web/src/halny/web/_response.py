"""A handler's response: its body, and how all of it leaves.

Strategy: a response that is finished in one go, and that neither headers nor transforms nor a subclass have touched,
leaves as one piece of bytes made from a prepared head. Anything else goes through `HTTPHeaders`.
"""

from __future__ import annotations

import asyncio
import time
from hashlib import sha1 as _sha1
from typing import TYPE_CHECKING, Any, Final, final

from halny.http import HTTPConnection, HTTPOutputError, ResponseStartLine, etag_matches, has_body
from halny.template.escape import json_encode, utf8

from ._response_head import JSON, ResponseHead, defaults
from ._status import as_status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from halny.http import HTTPHeaders
    from halny.iostream import IOStream

_CONTENT_HEADERS: Final = (
    "Content-Encoding", "Content-Language", "Content-Length", "Content-MD5", "Content-Range", "Content-Type",
)  # fmt: skip


class Response(ResponseHead):
    """The part of `RequestHandler` that makes the response."""

    # Body

    def write(self, chunk: str | bytes | dict[Any, Any]) -> None:
        """Add to the body of the response; `flush` or `finish` send it.

        Args:
            chunk: text, which is encoded as UTF-8, bytes, or a dict, which is sent as JSON with its content type. A
                list is refused: as JSON it was once a way to steal data across sites.

        Raises:
            RuntimeError: the response is finished.
            TypeError: `chunk` is of another type.
        """
        if self._finished:
            raise RuntimeError("cannot write() after finish()")
        if isinstance(chunk, str):
            self._write_buffer.append(chunk.encode())
        elif isinstance(chunk, bytes):
            self._write_buffer.append(chunk)
        else:
            self._halny_write_json(chunk)

    def _halny_write_json(self, value: object) -> None:
        if not isinstance(value, dict):
            kind = type(value).__name__
            hint = "; lists are not accepted for security reasons: write a dict" if kind == "list" else ""
            raise TypeError(f"write() accepts str, bytes and dict, not {kind}{hint}")
        self._write_buffer.append(json_encode(value).encode())
        self._halny_content_type = JSON
        if self._halny_header_fields is not None:
            self._halny_header_fields["Content-Type"] = JSON
        if type(self).set_header is not _SET_HEADER:
            self.set_header("Content-Type", JSON)  # whoever has one of his own wants to know

    def redirect(self, url: str | bytes, permanent: bool = False, status: int | None = None) -> None:
        """Send the client to another URL, and finish.

        Args:
            url: the URL, which may be relative to the request's. Where a client has a say in it, the application has
                to check that it does not lead to another site.
            permanent: whether the status is 301 and not 302.
            status: a status in place of these, from 300 to 399.

        Raises:
            RuntimeError: the head of the response is already sent.
            TypeError: `status` is no number.
            ValueError: `status` is no redirect.
        """
        if self._headers_written:
            raise RuntimeError("cannot redirect after headers have been written")
        if status is None:
            status = 301 if permanent else 302
        elif not 300 <= as_status(status) <= 399:
            raise ValueError(f"status of a redirect must be from 300 to 399, not {status!r}")
        self.set_status(status)
        self.set_header("Location", utf8(url))
        self.finish()

    def flush(self, include_footers: bool = False) -> asyncio.Future[None]:
        """Send what has been written so far.

        Args:
            include_footers: whether this is the end; for the framework.

        Returns:
            What ends when the client keeps up, and fails with `StreamClosedError` when it is gone. It need not be
            awaited, but a handler that writes much should: it is how a slow client slows it down.
        """
        if self._finished:
            return _done()  # there is nothing left to send
        connection = self._halny_connection()
        chunk = b"".join(self._write_buffer)
        self._write_buffer = []
        if self._headers_written:
            for transform in self._transforms:
                chunk = transform.transform_chunk(chunk, include_footers)
            return _as_future(connection.write(chunk)) if self.request.method != "HEAD" else _done()
        chunk = self._halny_transform_first(chunk, include_footers)
        headers = self._headers
        if (
            include_footers
            and self._halny_has_body()
            and headers.get("Content-Length", str(len(chunk))) != str(len(chunk))
        ):
            raise HTTPOutputError(f"Content-Length is {headers['Content-Length']}, but the body has {len(chunk)} bytes")
        start_line = ResponseStartLine("HTTP/1.1", self._status_code, self._reason)
        written = connection.write_headers(start_line, headers, chunk)
        self._headers_written = True
        return _as_future(written)

    def finish(self, chunk: str | bytes | dict[Any, Any] | None = None) -> asyncio.Future[None]:
        """Send the rest of the response and end the request.

        Args:
            chunk: a last part of the body, as for `write`.

        Returns:
            What ends when the client keeps up with what was sent; it need not be awaited.

        Raises:
            RuntimeError: it was called before.
        """
        if self._finished:
            raise RuntimeError("finish() called twice")
        if chunk is not None:
            self.write(chunk)
        future: asyncio.Future[None] | None = None
        now = time.time()
        cls = type(self)
        # Has nothing come between the defaults and the response: neither the handler, nor its class, nor a patch?
        if (
            self._halny_header_fields is None
            and not self._headers_written
            and not self._transforms
            and self._halny_cookies is None
            and cls.flush is _FLUSH
            and cls.compute_etag is _COMPUTE_ETAG
            and cls.set_etag_header is _SET_ETAG_HEADER
            and cls.check_etag_header is _CHECK_ETAG_HEADER
            and cls.set_header is _SET_HEADER
        ):
            self._halny_finish_at_once(now)
        else:
            future = self._halny_finish_in_parts()
        self._halny_conclude(now)
        return _done() if future is None else future

    def _halny_finish_with(self, head: bytes, body: bytes) -> None:
        """Send a whole response whose head is made already, and end the request."""
        self._halny_respond(self._status_code, self._reason, head, body)
        self._halny_conclude(time.time())

    def _halny_respond(self, code: int, reason: str, headers: HTTPHeaders | bytes, body: bytes) -> None:
        connection = self.request.connection
        assert connection is not None
        try:
            connection.respond(code, reason, headers, body)
        except AttributeError:
            if hasattr(connection, "respond"):
                raise
            # A program's connection, which only knows how to send a response in parts.
            HTTPConnection.respond(connection, code, reason, headers, body)

    def _halny_conclude(self, now: float) -> None:
        """The response is handed over: log it and end the request."""
        self._finished = self._headers_written = True
        self.request._finish_time = now  # pyright: ignore[reportPrivateUsage] - on everybody's way
        try:
            self._log()
        finally:
            self._halny_end_request()

    def detach(self) -> IOStream:
        """Take the connection over, as the protocols do that a request can be upgraded to.

        Nothing is sent any more but what is written to the stream, and the request is over when its owner says so:
        `on_finish` is not called.

        Returns:
            The connection as a stream, with what was read of it beyond this request.

        Raises:
            RuntimeError: what carries this request can't hand its connection over.
        """
        detach: Callable[[], IOStream] | None = getattr(self.request.connection, "detach", None)
        if detach is None:
            raise RuntimeError(f"{self.request.connection!r} can't be detached")
        self._finished = True
        self._halny_body_complete()
        return detach()

    def _halny_finish_at_once(self, now: float) -> None:
        """Send a response that has nothing but the defaults."""
        buffer = self._write_buffer
        body = buffer[0] if len(buffer) == 1 else b"".join(buffer)
        status = self._status_code
        request = self.request
        if not defaults.begin <= now < defaults.end:
            defaults.renew(now)
        head = defaults.heads[self._halny_content_type]
        if status == 200 and (request.method == "GET" or request.method == "HEAD"):
            digest = _sha1(body, usedforsecurity=False).hexdigest()
            if request.is_conditional and self._halny_matches_etag(f'"{digest}"'):
                self._status_code, self._reason = 304, "Not Modified"
                self._halny_respond(304, "Not Modified", self._halny_bare_head(f'Etag: "{digest}"\r\n'), b"")
                return
            head = f'{head}Etag: "{digest}"\r\nContent-Length: {len(body)}\r\n'
        elif status in (204, 304) or 100 <= status < 200:
            self._halny_require_no_body(body)
            self._halny_respond(status, self._reason, self._halny_bare_head(""), b"")
            return
        else:
            head = f"{head}Content-Length: {len(body)}\r\n"
        self._halny_respond(status, self._reason, head.encode(), body)

    def _halny_finish_in_parts(self) -> asyncio.Future[None] | None:
        if not self._headers_written:
            if self._status_code == 200 and self.request.method in ("GET", "HEAD"):
                self._halny_answer_condition()
            if self._status_code in (204, 304) or 100 <= self._status_code < 200:
                self._halny_require_no_body(b"".join(self._write_buffer))
                self._halny_clear_content_headers()
            elif "Content-Length" not in self._headers:
                self.set_header("Content-Length", sum(map(len, self._write_buffer)))
            if type(self).flush is _FLUSH:
                self._halny_finish_whole()
                return None
        future = self.flush(include_footers=True)
        self._halny_connection().finish()
        return future

    def _halny_finish_whole(self) -> None:
        """Send a response that nobody wants to see part by part."""
        body = self._halny_transform_first(b"".join(self._write_buffer), True)
        connection, headers = self._halny_connection(), self._headers
        if "Content-Length" in headers or not self._halny_has_body():
            self._halny_respond(self._status_code, self._reason, headers, body)
        else:  # a transform has taken the length away
            connection.write_headers(ResponseStartLine("HTTP/1.1", self._status_code, self._reason), headers, body)
            connection.finish()

    def _halny_transform_first(self, chunk: bytes, finishing: bool) -> bytes:
        """Return the first part of the body, with all headers in their final state."""
        for transform in self._transforms:
            self._status_code, self._headers, chunk = transform.transform_first_chunk(
                self._status_code, self._headers, chunk, finishing
            )
        self._halny_add_cookies()
        return chunk

    def _halny_has_body(self) -> bool:
        return has_body(self.request.method, self._status_code)

    def _halny_answer_condition(self) -> None:
        """Give the response its entity tag, or answer 304 to a client that has it; not if the handler has set one."""
        if "Etag" in self._headers:
            return
        self.set_etag_header()
        if self.check_etag_header():
            self._write_buffer = []
            self.set_status(304)

    def _halny_require_no_body(self, body: bytes) -> None:
        if 100 <= self._status_code < 200 and self._status_code != 101:
            raise RuntimeError(f"cannot finish with the interim status {self._status_code}")
        if body:
            raise RuntimeError(f"cannot send a body of {len(body)} bytes with status {self._status_code}")

    def _halny_clear_content_headers(self) -> None:
        """Drop what describes a body, from a response that has none (RFC 9110, sections 15.3.5 and 15.4.5)."""
        for name in _CONTENT_HEADERS:
            self.clear_header(name)

    def _halny_connection(self) -> HTTPConnection:
        connection = self.request.connection
        assert connection is not None
        return connection

    # Entity tags

    def compute_etag(self) -> str | None:
        """Return the entity tag of the response, or None for none; a subclass may know a cheaper one.

        The default is a hash of what has been written so far.
        """
        digest = _sha1(usedforsecurity=False)
        for part in self._write_buffer:
            digest.update(part)
        return f'"{digest.hexdigest()}"'

    def set_etag_header(self) -> None:
        """Set the `Etag` header to what `compute_etag` returns."""
        etag = self.compute_etag()
        if etag is not None:
            self.set_header("Etag", etag)

    def check_etag_header(self) -> bool:
        """Return whether the client has what `Etag` names, so that 304 is the answer (RFC 9110, section 13.1.2)."""
        etag = self._headers.get("Etag")
        return etag is not None and self.request.is_conditional and self._halny_matches_etag(etag)

    def _halny_matches_etag(self, etag: str) -> bool:
        return etag_matches(self.request.headers.get("If-None-Match", ""), etag)

    # The end

    def on_finish(self) -> Awaitable[None] | None:
        """Called after the response has been sent; for subclasses, to clean up or to count.

        What it writes goes nowhere. An awaitable that it returns is run in the request's context.
        """
        return None

    def _log(self) -> None:
        self.application.log_request(self)  # type: ignore[arg-type]

    def _halny_end_request(self) -> None:
        try:
            result = self.on_finish()
        finally:
            if self._halny_ui is not None:
                # It refers back to the handler, which would else have to wait for the garbage collector.
                self._halny_ui = None
                vars(self).pop("_active_modules", None)
        if result is not None:
            self._halny_run_afterwards(result, "on_finish")

    def _halny_body_complete(self) -> None:
        """Go on with the request, if it waits for its body."""
        raise RuntimeError("part of a handler used alone")

    def _halny_run_afterwards(self, awaitable: Awaitable[None], name: str) -> None:
        """Run what `on_finish` or `on_connection_close` returned."""
        raise RuntimeError("part of a handler used alone")


# What a class that answers as everybody else does has in these places; one that is patched has not.
_FLUSH: Final = Response.flush
_COMPUTE_ETAG: Final = Response.compute_etag
_SET_ETAG_HEADER: Final = Response.set_etag_header
_CHECK_ETAG_HEADER: Final = Response.check_etag_header
_SET_HEADER: Final = Response.set_header


@final
class _Done:
    """A future that is done, made once for each loop in turn: whoever awaits it goes on at once."""

    def __init__(self) -> None:
        self._last: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] | None = None

    def get(self) -> asyncio.Future[None]:
        """Return it."""
        loop = asyncio.get_running_loop()
        last = self._last  # read once: another thread's loop may change it
        if last is not None and last[0] is loop:
            return last[1]
        future: asyncio.Future[None] = loop.create_future()
        future.set_result(None)
        self._last = (loop, future)
        return future


_done: Final = _Done().get


def _as_future(awaitable: Awaitable[None]) -> asyncio.Future[None]:
    return asyncio.ensure_future(awaitable)
