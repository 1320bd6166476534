from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest

from halny.iostream import netutil

from .sockets import closing_all, free_port

if TYPE_CHECKING:
    from pathlib import Path


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


@pytest.mark.parametrize("port", [80000, 65536, -1, "80000"], ids=repr)
def test_ports_that_are_out_of_range(port: Any) -> None:
    with pytest.raises(ValueError, match=rf"port is {int(port)}, expected an integer from 0 to 65535"):
        netutil.bind_sockets(port, "127.0.0.1")


@pytest.mark.parametrize("port", [None, True, 8080.0, b"80"], ids=repr)
def test_ports_that_are_none(port: Any) -> None:
    with pytest.raises(TypeError, match=r"port is .*, expected an integer from 0 to 65535"):
        netutil.bind_sockets(port, "127.0.0.1")


def test_a_port_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing_all(netutil.bind_sockets(0, "127.0.0.1")) as (sock,):
        port = sock.getsockname()[1]
    with closing_all(netutil.bind_sockets(str(port), "127.0.0.1")) as (sock,):
        assert sock.getsockname()[1] == port
    with closing_all(netutil.bind_sockets("0")) as sockets:
        assert len({sock.getsockname()[1] for sock in sockets}) == 1
    answer_with(monkeypatch, [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))])
    with closing_all(netutil.bind_sockets("halny-test")) as (sock,):
        assert sock.getsockname()[1] == port


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
