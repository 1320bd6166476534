from __future__ import annotations

import contextlib
import copy
import pickle
from typing import TYPE_CHECKING

import pytest

from halny.http import (
    HTTPFile,
    HTTPHeaders,
    HTTPInputError,
    ParseBodyConfig,
    ParseMultipartConfig,
    ParseUrlEncodedConfig,
    parse_body_arguments,
    parse_multipart_form_data,
    set_parse_body_config,
)

from .linear import LIMIT, SIZE, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=XX"
FIELD = b'--XX\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
FILE = b'--XX\r\nContent-Disposition: form-data; name="f"; filename="x"\r\nContent-Type: text/plain\r\n\r\nbody\r\n'
END = b"--XX--\r\n"

Arguments = dict[str, list[bytes]]
Files = dict[str, list[HTTPFile]]


@pytest.fixture
def default_config() -> Iterator[None]:
    yield
    set_parse_body_config(ParseBodyConfig())


def parse(
    content_type: str, body: bytes, headers: HTTPHeaders | None = None, config: ParseBodyConfig | None = None
) -> tuple[Arguments, Files]:
    arguments: Arguments = {}
    files: Files = {}
    parse_body_arguments(content_type, body, arguments, files, headers, config=config)
    return arguments, files


@pytest.mark.parametrize(
    "content_type", [URLENCODED, URLENCODED.upper(), URLENCODED + "; charset=utf-8", URLENCODED + " ;x"]
)
def test_urlencoded(content_type: str) -> None:
    assert parse(content_type, b"a=1&b=+%20&a=&c") == ({"a": [b"1", b""], "b": [b"  "], "c": [b""]}, {})


@pytest.mark.parametrize(
    "content_type",
    [
        MULTIPART,
        "Multipart/Form-Data; Boundary=XX",
        'multipart/form-data; charset=utf-8; boundary="XX"',
        "multipart/form-data ;boundary=XX;",
    ],
)
def test_multipart(content_type: str) -> None:
    arguments, files = parse(content_type, FIELD + FILE + FIELD + END)
    assert arguments == {"a": [b"1", b"1"]}
    assert files == {"f": [{"filename": "x", "body": b"body", "content_type": "text/plain"}]}


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "multipart/mixed; boundary=XX", URLENCODED + "x", "a;" + URLENCODED]
)
def test_other_bodies_are_left_alone(content_type: str) -> None:
    assert parse(content_type, FIELD + END, HTTPHeaders({"Content-Encoding": "gzip"})) == ({}, {})


def test_arguments_are_added() -> None:
    arguments, files = {"a": [b"0"], "b": [b"0"]}, {"f": [HTTPFile(filename="y")]}
    parse_body_arguments(URLENCODED, b"a=1&c=2", arguments, files)
    assert arguments == {"a": [b"0", b"1"], "b": [b"0"], "c": [b"2"]}
    parse_body_arguments(MULTIPART, FIELD + FILE + END, arguments, files)
    assert arguments == {"a": [b"0", b"1", b"1"], "b": [b"0"], "c": [b"2"]}
    assert [file.filename for file in files["f"]] == ["y", "x"]


MALFORMED: list[tuple[str, bytes]] = [
    (URLENCODED, b"&" * 1000),
    (URLENCODED, b"&".join([b"a=1"] * 1001)),
    ("multipart/form-data", FIELD + END),
    ("multipart/form-data; boundary=", FIELD + END),
    ("multipart/form-data; boundary=XX; boundary=YY", FIELD + END),
    ('multipart/form-data; boundary="XX', FIELD + END),
    ("multipart/form-data; boundary=\xff", FIELD + END),
    ("multipart/form-data; boundary=ż", FIELD + END),
    ("multipart/form-data; boundary=" + "X" * 257, FIELD + END),
    (MULTIPART, b""),
    (MULTIPART, FIELD),
    (MULTIPART, FIELD + FILE + END + b"x"),
    (MULTIPART, FIELD * 101 + END),
    (MULTIPART, FIELD + b"--XX\r\n\r\nno headers\r\n" + END),
    (MULTIPART, FIELD + b"--XX\r\nContent-Disposition: form-data; name=\xff\r\n\r\nx\r\n" + END),
    (MULTIPART, FIELD + b"--XX\r\nX: " + b"y" * 10_240 + b"\r\n\r\nx\r\n" + END),
]


@pytest.mark.parametrize(("content_type", "body"), MALFORMED)
def test_malformed_bodies_are_one_error_and_add_nothing(
    content_type: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """GHSA-7cx3-6m66-7c5m (CVE-2025-47287): it was a line in the log for each part."""
    arguments: Arguments = {"a": [b"0"]}
    files: Files = {}
    with pytest.raises(HTTPInputError, match="invalid"):
        parse_body_arguments(content_type, body, arguments, files)
    assert (arguments, files) == ({"a": [b"0"]}, {})
    assert not caplog.records


@pytest.mark.parametrize("content_type", [URLENCODED, MULTIPART])
def test_encoded_bodies_are_an_error(content_type: str) -> None:
    body = FIELD + END if content_type == MULTIPART else b"a=1"
    for coding in ("gzip", "br", "unknown"):
        with pytest.raises(HTTPInputError, match="Content-Encoding"):
            parse(content_type, body, HTTPHeaders({"Content-Encoding": coding}))
    for headers in (HTTPHeaders(), HTTPHeaders({"Content-Encoding": "Identity"})):
        assert parse(content_type, body, headers) == ({"a": [b"1"]}, {})


def test_boundaries_in_quotes() -> None:
    arguments: Arguments = {}
    parse_multipart_form_data(b'"XX"', FIELD + END, arguments, {})
    assert arguments == {"a": [b"1"]}


def test_the_default_configuration() -> None:
    assert ParseBodyConfig() == ParseBodyConfig(
        ParseMultipartConfig(enabled=True, max_parts=100, max_part_header_size=10 * 1024),
        ParseUrlEncodedConfig(max_arguments=1000),
    )


def test_a_configuration_for_one_body() -> None:
    config = ParseBodyConfig(ParseMultipartConfig(max_parts=1), ParseUrlEncodedConfig(max_arguments=1))
    assert parse(URLENCODED, b"a=1", config=config) == parse(MULTIPART, FIELD + END, config=config)
    with pytest.raises(HTTPInputError):
        parse(URLENCODED, b"a=1&b=2", config=config)
    with pytest.raises(HTTPInputError):
        parse(MULTIPART, FIELD * 2 + END, config=config)
    with pytest.raises(HTTPInputError):
        parse(MULTIPART, FIELD + END, config=ParseBodyConfig(ParseMultipartConfig(max_part_header_size=10)))


def test_multipart_can_be_turned_off() -> None:
    with pytest.raises(HTTPInputError, match="disabled"):
        parse_multipart_form_data(b"XX", FIELD + END, {}, {}, config=ParseMultipartConfig(enabled=False))


@pytest.mark.usefixtures("default_config")
def test_the_configuration_of_the_process() -> None:
    set_parse_body_config(
        ParseBodyConfig(ParseMultipartConfig(max_parts=101), ParseUrlEncodedConfig(max_arguments=1001))
    )
    assert len(parse(URLENCODED, b"&".join([b"a=1"] * 1001))[0]["a"]) == 1001
    assert len(parse(MULTIPART, FIELD * 101 + END)[0]["a"]) == 101
    assert parse(URLENCODED, b"a=1", config=ParseBodyConfig()) == ({"a": [b"1"]}, {})
    with pytest.raises(HTTPInputError):
        parse(URLENCODED, b"&".join([b"a=1"] * 1001), config=ParseBodyConfig())


def test_files_are_dictionaries_with_attributes() -> None:
    file = HTTPFile(filename="a", body=b"b", content_type="c")
    assert (file.filename, file.body, file.content_type) == ("a", b"b", "c")
    assert file["filename"] == "a"
    file.filename = "d"
    assert file == {"filename": "d", "body": b"b", "content_type": "c"}
    with pytest.raises(AttributeError, match="missing"):
        file.missing  # noqa: B018
    assert copy.copy(file) == copy.deepcopy(file) == pickle.loads(pickle.dumps(file)) == file


@pytest.mark.parametrize("body", [b"a=" + b"%41" * (SIZE // 3), b"+" * SIZE, b"a=b&" * 999, b"&" * SIZE])
def test_urlencoded_bodies_take_linear_time(body: bytes) -> None:
    def attempt() -> None:
        with contextlib.suppress(HTTPInputError):
            parse(URLENCODED, body)

    assert seconds(attempt) < LIMIT
