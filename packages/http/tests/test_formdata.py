from __future__ import annotations

import io
import tempfile
from typing import IO, TYPE_CHECKING, Any

import pytest

from halny.http import FormData, FormDataReader, FormPart, HTTPInputError, HTTPRefusal, SpooledFile, read_disposition

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FIELD = b'--XX\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
FILE = b'--XX\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\nContent-Type: text/plain\r\n\r\n%s\r\n'
END = b"--XX--\r\n"


def read(pieces: Iterable[bytes], reader: FormDataReader | None = None) -> FormData:
    reader = reader or FormDataReader(b"XX")
    for piece in pieces:
        reader.feed(piece)
    return reader.finish()


DISPOSITIONS: list[tuple[str, FormPart]] = [
    ('form-data; name="a"', FormPart("a", None, "application/unknown")),
    ("form-data; name=a", FormPart("a", None, "application/unknown")),
    ("Form-Data; NAME=a", FormPart("a", None, "application/unknown")),
    ('form-data; name="a"; filename=""', FormPart("a", None, "application/unknown")),
    ('form-data; name="a"; filename="b.txt"', FormPart("a", "b.txt", "application/unknown")),
    ('form-data; filename="b;c.txt"; name="a"', FormPart("a", "b;c.txt", "application/unknown")),
    (r'form-data; name="a"; filename="b\"c.txt"', FormPart("a", 'b"c.txt', "application/unknown")),
    ('form-data; name="a"; filename="b%22c.txt"', FormPart("a", "b%22c.txt", "application/unknown")),
    (r'form-data; name="a"; filename="C:\dir\b.txt"', FormPart("a", r"C:\dir\b.txt", "application/unknown")),
    ('form-data; name="ż"; filename="ó.txt"', FormPart("ż", "ó.txt", "application/unknown")),
    ("form-data; name=a; filename*=UTF-8''%c3%b3.txt", FormPart("a", "ó.txt", "application/unknown")),
    ("form-data; name=a; filename=o; filename*=UTF-8''%c3%b3", FormPart("a", "ó", "application/unknown")),
    ("form-data; name*=UTF-8''%c3%b3", FormPart("ó", None, "application/unknown")),
]


@pytest.mark.parametrize(("value", "expected"), DISPOSITIONS)
def test_dispositions(value: str, expected: FormPart) -> None:
    assert read_disposition([("content-DISPOSITION", value)]) == expected
    expected = expected._replace(content_type="text/plain")
    assert read_disposition([("Content-Type", "text/plain"), ("X", "y"), ("Content-Disposition", value)]) == expected


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Content-Type", "text/plain")],
        [("Content-Disposition", "")],
        [("Content-Disposition", "form-data")],
        [("Content-Disposition", "form-data; x=y")],
        [("Content-Disposition", 'form-data; name=""')],
        [("Content-Disposition", 'attachment; name="a"')],
        [("Content-Disposition", 'form-data; name="a"; name="b"')],
        [("Content-Disposition", 'form-data; name="a')],
        [("Content-Disposition", 'form-data; name="a"; filename="b"c"')],
        [("Content-Disposition", "form-data; name=a; filename*=x")],
        [("Content-Disposition", "form-data; name=a; filename*=utf-8''%ff")],
        [("Content-Disposition", "form-data; name=a"), ("content-disposition", "form-data; name=b")],
        [("Content-Disposition", "form-data; name=a"), ("Content-Type", "a/b"), ("content-type", "c/d")],
    ],
)
def test_parts_that_are_no_fields(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(HTTPInputError):
        read_disposition(headers)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_form(size: int) -> None:
    body = (
        FIELD % (b"a", b"1") + FILE % (b"f", b"x.txt", b"content") + FIELD % (b"a", b"2") + FILE % (b"f", b"", b"")
        + FILE % (b"f", b"y.txt", b"") + END
    )  # fmt: skip
    with read(body[start : start + size] for start in range(0, len(body), size)) as form:
        assert form.arguments == {"a": [b"1", b"2"], "f": [b""]}
        first, second = form.files["f"]
        assert (first.name, first.filename, first.content_type, first.size) == ("f", "x.txt", "text/plain", 7)
        assert first.file.read() == b"content"
        assert (second.filename, second.size, second.file.read()) == ("y.txt", 0, b"")
        assert "x.txt" in repr(first)
        assert "closed" not in repr(first)
    assert first.file.closed
    assert "closed" in repr(second)
    form.close()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[IO[bytes]]:
    """The temporary files that are opened from now on."""
    files: list[IO[bytes]] = []
    make: Any = tempfile.SpooledTemporaryFile

    def remember(**options: Any) -> IO[bytes]:
        files.append(make(**options))
        return files[-1]

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", remember)
    return files


def is_on_disk(file: SpooledFile) -> bool:
    return bool(getattr(file.file, "_rolled"))  # noqa: B009 - there is no public way to ask


def test_large_files_go_to_the_disk(tmp_path: Path) -> None:
    reader = FormDataReader(b"XX", spool_size=1000, directory=str(tmp_path))
    body = FILE % (b"f", b"small", b"x" * 1000) + FILE % (b"f", b"large", b"y" * 1001) + END
    with read([body], reader) as form:
        small, large = form.files["f"]
        assert not is_on_disk(small)
        assert is_on_disk(large)
        assert large.file.read() == b"y" * 1001


def refused(reader: FormDataReader, pieces: Iterable[bytes]) -> HTTPInputError:
    with pytest.raises(HTTPInputError) as caught:
        read(pieces, reader)
    return caught.value


def test_the_size_of_fields_is_limited() -> None:
    """Fields stay in memory; their names count, or many long ones would be free."""
    assert read([FIELD % (b"ab", b"cd") * 2 + END], FormDataReader(b"XX", max_fields_size=8)).arguments
    error = refused(FormDataReader(b"XX", max_fields_size=7), [FIELD % (b"ab", b"cd") * 2 + END])
    assert isinstance(error, HTTPRefusal)
    assert error.status == 413
    refused(FormDataReader(b"XX", max_fields_size=7), [FILE % (b"abcdefgh", b"x", b"y") + END])
    form = read([FILE % (b"f", b"x", b"y" * 100) + END], FormDataReader(b"XX", max_fields_size=7))
    assert form.files["f"][0].size == 100
    form.close()


def test_the_size_of_a_file_is_limited() -> None:
    body = FILE % (b"f", b"x", b"y" * 100) * 2 + END
    read([body], FormDataReader(b"XX", max_file_size=100)).close()
    error = refused(FormDataReader(b"XX", max_file_size=99), [body])
    assert isinstance(error, HTTPRefusal)
    assert error.status == 413


def test_parts_are_limited_as_the_parser_does() -> None:
    refused(FormDataReader(b"XX", max_parts=1), [FIELD % (b"a", b"1") * 2])
    refused(FormDataReader(b"XX", max_part_header_size=10), [FIELD % (b"a", b"1")])
    with pytest.raises(HTTPInputError):
        FormDataReader(b"")


@pytest.mark.parametrize("last", [b"", b"--XX\r\n\r\nx\r\n--XX--", b"--XXx", b"--XX\r\nX: y\r\n\r\n"])
def test_a_malformed_body_leaves_no_files_open(last: bytes, opened: list[IO[bytes]], tmp_path: Path) -> None:
    reader = FormDataReader(b"XX", spool_size=1, directory=str(tmp_path))
    reader.feed(FILE % (b"f", b"x", b"content") + (FILE % (b"g", b"y", b"content"))[:-2])
    assert [file.closed for file in opened] == [False, False]
    refused(reader, [b"\r\n" + last])
    assert [file.closed for file in opened] == [True, True]
    refused(reader, [b"x"])


@pytest.mark.parametrize("limits", [{"max_fields_size": 1}, {"max_file_size": 1}])
def test_a_refusal_is_final(limits: dict[str, Any]) -> None:
    """Also where the parser is through with the body, and only its size was refused."""
    reader = FormDataReader(b"XX", **limits)
    body = FIELD % (b"a", b"1") + FILE % (b"f", b"x", b"content") + END
    for call in (lambda: reader.feed(body), lambda: reader.feed(b""), reader.finish):
        with pytest.raises(HTTPRefusal):
            call()


def test_a_disk_that_is_full_is_final(monkeypatch: pytest.MonkeyPatch) -> None:
    class FullDisk(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    def full_disk(**_: object) -> FullDisk:
        return FullDisk()

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", full_disk)
    reader = FormDataReader(b"XX")
    for call in (lambda: reader.feed(FILE % (b"f", b"x", b"content") + END), reader.finish):
        with pytest.raises(OSError, match="No space"):
            call()


def test_a_reader_that_has_ended_takes_nothing() -> None:
    reader = FormDataReader(b"XX")
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.feed(END)
    reader = FormDataReader(b"XX")
    read([END], reader)
    for call in (lambda: reader.feed(b""), reader.finish):
        with pytest.raises(ValueError, match="taken"):
            call()


def test_giving_up_closes_the_files(opened: list[IO[bytes]]) -> None:
    reader = FormDataReader(b"XX")
    reader.feed(FILE % (b"f", b"x", b"content"))
    assert [file.closed for file in opened] == [False]
    reader.close()
    assert [file.closed for file in opened] == [True]


def test_a_form_that_was_taken_is_not_closed_with_its_reader() -> None:
    reader = FormDataReader(b"XX")
    form = read([FILE % (b"f", b"x", b"content") + END], reader)
    reader.close()
    assert form.files["f"][0].file.read() == b"content"
    form.close()


def test_the_limits_that_are_documented_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    spool_sizes: list[int] = []

    def make(max_size: int, dir: str | None) -> IO[bytes]:
        spool_sizes.append(max_size)
        return io.BytesIO()

    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", make)
    largest = b"x" * (2 * 1024**2 - 2)  # the names count too
    with read([FIELD % (b"a", largest), FILE % (b"f", b"f.bin", b""), END]) as form:
        assert form.arguments == {"a": [largest]}
    assert spool_sizes == [256 * 1024]
    with pytest.raises(HTTPRefusal, match="larger than 2097152 bytes"):
        read([FIELD % (b"a", largest + b"xx"), END])
