# pyright: reportPrivateUsage=false
# (`_sockets` is a name that programs are known to use, and is tested)

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from halny.ioloop import TimeoutError as HalnyTimeoutError
from halny.iostream import IOStream, SSLIOStream, StreamClosedError, _tcpclient
from halny.iostream.netutil import Resolver, bind_sockets
from halny.iostream.tcpclient import TCPClient
from halny.iostream.tcpserver import TCPServer

from .certificates import client_context, server_context
from .sockets import closing_all, free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

V4, V6 = socket.AF_INET, socket.AF_INET6


class Server(TCPServer):
    """Tells its clients who they are."""

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        await stream.write(b"%s %d\n" % (address[0].encode(), address[1]))
        await stream.read_until_close()


async def serving(**options: Any) -> AsyncIterator[int]:
    server = Server(**options)
    server.listen(0, "127.0.0.1")
    (sock,) = server._sockets.values()
    yield sock.getsockname()[1]
    server.stop()
    while server._tasks:
        await asyncio.sleep(0)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async for number in serving():
        yield number


@pytest.fixture
async def tls_port() -> AsyncIterator[int]:
    async for number in serving(ssl_options=server_context()):
        yield number


class Fixed(Resolver):
    """Gives what it is told to, or what it is told to wait for."""

    def initialize(self, answer: Any) -> None:
        self.answer = answer
        self.closed = False

    def resolve(self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC) -> Awaitable[Any]:
        async def answer() -> Any:
            if isinstance(self.answer, Exception):
                raise self.answer
            return await self.answer if asyncio.isfuture(self.answer) else self.answer

        return answer()

    def close(self) -> None:
        self.closed = True


async def test_connects_by_name(port: int) -> None:
    stream = await TCPClient().connect("localhost", port, af=V4, max_buffer_size=1000)
    assert (await stream.read_until(b"\n")).startswith(b"127.0.0.1 ")
    assert stream.max_buffer_size == 1000
    stream.close()


async def test_connects_with_tls(tls_port: int) -> None:
    stream = await TCPClient().connect("localhost", tls_port, af=V4, ssl_options=client_context(), timeout=10)
    assert isinstance(stream, SSLIOStream)
    assert (await stream.read_until(b"\n")).startswith(b"127.0.0.1 ")
    stream.close()


async def test_source_address(port: int) -> None:
    source = free_port()
    stream = await TCPClient().connect("127.0.0.1", port, source_ip="127.0.0.2", source_port=source)
    assert await stream.read_until(b"\n") == b"127.0.0.2 %d\n" % source
    stream.close()


async def test_source_port_alone(port: int) -> None:
    source = free_port()
    stream = await TCPClient().connect("127.0.0.1", port, source_port=source)
    assert await stream.read_until(b"\n") == b"127.0.0.1 %d\n" % source
    stream.close()


async def test_a_source_that_can_not_be_had(port: int) -> None:
    with pytest.raises(OSError, match="assign") as caught:
        await TCPClient().connect("127.0.0.1", port, source_ip="192.0.2.1")
    assert not isinstance(caught.value, StreamClosedError)
    with pytest.raises(ValueError, match="source_ip is 'localhost', expected an IP address"):
        await TCPClient().connect("127.0.0.1", port, source_ip="localhost")


async def test_refused() -> None:
    with pytest.raises(StreamClosedError) as caught:
        await TCPClient().connect("127.0.0.1", free_port())
    assert isinstance(caught.value.real_error, ConnectionRefusedError)
    assert caught.value.__cause__ is caught.value.real_error


async def test_the_error_is_that_of_the_first_address() -> None:
    addresses = [(V4, ("127.0.0.1", free_port())), (V4, ("no address", 1))]
    with pytest.raises(StreamClosedError) as caught:
        await TCPClient(Fixed(answer=addresses)).connect("host.test", 1)
    assert isinstance(caught.value.real_error, ConnectionRefusedError)


async def test_a_resolver_that_fails() -> None:
    error = socket.gaierror(socket.EAI_NONAME, "unknown")
    with pytest.raises(socket.gaierror) as caught:
        await TCPClient(Fixed(answer=error)).connect("host.test", 1)
    assert caught.value is error
    with pytest.raises(socket.gaierror, match="no address"):
        await TCPClient(Fixed(answer=[])).connect("host.test", 1)


@pytest.mark.parametrize("timeout", [0.01, dt.timedelta(milliseconds=10)])
async def test_a_resolver_that_hangs(timeout: Any) -> None:
    never = asyncio.get_running_loop().create_future()
    with pytest.raises(HalnyTimeoutError, match=r"could not connect to host\.test:80 within 0\.01 s") as caught:
        await TCPClient(Fixed(answer=never)).connect("host.test", 80, timeout=timeout)
    assert caught.value.__cause__ is not None
    assert never.cancelled()


async def test_a_resolvers_own_timeout_is_passed_on() -> None:
    with pytest.raises(TimeoutError, match="its own"):
        await TCPClient(Fixed(answer=TimeoutError("its own"))).connect("host.test", 80, timeout=60)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> list[IOStream]:
    """Makes connecting to port 1 take for ever, and collects the streams that try."""
    stuck: list[IOStream] = []
    connect = IOStream.connect

    def hang(self: IOStream, address: Any, server_hostname: str | None = None) -> Any:
        if address[1] != 1:
            return connect(self, address, server_hostname)
        stuck.append(self)
        return asyncio.get_running_loop().create_future()

    monkeypatch.setattr(IOStream, "connect", hang)
    monkeypatch.setattr(_tcpclient, "ATTEMPT_DELAY_SECONDS", 0.01)
    return stuck


async def test_a_slow_address_is_overtaken(port: int, slow: list[IOStream]) -> None:
    addresses = [(V6, ("::1", 1)), (V6, ("::1", 1)), (V4, ("127.0.0.1", port))]
    stream = await TCPClient(Fixed(answer=addresses)).connect("host.test", port)
    assert (await stream.read_until(b"\n")).startswith(b"127.0.0.1 ")
    assert [other.closed() for other in slow] == [True]  # the other family had its turn second
    stream.close()


async def test_a_slow_address_alone_runs_into_the_timeout(slow: list[IOStream]) -> None:
    with pytest.raises(TimeoutError):
        await TCPClient(Fixed(answer=[(V4, ("127.0.0.1", 1))] * 3)).connect("host.test", 1, timeout=0.1)
    assert [other.closed() for other in slow] == [True] * 3


async def test_a_failed_address_is_followed_at_once(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tcpclient, "ATTEMPT_DELAY_SECONDS", 3600)
    addresses = [(V4, ("127.0.0.1", free_port())), (-1, ("no such family", 1)), (V4, ("127.0.0.1", port))]
    stream = await TCPClient(Fixed(answer=addresses)).connect("host.test", port)
    stream.close()


async def test_cancelling_leaves_nothing(slow: list[IOStream]) -> None:
    task = asyncio.ensure_future(TCPClient(Fixed(answer=[(V4, ("127.0.0.1", 1))])).connect("host.test", 1))
    while not slow:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert slow[0].closed()


async def test_the_number_of_addresses_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tcpclient, "MAX_ADDRESSES", 3)
    tried: list[Any] = []
    connect = IOStream.connect

    def counted(self: IOStream, address: Any) -> Any:
        tried.append(address)
        return connect(self, address)

    monkeypatch.setattr(IOStream, "connect", counted)
    with pytest.raises(StreamClosedError):
        await TCPClient(Fixed(answer=[(V4, ("127.0.0.1", free_port()))] * 9)).connect("host.test", 1)
    assert len(tried) == 3


async def test_a_certificate_for_another_name(tls_port: int) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"127\.0\.0\.3"):
        await TCPClient(Fixed(answer=[(V4, ("127.0.0.1", tls_port))])).connect(
            "127.0.0.3", tls_port, ssl_options=client_context()
        )


async def test_a_certificate_that_is_not_trusted(tls_port: int) -> None:
    choices: list[Any] = [{}, client_context("elsewhere")]
    for options in choices:
        with pytest.raises(ssl.SSLCertVerificationError):
            await TCPClient().connect("127.0.0.1", tls_port, ssl_options=options)


async def test_a_server_that_never_answers_the_handshake() -> None:
    with closing_all(bind_sockets(0, "127.0.0.1")) as (listener,):
        port = listener.getsockname()[1]
        with pytest.raises(TimeoutError):
            await TCPClient().connect("127.0.0.1", port, ssl_options=client_context(), timeout=0.1)


async def test_a_server_that_leaves_during_the_handshake() -> None:
    class Leaves(TCPServer):
        def handle_stream(self, stream: IOStream, address: Any) -> None:
            stream.close()

    server = Leaves()
    server.listen(0, "127.0.0.1")
    (sock,) = server._sockets.values()
    with pytest.raises(StreamClosedError):
        await TCPClient().connect("127.0.0.1", sock.getsockname()[1], ssl_options=client_context())
    server.stop()


async def test_wrong_tls_options_leave_nothing_open(port: int) -> None:
    with pytest.raises(ValueError, match="unknown ssl_options"):
        await TCPClient().connect("127.0.0.1", port, ssl_options={"oops": 1})


async def test_close_closes_only_its_own_resolver() -> None:
    given = Fixed(answer=[])
    TCPClient(given).close()
    assert not given.closed
    own = TCPClient()
    assert isinstance(own.resolver, Resolver)
    own.close()


@pytest.mark.parametrize(
    ("families", "expected"),
    [("", ""), ("4", "4"), ("664", "646"), ("4446", "4644"), ("66444", "64644"), ("466", "466")],
)
def test_families_take_turns(families: str, expected: str) -> None:
    entries = [(int(family), (family, number)) for number, family in enumerate(families)]
    turned = _tcpclient.in_turns(entries)
    assert "".join(str(family) for family, _ in turned) == expected
    assert sorted(turned) == sorted(entries)
    for family in set(families):
        assert [e for e in turned if e[0] == int(family)] == [e for e in entries if e[0] == int(family)]
