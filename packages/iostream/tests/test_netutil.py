from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
import stat
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from halny.ioloop import IOLoop
from halny.iostream import _accept, cares, netutil

from .certificates import CERTFILE, KEYFILE, client_context
from .sockets import closing_all, free_port

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tools.strict_tests.logs import ExpectLog


# --- bind_sockets -------------------------------------------------------------------------------------------------


def test_bind_sockets_listens_on_every_interface_with_one_port() -> None:
    with closing_all(netutil.bind_sockets(0)) as sockets:
        assert len({sock.getsockname()[1] for sock in sockets}) == 1
        assert {sock.family for sock in sockets} <= {socket.AF_INET, socket.AF_INET6}
        assert sockets[0].getsockname()[0] == "0.0.0.0"
        for sock in sockets:
            assert sock.gettimeout() == 0
            assert not os.get_inheritable(sock.fileno())
        socket.create_connection(("127.0.0.1", sockets[0].getsockname()[1])).close()


@pytest.mark.parametrize("address", ["", None])
def test_no_address_is_every_address(address: str | None) -> None:
    with closing_all(netutil.bind_sockets(0, address, socket.AF_INET)) as (sock,):
        assert sock.getsockname()[0] == "0.0.0.0"


def test_bind_sockets_of_one_family() -> None:
    with closing_all(netutil.bind_sockets(0, "127.0.0.1", socket.AF_INET)) as (sock,):
        assert sock.family == socket.AF_INET


def test_a_port_in_use_is_named() -> None:
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (sock,):
        port = sock.getsockname()[1]
        with pytest.raises(OSError, match=rf"can't listen on 127\.0\.0\.1:{port}: Address already in use") as caught:
            netutil.bind_sockets(port, "127.0.0.1")
        assert caught.value.errno == errno.EADDRINUSE
        assert isinstance(caught.value.__cause__, OSError)


def answer_with(monkeypatch: pytest.MonkeyPatch, infos: Any) -> None:
    def getaddrinfo(*args: Any) -> Any:
        return infos

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_all_addresses_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (taken,):
        infos = [
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.2", free_port())),
            (socket.AF_INET, socket.SOCK_STREAM, 0, "", taken.getsockname()),
        ]
        answer_with(monkeypatch, infos)
        with pytest.raises(OSError, match="in use"):
            netutil.bind_sockets(taken.getsockname()[1], "two.test")


def test_reuse_port_lets_several_sockets_share_a_port() -> None:
    with closing_all(netutil.bind_sockets(0, "127.0.0.1", reuse_port=True)) as (first,):
        with closing_all(netutil.bind_sockets(first.getsockname()[1], "127.0.0.1", reuse_port=True)) as (second,):
            assert second.getsockname() == first.getsockname()


def test_reuse_port_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "SO_REUSEPORT")
    with pytest.raises(ValueError, match="no SO_REUSEPORT"):
        netutil.bind_sockets(0, reuse_port=True)


def test_a_machine_without_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.socket

    def make(family: int = socket.AF_INET, *args: Any) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "no such family")
        return real(family, *args)

    monkeypatch.setattr(socket, "socket", make)
    with closing_all(netutil.bind_sockets(0)) as (sock,):
        assert sock.family == socket.AF_INET
    infos = [(socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("::1", 0, 0, 0))]
    answer_with(monkeypatch, infos)
    with pytest.raises(OSError, match=r"no address of 'six\.test' can be bound"):
        netutil.bind_sockets(0, "six.test")


def test_a_name_without_address() -> None:
    with pytest.raises(socket.gaierror):
        netutil.bind_sockets(0, "no such name")


def test_the_backlog_and_flags_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    real = socket.getaddrinfo

    def recorded(*args: Any) -> Any:
        seen.append(args[-1])
        return real(*args)

    monkeypatch.setattr(socket, "getaddrinfo", recorded)
    with closing_all(netutil.bind_sockets(0, "127.0.0.1", backlog=7, flags=socket.AI_NUMERICHOST)):
        assert seen == [socket.AI_NUMERICHOST]


# --- bind_unix_socket ---------------------------------------------------------------------------------------------


def test_unix_socket_has_its_mode(tmp_path: Path) -> None:
    for mode in (0o600, 0o666):
        path = tmp_path / f"socket-{mode:o}"
        with netutil.bind_unix_socket(path, mode) as sock:
            assert stat.S_IMODE(path.stat().st_mode) == mode
            assert sock.gettimeout() == 0
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))


def test_a_stale_unix_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    netutil.bind_unix_socket(path).close()
    assert path.exists()
    netutil.bind_unix_socket(os.fsencode(path)).close()


def test_a_unix_socket_in_use_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with netutil.bind_unix_socket(path) as sock:
        with pytest.raises(OSError, match="a server listens there already") as caught:
            netutil.bind_unix_socket(path)
        assert caught.value.errno == errno.EADDRINUSE
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
        sock.accept()[0].close()


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("precious")
    with pytest.raises(ValueError, match="exists and is not a socket"):
        netutil.bind_unix_socket(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(ValueError, match="exists and is not a socket"):
        netutil.bind_unix_socket(link)
    assert path.read_text() == "precious"


def test_a_unix_socket_in_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="can't listen on"):
        netutil.bind_unix_socket(tmp_path / "missing" / "socket")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has abstract names")
def test_an_abstract_unix_socket() -> None:
    name = f"\0halny-test-{os.getpid()}"
    with netutil.bind_unix_socket(name), socket.socket(socket.AF_UNIX) as client:
        client.connect(name)


def test_a_platform_without_unix_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    with pytest.raises(ValueError, match="no Unix sockets"):
        netutil.bind_unix_socket("anything")


# --- add_accept_handler -------------------------------------------------------------------------------------------


async def test_connections_are_accepted_until_removed() -> None:
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (listener,):
        accepted: asyncio.Queue[tuple[socket.socket, Any]] = asyncio.Queue()
        remove = netutil.add_accept_handler(listener, lambda sock, address: accepted.put_nowait((sock, address)))
        with socket.create_connection(listener.getsockname()) as client:
            connection, address = await accepted.get()
            assert address == client.getsockname()
            assert connection.gettimeout() == 0
            connection.close()
        remove()
        remove()
        with socket.create_connection(listener.getsockname()):
            await asyncio.sleep(0.01)
            assert accepted.empty()


def test_accepting_begins_when_the_loop_starts() -> None:
    loop = IOLoop(make_current=True)
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (listener,):
        accepted: list[socket.socket] = []

        def callback(connection: socket.socket, address: Any) -> None:
            accepted.append(connection)
            loop.stop()

        remove = netutil.add_accept_handler(listener, callback)
        with socket.create_connection(listener.getsockname()):
            loop.start()
        remove()
        accepted[0].close()
    loop.close()


async def test_a_callback_that_raises_ends_only_its_connection(expect_log: ExpectLog) -> None:
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (listener,):
        served = asyncio.Event()

        def callback(connection: socket.socket, address: Any) -> None:
            if address == bad.getsockname():
                raise ValueError("not this one")
            connection.close()
            served.set()

        with socket.create_connection(listener.getsockname()) as bad, socket.create_connection(listener.getsockname()):
            remove = netutil.add_accept_handler(listener, callback)
            with expect_log("halny.application", "exception in the callback", logging.ERROR, count=1):
                await served.wait()
            bad.settimeout(5)
            assert bad.recv(1) == b""
        remove()


class _Listener:
    """A listening socket that fails first, and counts."""

    def __init__(self, sock: socket.socket, errors: list[OSError]) -> None:
        self.sock = sock
        self.errors = errors
        self.calls = 0

    def fileno(self) -> int:
        return self.sock.fileno()

    def accept(self) -> tuple[socket.socket, Any]:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.sock.accept()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
async def test_running_out_of_descriptors_pauses(
    code: int, monkeypatch: pytest.MonkeyPatch, expect_log: ExpectLog
) -> None:
    monkeypatch.setattr(_accept, "ACCEPT_PAUSE_SECONDS", 0.02)
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (real,):
        listener: Any = _Listener(real, [OSError(code, os.strerror(code))])
        accepted: asyncio.Queue[socket.socket] = asyncio.Queue()
        with socket.create_connection(real.getsockname()):
            remove = netutil.add_accept_handler(listener, lambda sock, _: accepted.put_nowait(sock))
            with expect_log("halny.general", "can't accept connections", logging.ERROR, count=1):
                (await accepted.get()).close()
        assert listener.calls <= 3  # it did not spin meanwhile
        remove()


async def test_removing_during_the_pause(monkeypatch: pytest.MonkeyPatch, expect_log: ExpectLog) -> None:
    monkeypatch.setattr(_accept, "ACCEPT_PAUSE_SECONDS", 3600)
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (real,):
        listener: Any = _Listener(real, [OSError(errno.EMFILE, "none left")])
        with socket.create_connection(real.getsockname()):
            with expect_log("halny.general", "can't accept"):
                remove = netutil.add_accept_handler(listener, lambda sock, _: sock.close())
                while listener.errors:
                    await asyncio.sleep(0)
            remove()


async def test_a_peer_that_left_before_it_was_accepted() -> None:
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (real,):
        listener: Any = _Listener(real, [ConnectionAbortedError()])
        accepted: asyncio.Queue[socket.socket] = asyncio.Queue()
        with socket.create_connection(real.getsockname()):
            remove = netutil.add_accept_handler(listener, lambda sock, _: accepted.put_nowait(sock))
            (await accepted.get()).close()
        remove()


async def test_one_turn_accepts_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_accept, "ACCEPTS_PER_TURN", 3)
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (listener,):
        accepted: list[socket.socket] = []
        clients = [socket.create_connection(listener.getsockname()) for _ in range(10)]
        remove = netutil.add_accept_handler(listener, lambda sock, _: accepted.append(sock))
        counts: list[int] = []
        while len(accepted) < 10:
            await asyncio.sleep(0)
            counts.append(len(accepted))
        assert all(after - before <= 3 for before, after in zip([0, *counts], counts, strict=False))
        remove()
        for sock in accepted + clients:
            sock.close()


# --- is_valid_ip --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("1.2.3.4", True),
        ("255.255.255.255", True),
        ("::", True),
        ("::1", True),
        ("::ffff:1.2.3.4", True),
        ("2001:db8::8a2e:370:7334", True),
        ("fe80::1%eth0", True),
        ("", False),
        ("1", False),
        ("127.1", False),
        ("0x7f.1", False),
        ("1.2.3.4.5", False),
        ("1.2.3.256", False),
        ("1.2.3.4 ", False),
        (" 1.2.3.4", False),
        ("1.2.3.4\0", False),
        ("1.2.3.4%eth0", False),
        ("[::1]", False),
        ("::1%", False),
        ("fe80::1%eth0\n", False),
        ("fe80::1%a b", False),
        (":::", False),
        ("12345::", False),
        ("localhost", False),
        ("4.3.2.1\r\nHost: x", False),
        ("\u0661.\u0662.\u0663.\u0664", False),
    ],
)
def test_is_valid_ip(text: str, valid: bool) -> None:
    assert netutil.is_valid_ip(text) is valid


# --- TLS settings -------------------------------------------------------------------------------------------------


def test_a_servers_options() -> None:
    context = netutil.ssl_options_to_context({"certfile": CERTFILE, "keyfile": KEYFILE}, server_side=True)
    assert context.protocol == ssl.PROTOCOL_TLS_SERVER
    assert context.verify_mode == ssl.CERT_NONE
    assert context.options & ssl.OP_NO_COMPRESSION
    asks = netutil.ssl_options_to_context(
        {"certfile": CERTFILE, "keyfile": KEYFILE, "cert_reqs": ssl.CERT_REQUIRED, "ca_certs": CERTFILE}, True
    )
    assert asks.verify_mode == ssl.CERT_REQUIRED
    assert asks.cert_store_stats()["x509"] == 1


def test_a_clients_options_verify_unless_told_otherwise() -> None:
    context = netutil.ssl_options_to_context({}, server_side=False)
    assert context.protocol == ssl.PROTOCOL_TLS_CLIENT
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    trusting = netutil.ssl_options_to_context({"cert_reqs": ssl.CERT_NONE, "ssl_version": ssl.PROTOCOL_TLS}, False)
    assert (trusting.verify_mode, trusting.check_hostname) == (ssl.CERT_NONE, False)
    chosen = netutil.ssl_options_to_context({"ca_certs": CERTFILE, "ciphers": "ECDHE+AESGCM"}, False)
    assert chosen.cert_store_stats()["x509"] == 1
    assert all("AES" in cipher["name"] for cipher in chosen.get_ciphers() if cipher["protocol"] == "TLSv1.2")


def test_the_side_follows_from_the_certificate() -> None:
    assert netutil.ssl_options_to_context({}).protocol == ssl.PROTOCOL_TLS_CLIENT
    server = netutil.ssl_options_to_context({"certfile": CERTFILE, "keyfile": KEYFILE})
    assert server.protocol == ssl.PROTOCOL_TLS_SERVER


def test_a_context_is_taken_as_it_is() -> None:
    context = client_context()
    assert netutil.ssl_options_to_context(context) is context


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"certfiles": "x"}, ValueError),
        ({"ssl_version": ssl.PROTOCOL_TLS_SERVER}, ValueError),
        ({"certfile": "/does/not/exist"}, FileNotFoundError),
        ({"certfile": CERTFILE}, ssl.SSLError),
        ({"ca_certs": KEYFILE}, ssl.SSLError),
        ({"ciphers": "no such cipher"}, ssl.SSLError),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        netutil.ssl_options_to_context(options, server_side=False)


def test_ssl_wrap_socket() -> None:
    left, right = socket.socketpair()
    with left, right:
        wrapped = netutil.ssl_wrap_socket(left, client_context(), "localhost", do_handshake_on_connect=False)
        with wrapped:
            assert (wrapped.server_side, wrapped.server_hostname) == (False, "localhost")


# --- resolvers ----------------------------------------------------------------------------------------------------


RESOLVERS: dict[str, Callable[[], netutil.Resolver]] = {
    "default": netutil.Resolver,
    "loop": netutil.DefaultLoopResolver,
    "default executor": netutil.DefaultExecutorResolver,
    "executor": lambda: netutil.ExecutorResolver(executor=ThreadPoolExecutor(1)),
    "blocking executor": netutil.ExecutorResolver,
    "blocking": netutil.BlockingResolver,
    "threaded": netutil.ThreadedResolver,
    "override": lambda: netutil.OverrideResolver(resolver=netutil.Resolver(), mapping={}),
}


@pytest.mark.parametrize("kind", RESOLVERS)
async def test_resolver(kind: str) -> None:
    resolver = RESOLVERS[kind]()
    assert await resolver.resolve("127.0.0.1", 80) == [(socket.AF_INET, ("127.0.0.1", 80))]
    assert (socket.AF_INET, ("127.0.0.1", 81)) in await resolver.resolve("localhost", 81, socket.AF_INET)
    with pytest.raises(OSError):
        await resolver.resolve("an invalid host name", 80)
    resolver.close()


async def test_a_closed_executor_resolver_refuses() -> None:
    resolver = netutil.ExecutorResolver(executor=ThreadPoolExecutor(1))
    resolver.close()
    with pytest.raises(RuntimeError, match="closed"):
        await resolver.resolve("127.0.0.1", 80)


async def test_an_executor_that_is_not_the_resolvers_own_stays() -> None:
    with ThreadPoolExecutor(1) as executor:
        resolver = netutil.ExecutorResolver(executor=executor, close_executor=False)
        resolver.close()
        assert executor.submit(int).result() == 0


class _Recording(netutil.Resolver):
    def initialize(self) -> None:
        self.asked: list[tuple[str, int, int]] = []
        self.closed = False

    async def _answer(self) -> list[tuple[int, Any]]:
        return []

    def resolve(self, host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC) -> Awaitable[Any]:
        self.asked.append((host, port, family))
        return self._answer()

    def close(self) -> None:
        self.closed = True


async def test_overrides_from_the_most_specific() -> None:
    recording = _Recording()
    resolver = netutil.OverrideResolver(
        resolver=recording,
        mapping={
            ("a", 1, socket.AF_INET6): ("six", 66),
            ("a", 1): ("port", 11),
            "a": "host",
        },
    )
    for port, family in ((1, socket.AF_INET6), (1, socket.AF_INET), (2, socket.AF_INET)):
        await resolver.resolve("a", port, family)
    await resolver.resolve("b", 1)
    resolver.close()
    assert recording.asked == [
        ("six", 66, socket.AF_INET6),
        ("port", 11, socket.AF_INET),
        ("host", 2, socket.AF_INET),
        ("b", 1, socket.AF_UNSPEC),
    ]
    assert recording.closed


def test_the_implementation_can_be_configured() -> None:
    netutil.Resolver.configure("halny.netutil.DefaultExecutorResolver")
    try:
        assert isinstance(netutil.Resolver(), netutil.DefaultExecutorResolver)
    finally:
        netutil.Resolver.configure(None)
    assert isinstance(netutil.Resolver(), netutil.DefaultLoopResolver)


class _FakeChannel:
    """pycares' channel, as far as the resolver uses it."""

    def __init__(self) -> None:
        self.closed = False

    def getaddrinfo(self, host: str, port: int, *, family: int, type: int, callback: Any) -> None:
        if host == "good.test":
            nodes = [
                types.SimpleNamespace(family=socket.AF_INET6, addr=(b"::1", port, 0, 0)),
                types.SimpleNamespace(family=socket.AF_INET, addr=(b"127.0.0.1", port)),
            ]
            callback(types.SimpleNamespace(nodes=nodes), None)
        elif host == "bad.test":
            callback(None, 4)

    def close(self) -> None:
        self.closed = True


async def test_cares_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    fake: Any = types.ModuleType("pycares")
    fake.Channel = _FakeChannel
    fake.errno = types.SimpleNamespace(strerror={4: "Domain name not found"}.__getitem__)
    monkeypatch.setitem(sys.modules, "pycares", fake)
    resolver = cares.CaresResolver()
    assert await resolver.resolve("good.test", 80) == [
        (socket.AF_INET6, ("::1", 80, 0, 0)),
        (socket.AF_INET, ("127.0.0.1", 80)),
    ]
    with pytest.raises(socket.gaierror, match=r"'bad\.test': Domain name not found"):
        await resolver.resolve("bad.test", 80)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(resolver.resolve("hangs.test", 80), 0.01)
    resolver.close()
    assert resolver.channel.closed


def test_cares_resolver_without_pycares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycares", None)
    with pytest.raises(ImportError):
        cares.CaresResolver()


async def test_cares_resolver_with_the_real_pycares() -> None:
    pytest.importorskip("pycares")
    resolver = cares.CaresResolver()
    assert await resolver.resolve("127.0.0.1", 80) == [(socket.AF_INET, ("127.0.0.1", 80))]
    resolver.close()
