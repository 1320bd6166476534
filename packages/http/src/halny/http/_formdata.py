"""What the parts of a `multipart/form-data` body mean: fields and files (RFC 7578).

`read_disposition` says what a part is; whole bodies (`parse_multipart_form_data`) and `FormDataReader` share it, so
that both find the same. The reader takes a body as it arrives and keeps large files on disk; it is the one thing in
this package that touches a file system, and only through `tempfile`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple, final

from ._exceptions import HTTPInputError, HTTPRefusal
from ._multipart import MAX_PART_HEADER_SIZE, MAX_PARTS, MultipartParser, PartBegin, PartData
from ._parameters import parse_header_parameters

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import IO

    from ._multipart import MultipartEvent

MAX_FIELDS_SIZE = 2 * 1024 * 1024
"""Bytes of all fields together that are not files, names included. They stay in memory, and are what people typed."""

SPOOL_SIZE = 256 * 1024
"""Bytes of one file that stay in memory; with the parts limited to 100, at most 25 MiB for a body."""

UNKNOWN_CONTENT_TYPE = "application/unknown"
"""The content type of a file whose part has no `Content-Type`."""


# What browsers send, for which there is nothing to unescape or to decode; five times as fast as the general way.
_COMMON_DISPOSITION = re.compile(r'form-data; name="([^"\\]++)"(?:; filename="([^"\\]*+)")?').fullmatch


@final
class FormPart(NamedTuple):
    """What the headers of a part say it is."""

    name: str
    """The name of the form's field."""
    filename: str | None
    """The name of the file as the client wrote it, never to be used as a path; None if the part is a plain field."""
    content_type: str
    """The part's `Content-Type`, or `application/unknown`."""


def read_disposition(raw_headers: Sequence[tuple[str, str]]) -> FormPart:
    """Read what a part of a form is from its headers (RFC 7578 §4.2).

    A file field that was left empty comes with an empty `filename`, and counts as a plain field.

    Args:
        raw_headers: the part's headers as `PartBegin` holds them.

    Returns:
        Name, file name and content type.

    Raises:
        HTTPInputError: the part has no `Content-Disposition` of `form-data` with a name, or these, or the
            content type, are there twice; the peer's fault.
    """
    disposition = content_type = None
    for name, value in raw_headers:
        lower = name.lower()
        if lower == "content-disposition":
            if disposition is not None:
                raise HTTPInputError("multipart/form-data part has two Content-Disposition headers")
            disposition = value
        elif lower == "content-type":
            if content_type is not None:
                raise HTTPInputError("multipart/form-data part has two Content-Type headers")
            content_type = value
    if disposition is None:
        raise HTTPInputError("multipart/form-data part has no Content-Disposition header")
    common = _COMMON_DISPOSITION(disposition)
    if common is not None:
        return FormPart(common[1], common[2] or None, content_type or UNKNOWN_CONTENT_TYPE)
    kind, params = parse_header_parameters(disposition, strict=True)
    field_name = params.get("name")
    if kind.lower() != "form-data" or not field_name:
        raise HTTPInputError("multipart/form-data part has no form-data disposition with a name")
    return FormPart(field_name, params.get("filename") or None, content_type or UNKNOWN_CONTENT_TYPE)


@final
class SpooledFile:
    """An uploaded file, in memory while it is small and in a temporary file on disk beyond that.

    Close it, or the `FormDataReader` or `FormData` it came from, when it is not needed any more; the
    temporary file, which has no name that others could open, goes away with it.
    """

    __slots__ = ("content_type", "file", "filename", "name", "size")

    name: str
    """The name of the form's field."""
    filename: str
    """The name of the file as the client wrote it, never to be used as a path."""
    content_type: str
    """The content type as the client wrote it, or `application/unknown`."""
    size: int
    """Bytes written so far; the file's size once the body has ended."""
    file: IO[bytes]
    """The content, positioned at its beginning once the body has ended. Reading it may block on the disk."""

    def __init__(self, part: FormPart, spool_size: int, directory: str | None) -> None:
        self.name, self.filename, self.content_type = part.name, part.filename or "", part.content_type
        self.size = 0
        import tempfile  # loads much that a process without uploads never needs

        self.file = tempfile.SpooledTemporaryFile(max_size=spool_size, dir=directory)  # noqa: SIM115 - it outlives this

    def __repr__(self) -> str:
        return f"<SpooledFile {self.name!r}: {self.filename!r}, {self.size} bytes{', closed' * self.file.closed}>"

    def close(self) -> None:
        """Drop the content. Calling it again does nothing."""
        self.file.close()


@final
class FormData:
    """A whole form: what `FormDataReader.finish` returns. As a context manager it closes its files."""

    __slots__ = ("arguments", "files")

    arguments: dict[str, list[bytes]]
    """Values of the plain fields by name."""
    files: dict[str, list[SpooledFile]]
    """Files by the name of their field."""

    def __init__(self) -> None:
        self.arguments = {}
        self.files = {}

    def __enter__(self) -> FormData:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop the content of all files."""
        for files in self.files.values():
            for file in files:
                file.close()


@final
class FormDataReader:
    """Reads a `multipart/form-data` body as it arrives, with bounded memory.

    Feed it from `data_received` of a handler that streams its body; then take the form from `finish`. Writing to the
    disk blocks: where that matters, feed it in an executor, one piece after the other, or use
    [`MultipartParser`][halny.http.MultipartParser] and write elsewhere.

    Args:
        boundary: the `boundary` parameter of the content type, without quotes.
        max_parts: how many fields and files there may be.
        max_part_header_size: bytes of each part's headers.
        max_fields_size: bytes of all fields together that are not files, with their names.
        max_file_size: bytes of each file; None leaves that to the limit of the whole body.
        spool_size: bytes of each file that stay in memory.
        directory: where temporary files are made; by default where `tempfile` makes them.

    Raises:
        HTTPInputError: the boundary can't be one; the peer's fault.
    """

    __slots__ = (
        "_chunks", "_directory", "_error", "_fields_left", "_file", "_form", "_max_fields_size", "_max_file_size",
        "_name", "_parser", "_spool_size",
    )  # fmt: skip

    def __init__(
        self,
        boundary: bytes,
        *,
        max_parts: int = MAX_PARTS,
        max_part_header_size: int = MAX_PART_HEADER_SIZE,
        max_fields_size: int = MAX_FIELDS_SIZE,
        max_file_size: int | None = None,
        spool_size: int = SPOOL_SIZE,
        directory: str | None = None,
    ) -> None:
        self._parser = MultipartParser(boundary, max_parts=max_parts, max_part_header_size=max_part_header_size)
        self._max_fields_size = self._fields_left = max_fields_size
        self._max_file_size = max_file_size
        self._spool_size = spool_size
        self._directory = directory
        self._form = FormData()
        self._error: Exception | None = None  # what ended this reader, and answers each later call
        self._file: SpooledFile | None = None  # the part that is being read, if it is a file
        self._name = ""  # its name and its pieces, if it is not
        self._chunks: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Take some of the body, in pieces of any size.

        Args:
            data: the next bytes.

        Raises:
            HTTPInputError: the body is malformed or over a limit; the peer's fault. The files are closed, and it is
                raised again by each later call.
            HTTPRefusal: the fields or a file are too large (413); likewise.
            OSError: the disk is full or can't be written; likewise.
            ValueError: the form was taken or the reader closed before; the caller's fault.
        """
        self._refuse_if_ended()
        try:
            for event in self._parser.feed(data):
                self._handle(event)
        except Exception as error:
            self.close()
            self._error = error
            raise

    def finish(self) -> FormData:
        """Say that the body has ended, and take the form with its files, which the caller closes from then on.

        Raises:
            HTTPInputError: the body has no end, or was refused before; the peer's fault. The files are closed.
            ValueError: the form was taken or the reader closed before; the caller's fault.
        """
        self._refuse_if_ended()
        try:
            self._parser.finish()
        except HTTPInputError as error:
            self.close()
            self._error = error
            raise
        form, self._form = self._form, FormData()
        self._error = ValueError("the form was taken")
        return form

    def close(self) -> None:
        """Give up: drop what was read. Call it when the client goes away before the body has ended.

        Calling it again, or after `finish`, does nothing; the form that `finish` returned is closed by itself.
        """
        if self._error is None:
            self._error = ValueError("the reader is closed")
        self._form.close()

    def _refuse_if_ended(self) -> None:
        if self._error is not None:
            raise self._error

    def _handle(self, event: MultipartEvent) -> None:
        if isinstance(event, PartData):
            if self._file is not None:
                self._write(self._file, event.data)
            else:
                self._count(len(event.data))
                self._chunks.append(event.data)
        elif isinstance(event, PartBegin):
            self._begin(read_disposition(event.raw_headers))
        elif self._file is not None:
            self._file.file.seek(0)
            self._file = None
        else:
            self._form.arguments.setdefault(self._name, []).append(b"".join(self._chunks))

    def _begin(self, part: FormPart) -> None:
        self._count(len(part.name))
        if part.filename is None:
            self._name, self._chunks = part.name, []
        else:
            self._file = SpooledFile(part, self._spool_size, self._directory)
            self._form.files.setdefault(part.name, []).append(self._file)

    def _write(self, file: SpooledFile, data: bytes) -> None:
        file.size += len(data)
        if self._max_file_size is not None and file.size > self._max_file_size:
            raise HTTPRefusal(413, f"uploaded file is larger than {self._max_file_size} bytes")
        file.file.write(data)

    def _count(self, size: int) -> None:
        self._fields_left -= size
        if self._fields_left < 0:
            raise HTTPRefusal(413, f"form fields are larger than {self._max_fields_size} bytes together")
