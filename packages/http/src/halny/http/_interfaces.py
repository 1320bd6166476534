"""The interfaces between a connection and an application. Nothing here does any work.

There are two ways in which a connection hands a request over, and one in which it takes the response.

The *delegate* way is told of a message part by part: `HTTPServerConnectionDelegate.start_request` gives an
`HTTPMessageDelegate`, whose `headers_received`, `data_received` and `finish` are called in that order.

The *endpoint* way asks once, when the head is complete: `EndpointSource.find_endpoint` gives the `Endpoint` that
answers this request. It says how large a body it takes, and is run when the message is complete; a
`StreamingEndpoint` is run at once and takes the body as it comes. Middleware wraps the endpoint (`wrap_endpoints`,
`EndpointWrapper`).

What answers is an `HTTPConnection`. It stands for one request on a connection, whatever the protocol is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from ._headers import HTTPHeaders
    from ._request import HTTPServerRequest, RequestStartLine, ResponseStartLine

    _Interface = ABC
else:
    # An object of a class of `ABCMeta` takes twice as long to make, and these are made for every request. So what is
    # not defined is seen by type checkers beforehand, and else when it is called.
    _Interface = object


class HTTPConnection(_Interface):
    """Takes the response to one request."""

    __slots__ = ()

    @abstractmethod
    def write_headers(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> Awaitable[None]:
        """Write the head of a response, and perhaps the first part of its body.

        Args:
            start_line: the status line; its version is ignored, for the connection knows its own.
            headers: the header fields. Without a `Content-Length` the body is chunked, or ends with the connection.
            chunk: the first bytes of the body.

        Returns:
            What ends when the peer keeps up with what has been written; it need not be awaited.

        Raises:
            HTTPOutputError: a response was written already, or its framing headers contradict each other.
        """
        raise NotImplementedError

    @abstractmethod
    def write(self, chunk: bytes) -> Awaitable[None]:
        """Write a part of the body.

        Args:
            chunk: any number of bytes.

        Returns:
            What ends when the peer keeps up with what has been written; it need not be awaited.

        Raises:
            HTTPOutputError: there is no head yet, or more is written than `Content-Length` said.
        """
        raise NotImplementedError

    def send_file(self, file: int, offset: int, count: int) -> Awaitable[None] | None:
        """Write a part of the body that is in a file, without a copy of it in this process.

        Until it is sent nothing may be written, nor the response finished.

        Args:
            file: a descriptor, which stays open until the awaitable has ended.
            offset: where the part begins, in bytes.
            count: its length in bytes.

        Returns:
            What ends when all of it is on its way, and fails when the peer is gone or the file is too short; None
            where this connection can't do it: then the caller reads the file and writes it.

        Raises:
            HTTPOutputError: there is no head yet, or more is written than `Content-Length` said.
        """
        return None

    @abstractmethod
    def finish(self) -> None:
        """End the response.

        Raises:
            HTTPOutputError: less was written than `Content-Length` said.
        """
        raise NotImplementedError

    def respond(self, code: int, reason: str, headers: HTTPHeaders | bytes, body: bytes) -> None:
        """Send a whole response: what `write_headers` and `finish` do, in one.

        Args:
            code: the status code.
            reason: the reason phrase, checked by the caller.
            headers: the header fields, which give the `Content-Length`; or the same as bytes, each line with its CRLF.
            body: the content; left out where the request's method or the status allows none.

        Raises:
            HTTPOutputError: as the two raise it.
        """
        from ._headers import HTTPHeaders
        from ._request import ResponseStartLine

        if isinstance(headers, bytes):
            headers = HTTPHeaders.from_section(headers.removesuffix(b"\r\n"))
        self.write_headers(ResponseStartLine("HTTP/1.1", code, reason), headers, body or None)
        self.finish()


class HTTPMessageDelegate:
    """Is told of one message, part by part. The methods do nothing unless they are overridden."""

    __slots__ = ()

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        """The head is complete; the body waits for the awaitable, if one is returned."""
        return None

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """A part of the body has come; the next one waits for the awaitable, if one is returned."""
        return None

    def finish(self) -> None:
        """The message is complete."""

    def on_connection_close(self) -> None:
        """Nothing more of the message comes before it is complete, or the peer went away before the response was.

        The first is so when the peer goes away or is refused, when the delegate raises, and when the response is
        finished while the body is still to come. Either this or `finish` is called, or both in that order reversed,
        but `finish` never after this; neither where the delegate took the connection over (`detach`) before.
        """


class HTTPServerConnectionDelegate:
    """Is told of the requests of a server's connections."""

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """A request begins.

        Args:
            server_conn: stands for the connection that carries the requests one after another.
            request_conn: takes the response to this one.

        Returns:
            What is told of this request.
        """
        raise NotImplementedError

    def on_close(self, server_conn: object) -> None:
        """A connection was closed.

        Args:
            server_conn: the object that `start_request` got.
        """


class Endpoint(_Interface):
    """Answers one request."""

    __slots__ = ()

    max_body_size: int | None = None
    """How many bytes of body this request may have, or None for the server's own limit."""

    @abstractmethod
    def run(self) -> Coroutine[Any, Any, None] | None:
        """Answer the request, whose body is complete; a coroutine is run as a task in the request's context.

        That of a `StreamingEndpoint` is called before the body comes, and answers if there is none.

        The request is over when its connection's `finish` or `respond` was called, which may be later than this.
        """
        raise NotImplementedError

    def on_connection_close(self) -> None:
        """The peer went away before the response was finished. Called once at most, in the request's context."""


class StreamingEndpoint(Endpoint):
    """Answers one request and takes its body as it comes; `run` is called when the head is complete.

    Where the request has no body, which `request.has_body` tells, `run` is all that is called: it has to answer then,
    or nobody will. Where it has one, `wait_for_body` comes after `run`, then `data_received` for each part, none of
    them empty, and `body_complete`; a chunked body may be empty, and then has no parts. None of them is called any
    more once the response is finished, or the connection is gone, or taken over; in the first case `body_dropped` is
    the last call, in the second `on_connection_close`.
    """

    __slots__ = ()

    @abstractmethod
    def wait_for_body(self) -> Awaitable[None] | None:
        """Return what ends when the body may come. `100 Continue` is sent then, where the peer waits for it."""
        raise NotImplementedError

    @abstractmethod
    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Take a part of the body; the next one waits for the awaitable, if one is returned."""
        raise NotImplementedError

    @abstractmethod
    def body_complete(self) -> None:
        """The body is complete. Not called where the request has none: see above."""
        raise NotImplementedError

    def body_dropped(self) -> None:
        """The response is finished, by whomever, and the rest of the body will not be read.

        What `wait_for_body` or `data_received` have returned has ended by now.
        """


class EndpointSource(ABC):
    """Finds what answers a request when its head is complete."""

    __slots__ = ()

    @abstractmethod
    def find_endpoint(self, request: HTTPServerRequest) -> Endpoint:
        """Return what answers `request`, whose body is not there yet.

        Args:
            request: the request; its `connection` takes the response.
        """


class EndpointWrapper(Endpoint):
    """Middleware: an endpoint that hands on to another one whatever it does not override.

        class Counted(EndpointWrapper):
            def run(self):
                requests.inc()
                return super().run()

        source = wrap_endpoints(application.endpoint_source(), Counted)

    The limit of the body is the other one's. So are `wait_for_body`, `data_received`, `body_complete` and
    `body_dropped`, which are called where the other one is a `StreamingEndpoint`: `wrap_endpoints` sees to that, so
    this class suits both kinds.

    Args:
        request: the request.
        endpoint: the endpoint that is wrapped.
    """

    def __init__(self, request: HTTPServerRequest, endpoint: Endpoint) -> None:
        self.request = request
        self.endpoint = endpoint
        self.max_body_size = endpoint.max_body_size

    def run(self) -> Coroutine[Any, Any, None] | None:
        """See `Endpoint.run`."""
        return self.endpoint.run()

    def on_connection_close(self) -> None:
        """See `Endpoint.on_connection_close`."""
        self.endpoint.on_connection_close()

    def wait_for_body(self) -> Awaitable[None] | None:
        """See `StreamingEndpoint.wait_for_body`."""
        return self._streaming.wait_for_body()

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """See `StreamingEndpoint.data_received`.

        Args:
            chunk: the part.
        """
        return self._streaming.data_received(chunk)

    def body_complete(self) -> None:
        """See `StreamingEndpoint.body_complete`."""
        self._streaming.body_complete()

    def body_dropped(self) -> None:
        """See `StreamingEndpoint.body_dropped`."""
        self._streaming.body_dropped()

    @property
    def _streaming(self) -> StreamingEndpoint:
        if not isinstance(self.endpoint, StreamingEndpoint):
            raise TypeError(f"{self.endpoint!r} gets its body whole, expected a StreamingEndpoint")
        return self.endpoint


@final
class _StreamingWrapper(StreamingEndpoint):
    """Makes a streaming endpoint of an `EndpointWrapper` around one.

    Args:
        wrapper: takes the calls.
    """

    __slots__ = ("_wrapper", "max_body_size")

    def __init__(self, wrapper: EndpointWrapper) -> None:
        self._wrapper = wrapper
        self.max_body_size = wrapper.max_body_size

    def run(self) -> Coroutine[Any, Any, None] | None:
        return self._wrapper.run()

    def on_connection_close(self) -> None:
        self._wrapper.on_connection_close()

    def wait_for_body(self) -> Awaitable[None] | None:
        return self._wrapper.wait_for_body()

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self._wrapper.data_received(chunk)

    def body_complete(self) -> None:
        self._wrapper.body_complete()

    def body_dropped(self) -> None:
        self._wrapper.body_dropped()


@final
class _WrappedSource(EndpointSource):
    def __init__(self, source: EndpointSource, wrapper: Callable[[HTTPServerRequest, Endpoint], Endpoint]) -> None:
        self._source = source
        self._wrapper = wrapper

    def find_endpoint(self, request: HTTPServerRequest) -> Endpoint:
        wrapped = self._wrapper(request, self._source.find_endpoint(request))
        if isinstance(wrapped, EndpointWrapper) and isinstance(wrapped.endpoint, StreamingEndpoint):
            return _StreamingWrapper(wrapped)
        return wrapped


def wrap_endpoints(
    source: EndpointSource, wrapper: Callable[[HTTPServerRequest, Endpoint], Endpoint]
) -> EndpointSource:
    """Return a source whose endpoints go through a wrapper: the hook for middleware.

    Args:
        source: finds the endpoints.
        wrapper: gets a request and its endpoint and returns the endpoint that is to answer: the same, one that
            does something before and after, such as an `EndpointWrapper`, or another. One of any other class must be
            a `StreamingEndpoint` where it wraps one, and has a `max_body_size` of its own.
    """
    return _WrappedSource(source, wrapper)
