"""The settings of a server: what is taken, what is refused as the server is made, and what the refusal says."""

from __future__ import annotations

import functools
import inspect
import ipaddress
import math
import ssl
import sys
from enum import IntEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from halny.http import HTTPServerConnectionDelegate, Limits
from halny.httpserver import HTTPServer, Timeouts
from halny.wsgi import WSGIContainer

from ._helpers import TLS, echo, server_context
from ._sources import StreamingSource

if TYPE_CHECKING:
    from collections.abc import Callable

OPTIONS: dict[str, Any] = {"certfile": str(TLS / "localhost.crt"), "keyfile": str(TLS / "localhost.key")}


class Number(IntEnum):
    """What is an integer too."""

    TWO = 2


def settings_of(**options: Any) -> Any:
    return HTTPServer(echo, **options)._settings  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"max_connections": 0}, ValueError, "max_connections is 0, expected 1 or more, or None for no limit"),
        ({"max_connections": -1}, ValueError, "max_connections is -1, expected 1 or more"),
        ({"max_connections": True}, TypeError, "max_connections is True, expected an integer, or None for no limit"),
        ({"max_connections": "9"}, TypeError, "max_connections is '9', expected an integer"),
        ({"max_connections": 1.5}, TypeError, "max_connections is 1.5, expected an integer"),
        ({"max_body_size": -1}, ValueError, "max_body_size is -1, expected 0 or more, or None for the default"),
        ({"max_body_size": "1MB"}, TypeError, "max_body_size is '1MB', expected an integer, or None"),
        ({"max_body_size": 1.5}, TypeError, "max_body_size is 1.5, expected an integer"),
        ({"max_body_size": math.nan}, TypeError, "max_body_size is nan, expected an integer"),
        ({"max_body_size": False}, TypeError, "max_body_size is False, expected an integer"),
        ({"max_header_size": -1}, ValueError, "max_header_size is -1, expected 1 or more"),
        ({"max_buffer_size": -1}, ValueError, "max_buffer_size is -1, expected 1 or more"),
        ({"chunk_size": False}, TypeError, "chunk_size is False, expected an integer"),
        ({"idle_connection_timeout": -1}, ValueError, "idle_connection_timeout is -1, expected more than 0 seconds"),
        ({"idle_connection_timeout": "9"}, TypeError, "idle_connection_timeout is '9', expected a number of seconds"),
        ({"body_timeout": -1}, ValueError, "body_timeout is -1, expected more than 0 seconds"),
        ({"protocol": "ftp"}, ValueError, "protocol is 'ftp', expected 'http', 'https' or None"),
        ({"protocol": "HTTPS"}, ValueError, "protocol is 'HTTPS', expected"),
        ({"xheaders": "no"}, TypeError, "xheaders is 'no', expected True or False"),
        ({"forwarded": "1"}, TypeError, "forwarded is '1', expected True or False"),
        ({"proxy_protocol": b""}, TypeError, "proxy_protocol is b'', expected True or False"),
        ({"no_keep_alive": "off"}, TypeError, "no_keep_alive is 'off', expected True or False"),
        ({"decompress_request": []}, TypeError, r"decompress_request is \[\], expected True or False"),
        ({"limits": {"max_body_size": 1}}, TypeError, r"limits is \{.*\}, expected for example Limits\("),
        ({"limits": Timeouts()}, TypeError, r"limits is Timeouts\(.*expected for example Limits\("),
        ({"timeouts": {"idle": 1}}, TypeError, r"timeouts is \{.*\}, expected for example Timeouts\("),
        ({"timeouts": 30}, TypeError, r"timeouts is 30, expected for example Timeouts\("),
        ({"trusted_proxies": ["10.0.0.1"]}, ValueError, "without xheaders, forwarded or proxy_protocol"),
        ({"trusted_proxies": "10.0.0.1", "xheaders": True}, ValueError, "trusted_proxies: expected a list"),
        ({"trusted_proxies": ["10.0.0.1/8"], "xheaders": True}, ValueError, "trusted_proxies: 10.0.0.1/8 has host"),
        ({"trusted_proxies": [5], "xheaders": True}, TypeError, "trusted_proxies: expected networks as texts"),
        ({"trusted_proxies": 5, "xheaders": True}, TypeError, "trusted_proxies: .*not iterable"),
        ({"trusted_downstream": ["x"], "xheaders": True}, ValueError, "trusted_downstream: 'x' does not appear"),
        ({"ssl_options": "server.crt"}, TypeError, "ssl_options is 'server.crt', expected an ssl.SSLContext or for"),
        ({"ssl_options": ("a.crt", "a.key")}, TypeError, r"ssl_options is \('a.crt', 'a.key'\), expected"),
        ({"ssl_options": True}, TypeError, "ssl_options is True, expected"),
        ({"ssl_options": {"certfile": None}}, ValueError, "no certfile is given"),
        ({"ssl_options": ssl.create_default_context()}, ValueError, r"a client's.*CLIENT_AUTH\), with load_cert_chain"),
        ({"ssl_options": {**OPTIONS, "cert_reqs": ssl.CERT_REQUIRED}}, ValueError, "CERT_REQUIRED without ca_certs"),
    ],
)  # fmt: skip
def test_what_is_refused(options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        HTTPServer(echo, **options)


def test_a_dictionary_without_a_certificate() -> None:
    with pytest.raises(KeyError, match="certfile"):
        HTTPServer(echo, ssl_options={})


@pytest.mark.parametrize("name", Limits._fields)
@pytest.mark.parametrize("value", [-1, None, "9", True, 1.5], ids=repr)
def test_limits_that_are_none(name: str, value: Any) -> None:
    error = ValueError if value == -1 else TypeError
    with pytest.raises(error, match=rf"^limits\.{name} is {value!r}, expected "):
        HTTPServer(echo, limits=Limits()._replace(**{name: value}))


@pytest.mark.parametrize("name", Limits._fields)
def test_limits_of_nothing(name: str) -> None:
    limits = Limits()._replace(**{name: 0})
    if name in ("max_header_size", "max_header_count", "max_target_size", "max_chunk_line_size"):
        with pytest.raises(ValueError, match=rf"^limits\.{name} is 0, expected 1 or more$"):
            HTTPServer(echo, limits=limits)
    else:
        assert settings_of(limits=limits).limits == limits


@pytest.mark.parametrize("name", Timeouts._fields)
@pytest.mark.parametrize("value", [-1, -0.5, math.nan, None, "9", True], ids=repr)
def test_timeouts_that_are_none(name: str, value: Any) -> None:
    timeouts = Timeouts()._replace(**{name: value})
    if name == "body" and value is None:
        assert settings_of(timeouts=timeouts).timeouts.body is None
        return
    error = TypeError if value is None or value in ("9", True) else ValueError
    hint = "" if error is ValueError else "None" if name == "body" else "math.inf"
    with pytest.raises(error, match=rf"^timeouts\.{name} is {value!r}, expected .*{hint}"):
        HTTPServer(echo, timeouts=timeouts)


@pytest.mark.parametrize("name", Timeouts._fields)
def test_timeouts_of_nothing_and_for_ever(name: str) -> None:
    none, endless = (Timeouts()._replace(**{name: value}) for value in (0, math.inf))
    if name in ("body_rate", "body_grace", "linger"):
        assert settings_of(timeouts=none).timeouts == none
    else:
        with pytest.raises(ValueError, match=rf"^timeouts\.{name} is 0, expected more than 0 seconds$"):
            HTTPServer(echo, timeouts=none)
    if name == "body_rate":
        with pytest.raises(ValueError, match="which no body reaches"):
            HTTPServer(echo, timeouts=endless)
    else:
        assert settings_of(timeouts=endless).timeouts == endless


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"limits": Limits(), "timeouts": Timeouts(), "max_connections": None, "protocol": None}),
        # What programs written for Tornado pass.
        ({"max_body_size": 1e9, "max_buffer_size": 2e9}, {"limits": Limits(max_body_size=10**9)}),
        ({"max_body_size": math.inf}, {"limits": Limits(max_body_size=sys.maxsize)}),
        ({"max_buffer_size": 500}, {"limits": Limits(max_body_size=500), "max_buffer_size": 500}),
        ({"chunk_size": None, "max_header_size": None, "max_body_size": None, "max_buffer_size": None},
         {"limits": Limits(), "chunk_size": 256 * 1024, "max_buffer_size": None}),
        ({"idle_connection_timeout": None, "body_timeout": None}, {"timeouts": Timeouts()}),
        ({"idle_connection_timeout": 0, "body_timeout": 0.0}, {"timeouts": Timeouts()}),
        ({"chunk_size": 0, "max_header_size": 0, "max_buffer_size": 0}, {"limits": Limits(), "max_buffer_size": None}),
        ({"max_body_size": 0}, {"limits": Limits(max_body_size=0)}),
        ({"idle_connection_timeout": 3600, "body_timeout": 0.5}, {"timeouts": Timeouts(idle=3600, body=0.5)}),
        ({"no_keep_alive": 1, "xheaders": 0, "decompress_request": None}, {"keeps_alive": False}),
        ({"protocol": "", "trusted_downstream": ["proxy.local"]}, {"protocol": None}),
        ({"protocol": "https"}, {"protocol": "https"}),
        ({"max_connections": Number.TWO}, {"max_connections": 2}),
        ({"trusted_proxies": []}, {}),
        ({"trusted_proxies": [ipaddress.ip_network("10.0.0.0/8")], "proxy_protocol": True}, {}),
        ({"ssl_options": MappingProxyType(OPTIONS), "server_names": {}}, {}),
        # An argument wins.
        ({"limits": Limits(max_body_size=1), "max_body_size": 2}, {"limits": Limits(max_body_size=2)}),
        ({"limits": Limits(max_body_size=1), "max_buffer_size": 2}, {"limits": Limits(max_body_size=2)}),
        ({"limits": Limits(max_header_size=1), "max_header_size": 2},
         {"limits": Limits(max_header_size=2, max_target_size=2)}),
        ({"timeouts": Timeouts(idle=1, body=1, header=1), "idle_connection_timeout": 2, "body_timeout": 2},
         {"timeouts": Timeouts(idle=2, body=2, header=1)}),
    ],
)  # fmt: skip
def test_what_is_taken(options: dict[str, Any], expected: dict[str, Any]) -> None:
    settings = settings_of(**options)
    assert {name: getattr(settings, name) for name in expected} == expected


# Names of certificates


@pytest.mark.parametrize(
    ("names", "error", "text"),
    [
        (["example.org"], TypeError, r"server_names is \['example.org'\], expected for example \{"),
        ({5: OPTIONS}, TypeError, "server_names has the name 5, expected a text"),
        ({"": OPTIONS}, ValueError, "server_names has '', expected 'example.org' or"),
        ({"*": OPTIONS}, ValueError, r"server_names has '\*', expected"),
        ({"www.*.org": OPTIONS}, ValueError, r"server_names has 'www\.\*\.org', expected"),
        ({"w*.example.org": OPTIONS}, ValueError, r"server_names has 'w\*\.example\.org', expected"),
        ({"*.*.org": OPTIONS}, ValueError, r"server_names has '\*\.\*\.org', expected"),
        ({"example.org.": OPTIONS}, ValueError, r"server_names has 'example\.org\.', expected"),
        ({"example.org:443": OPTIONS}, ValueError, "server_names has 'example.org:443', expected"),
        ({"zażółć.pl": OPTIONS}, ValueError, "which clients ask for as 'xn--za-6ja4f8n1l.pl', expected"),
        ({"ż" * 90: OPTIONS}, ValueError, "which clients ask for as something else, expected"),
        ({"a.org": "a.crt"}, TypeError, r"server_names\['a.org'\] is 'a.crt', expected an ssl.SSLContext or its"),
        ({"a.org": None}, TypeError, r"server_names\['a.org'\] is None, expected"),
        ({"a.org": {}}, ValueError, "no certfile is given"),
        ({"a.org": ssl.create_default_context()}, ValueError, "a client's"),
    ],
)  # fmt: skip
def test_server_names_that_are_refused(names: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        HTTPServer(echo, ssl_options=server_context(), server_names=names)


@pytest.mark.parametrize("name", ["localhost", "Example.org", "*.example.org", "a_b.c-d.org", "xn--za-6ja4f8n1l.pl"])
def test_server_names_that_are_taken(name: str) -> None:
    HTTPServer(echo, ssl_options=OPTIONS, server_names={name: OPTIONS})


@pytest.mark.parametrize(
    ("wrong", "note"),
    [
        ({"certfile": "missing.crt"}, "certfile='missing.crt', keyfile="),
        ({"keyfile": str(TLS / "elsewhere.key")}, "elsewhere.key'"),
        ({"ca_certs": str(TLS / "localhost.key")}, "ca_certs='"),
        ({"ciphers": "none such"}, "ciphers='none such'"),
    ],
)
def test_a_certificate_that_can_not_be_loaded_is_named(wrong: dict[str, Any], note: str) -> None:
    with pytest.raises(OSError, match=r"No such file|(?i:key|cipher|PEM|X509|certificate)") as caught:
        HTTPServer(echo, ssl_options=OPTIONS, server_names={"a.org": {**OPTIONS, **wrong}})
    assert len(caught.value.__notes__) == 2
    assert note in caught.value.__notes__[0]
    assert caught.value.__notes__[1] == "in server_names['a.org']"


# What answers


class Delegate(HTTPServerConnectionDelegate):
    """One that is not asked anything here."""


def wsgi_function(environ: Any, start_response: Any) -> Any: ...


class WSGIObject:
    """As Flask's and Django's applications are."""

    def __call__(self, environ: Any, start_response: Any) -> Any: ...


@pytest.mark.parametrize(
    ("application", "text"),
    [
        (Delegate, r"the class Delegate, expected an instance: Delegate\(...\)"),
        (StreamingSource, "the class StreamingSource, expected an instance"),
        (WSGIContainer, "the class WSGIContainer, expected an instance"),
        (wsgi_function, r"wsgi_function.*start_response.*WSGIContainer\(application\)"),
        (WSGIObject(), r"WSGIObject.*start_response.*WSGIContainer\(application\)"),
        (WSGIObject().__call__, r"WSGIContainer\(application\)"),
        (functools.partial(wsgi_function, {}, None), "too many positional"),
        (lambda: None, "too many positional"),
        (None, "needs a delegate.*not None"),
    ],
)
def test_what_can_not_answer(application: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        HTTPServer(application)


def injecting(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator that gives an argument: what `functools.wraps` says of the arguments is not so."""

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        return function(None, *args)

    return call


@injecting
def injected(database: Any, request: Any) -> None: ...


def with_default(request: Any, extra: Any = None) -> None: ...


def of_any_number(*args: Any) -> None: ...


class Claiming:
    """Says that it takes two arguments, as a proxy of a decorated function may."""

    __signature__ = inspect.signature(wsgi_function)

    def __call__(self, request: Any) -> None: ...


class Taking:
    """Answers as it is made."""

    def __init__(self, request: Any) -> None: ...


@pytest.mark.parametrize(
    "application",
    [
        Delegate(),
        StreamingSource(),
        WSGIContainer(wsgi_function),
        injected,
        Claiming(),
        Taking,
        functools.partial(wsgi_function, {}),
        with_default,
        of_any_number,
        print,
        getattr,  # has no signature that could be read everywhere
    ],
)
def test_what_may_answer(application: Any) -> None:
    HTTPServer(application)


def test_a_subclass_that_begins_requests_itself_needs_no_application() -> None:
    class Own(HTTPServer):
        def start_request(self, server_conn: object, request_conn: Any) -> Any: ...

    Own(None)
    Own(wsgi_function)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((None,), "the WSGI application is None, expected a callable"),
        (("module:app",), "the WSGI application is 'module:app', expected a callable"),
        ((wsgi_function, 16), r"executor is 16, expected for example ThreadPoolExecutor\(16\)"),
    ],
)
def test_what_no_container_takes(arguments: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        WSGIContainer(*arguments)
