from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

import pytest

from halny.http import (
    Endpoint,
    EndpointSource,
    EndpointWrapper,
    HTTPConnection,
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
    StreamingEndpoint,
    wrap_endpoints,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Coroutine


class Done:
    def __await__(self) -> Any:
        return iter(())


@final
class Recorder(HTTPConnection):
    """The least that a connection of another protocol has to be."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def write_headers(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders, chunk: bytes | None = None
    ) -> Awaitable[None]:
        self.calls.append((start_line, list(headers.get_all()), chunk))
        return Done()

    def write(self, chunk: bytes) -> Awaitable[None]:
        self.calls.append(("write", chunk))
        return Done()

    def finish(self) -> None:
        self.calls.append(("finish",))


@pytest.mark.parametrize(
    ("headers", "pairs"),
    [
        (HTTPHeaders({"Content-Length": "2", "X": "y"}), [("Content-Length", "2"), ("X", "y")]),
        (b"Content-Length: 2\r\nX: y\r\nX: z\r\n", [("Content-Length", "2"), ("X", "y"), ("X", "z")]),
        (b"", []),
    ],
)
@pytest.mark.parametrize(("body", "chunk"), [(b"ab", b"ab"), (b"", None)])
def test_a_whole_response_by_the_other_calls(
    headers: HTTPHeaders | bytes, pairs: list[tuple[str, str]], body: bytes, chunk: bytes | None
) -> None:
    connection = Recorder()
    connection.respond(404, "Not Found", headers, body)
    assert connection.calls == [(ResponseStartLine("HTTP/1.1", 404, "Not Found"), pairs, chunk), ("finish",)]


def test_a_connection_need_not_send_files_itself() -> None:
    assert Recorder().send_file(3, 0, 10) is None


class Incomplete(HTTPConnection, StreamingEndpoint):  # which type checkers refuse to make
    """Implements nothing."""


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("write_headers", (ResponseStartLine("HTTP/1.1", 200, "OK"), HTTPHeaders())),
        ("write", (b"a",)),
        ("finish", ()),
        ("respond", (200, "OK", b"", b"")),
        ("run", ()),
        ("wait_for_body", ()),
        ("data_received", (b"a",)),
        ("body_complete", ()),
    ],
)
def test_what_has_to_be_implemented_is_missed_when_it_is_called(name: str, args: tuple[Any, ...]) -> None:
    with pytest.raises(NotImplementedError):
        getattr(Incomplete(), name)(*args)  # type: ignore[abstract]


def test_delegates_do_nothing_by_default() -> None:
    delegate = HTTPMessageDelegate()
    assert delegate.headers_received(RequestStartLine("GET", "/", "HTTP/1.1"), HTTPHeaders()) is None
    assert delegate.data_received(b"x") is None
    delegate.finish()
    delegate.on_connection_close()
    server = HTTPServerConnectionDelegate()
    server.on_close(object())
    with pytest.raises(NotImplementedError):
        server.start_request(object(), Recorder())


class Answer(Endpoint):
    def __init__(self, request: HTTPServerRequest, text: str) -> None:
        self.request = request
        self.text = text

    def run(self) -> Coroutine[Any, Any, None] | None:
        assert self.request.connection is not None
        self.request.connection.respond(200, "OK", b"", self.text.encode())
        return None


class Source(EndpointSource):
    def find_endpoint(self, request: HTTPServerRequest) -> Endpoint:
        return Answer(request, request.path)


@final
class Louder(Endpoint):
    def __init__(self, request: HTTPServerRequest, inner: Endpoint) -> None:
        self.max_body_size = 5
        self._request = request
        self._inner = inner

    def run(self) -> Coroutine[Any, Any, None] | None:
        assert isinstance(self._inner, Answer)
        self._inner.text += "!"
        return self._inner.run()

    def on_connection_close(self) -> None:
        self._inner.on_connection_close()


def test_middleware_wraps_endpoints() -> None:
    source = wrap_endpoints(wrap_endpoints(Source(), lambda request, inner: inner), Louder)
    connection = Recorder()
    request = HTTPServerRequest("GET", "/a", connection=connection)
    endpoint = source.find_endpoint(request)
    assert endpoint.max_body_size == 5
    assert endpoint.run() is None
    endpoint.on_connection_close()
    assert connection.calls == [(("HTTP/1.1", 200, "OK"), [], b"/a!"), ("finish",)]


def test_what_wraps_may_answer_itself() -> None:
    """Nothing of what is inside is called then."""

    def refuse(request: HTTPServerRequest, inner: Endpoint) -> Endpoint:
        return Answer(request, "no") if request.path == "/secret" else inner

    source = wrap_endpoints(Source(), refuse)
    connection = Recorder()
    for path in ("/secret", "/open"):
        source.find_endpoint(HTTPServerRequest("GET", path, connection=connection)).run()
    assert [call[2] for call in connection.calls if len(call) == 3] == [b"no", b"/open"]


def test_endpoints_have_no_limit_of_their_own() -> None:
    endpoint = Source().find_endpoint(HTTPServerRequest("GET", "/"))
    assert endpoint.max_body_size is None
    endpoint.on_connection_close()


def test_a_source_has_to_find_endpoints() -> None:
    with pytest.raises(TypeError):
        EndpointSource()  # type: ignore[abstract]


class Recording(StreamingEndpoint):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.max_body_size = 7
        self.calls: list[object] = []

    def run(self) -> None:
        self.calls.append("run")

    def wait_for_body(self) -> Awaitable[None] | None:
        self.calls.append("wait")
        return Done()

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        self.calls.append(chunk)
        return Done()

    def body_complete(self) -> None:
        self.calls.append("complete")

    def body_dropped(self) -> None:
        self.calls.append("dropped")

    def on_connection_close(self) -> None:
        self.calls.append("closed")


class Sees(EndpointWrapper):
    """Says so when a part of the body comes."""

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return super().data_received(chunk.upper())


class FixedSource(EndpointSource):
    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint

    def find_endpoint(self, request: HTTPServerRequest) -> Endpoint:
        return self.endpoint


def test_a_wrapper_hands_everything_on_to_a_streaming_endpoint() -> None:
    inner = Recording()
    source = wrap_endpoints(wrap_endpoints(FixedSource(inner), EndpointWrapper), Sees)
    endpoint = source.find_endpoint(HTTPServerRequest("POST", "/"))
    assert isinstance(endpoint, StreamingEndpoint)
    assert endpoint.max_body_size == 7
    assert endpoint.run() is None
    assert isinstance(endpoint.wait_for_body(), Done)
    assert isinstance(endpoint.data_received(b"part"), Done)
    endpoint.body_complete()
    endpoint.body_dropped()
    endpoint.on_connection_close()
    assert inner.calls == ["run", "wait", b"PART", "complete", "dropped", "closed"]
    endpoint.max_body_size = 9  # type: ignore[misc]  # as a server does when the application asks for it


def test_a_wrapper_of_an_endpoint_that_takes_its_body_whole() -> None:
    connection = Recorder()
    request = HTTPServerRequest("GET", "/a", connection=connection)
    inner = Answer(request, "text")
    inner.max_body_size = 3
    endpoint = wrap_endpoints(FixedSource(inner), EndpointWrapper).find_endpoint(request)
    assert not isinstance(endpoint, StreamingEndpoint)
    assert isinstance(endpoint, EndpointWrapper)
    assert (endpoint.request, endpoint.endpoint, endpoint.max_body_size) == (request, inner, 3)
    assert endpoint.run() is None
    endpoint.on_connection_close()
    assert connection.calls[-1] == ("finish",)
    with pytest.raises(TypeError, match="expected a StreamingEndpoint"):
        endpoint.data_received(b"part")
