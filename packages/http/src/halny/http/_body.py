"""Whole bodies of forms: into the arguments and files of a request.

The counterpart for bodies that arrive piece by piece is `FormDataReader`; both cut and judge the parts of a multipart
body by the same code. A body is taken as a whole or not at all: where an error is raised, nothing has been added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from ._exceptions import HTTPInputError
from ._formdata import read_disposition
from ._multipart import MAX_PART_HEADER_SIZE, MAX_PARTS, MultipartParser, PartBegin, PartData
from ._parameters import parse_header_parameters
from ._records import Record
from ._urls import MAX_ARGUMENTS, parse_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._formdata import FormPart


class HTTPFile(dict[str, Any]):
    """An uploaded file, held in memory: a dictionary whose items are attributes too.

    Its items are `filename`, the name that the client gave and never to be used as a path; `body`, the content as
    bytes; and `content_type`, what the client says it is, `application/unknown` if it says nothing.
    """

    filename: str
    body: bytes
    content_type: str

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


@final
class ParseMultipartConfig(Record):
    """How `multipart/form-data` bodies are read.

    Args:
        enabled: whether they are read at all; if not, such a body is an error. Turn it off where no handler takes
            forms with files.
        max_parts: how many fields and files a body may have.
        max_part_header_size: bytes of each part's headers.
    """

    __slots__ = ("enabled", "max_part_header_size", "max_parts")

    def __init__(
        self, enabled: bool = True, max_parts: int = MAX_PARTS, max_part_header_size: int = MAX_PART_HEADER_SIZE
    ) -> None:
        self.enabled = enabled
        self.max_parts = max_parts
        self.max_part_header_size = max_part_header_size


@final
class ParseUrlEncodedConfig(Record):
    """How `application/x-www-form-urlencoded` bodies are read.

    Args:
        max_arguments: how many arguments a body may have.
    """

    __slots__ = ("max_arguments",)

    def __init__(self, max_arguments: int = MAX_ARGUMENTS) -> None:
        self.max_arguments = max_arguments


@final
class ParseBodyConfig(Record):
    """How the bodies of forms are read. Set it for the process with `set_parse_body_config`.

    Args:
        multipart: for `multipart/form-data`; by default with the default limits.
        urlencoded: for `application/x-www-form-urlencoded`; by default with the default limits.
    """

    __slots__ = ("multipart", "urlencoded")

    def __init__(
        self, multipart: ParseMultipartConfig | None = None, urlencoded: ParseUrlEncodedConfig | None = None
    ) -> None:
        self.multipart = ParseMultipartConfig() if multipart is None else multipart
        self.urlencoded = ParseUrlEncodedConfig() if urlencoded is None else urlencoded


_default_config = ParseBodyConfig()


def set_parse_body_config(config: ParseBodyConfig) -> None:
    """Set how the whole process reads the bodies of forms, wherever no other configuration is given.

    Args:
        config: the new default.
    """
    global _default_config
    _default_config = config


def parse_body_arguments(
    content_type: str,
    body: bytes,
    arguments: dict[str, list[bytes]],
    files: dict[str, list[HTTPFile]],
    headers: Mapping[str, str] | None = None,
    *,
    config: ParseBodyConfig | None = None,
) -> None:
    """Read the body of a form, and add what is in it to `arguments` and `files`.

    Bodies of other types are left alone. A form in a content coding that nobody has undone is an error, not an empty
    form.

    Args:
        content_type: the value of the message's `Content-Type` field.
        body: the whole body.
        arguments: values by name, added to.
        files: files by the name of their field, added to.
        headers: the message's headers; looked at for `Content-Encoding`.
        config: limits; by default those of `set_parse_body_config`.

    Raises:
        HTTPInputError: the body is malformed, too rich or encoded; the peer's fault. Nothing has been added.
    """
    kind = content_type.partition(";")[0].strip(" \t").lower()
    if kind == "application/x-www-form-urlencoded":
        _refuse_encoded(headers)
        try:
            parsed = parse_arguments(body, max_arguments=(config or _default_config).urlencoded.max_arguments)
        except HTTPInputError as error:
            raise HTTPInputError(f"invalid {kind} body: {error}") from None
        if arguments:
            for name, values in parsed.items():
                arguments.setdefault(name, []).extend(values)
        else:
            arguments.update(parsed)
    elif kind == "multipart/form-data":
        _refuse_encoded(headers)
        try:
            boundary = parse_header_parameters(content_type, strict=True)[1].get("boundary", "")
            if not boundary.isascii():
                raise HTTPInputError("multipart boundary missing or invalid")
            multipart = (config or _default_config).multipart
            parse_multipart_form_data(boundary.encode("ascii"), body, arguments, files, config=multipart)
        except HTTPInputError as error:
            raise HTTPInputError(f"invalid {kind} body: {error}") from None


def parse_multipart_form_data(
    boundary: bytes,
    data: bytes,
    arguments: dict[str, list[bytes]],
    files: dict[str, list[HTTPFile]],
    *,
    config: ParseMultipartConfig | None = None,
) -> None:
    """Read a whole `multipart/form-data` body, and add what is in it to `arguments` and `files` (RFC 7578).

    Args:
        boundary: the `boundary` parameter of the content type; quotes around it are taken off.
        data: the whole body.
        arguments: values of the fields by name, added to.
        files: files by the name of their field, added to.
        config: limits; by default those of `set_parse_body_config`.

    Raises:
        HTTPInputError: the body is malformed or over a limit, or such bodies are turned off. Nothing has been added.
    """
    config = config or _default_config.multipart
    if not config.enabled:
        raise HTTPInputError("multipart/form-data parsing is disabled")
    if len(boundary) >= 2 and boundary[:1] == b'"' == boundary[-1:]:
        boundary = boundary[1:-1]
    for part, body in _read_parts(boundary, data, config):
        if part.filename is None:
            arguments.setdefault(part.name, []).append(body)
        else:
            file = HTTPFile(filename=part.filename, body=body, content_type=part.content_type)
            files.setdefault(part.name, []).append(file)


def _read_parts(boundary: bytes, data: bytes, config: ParseMultipartConfig) -> list[tuple[FormPart, bytes]]:
    parser = MultipartParser(boundary, max_parts=config.max_parts, max_part_header_size=config.max_part_header_size)
    events = parser.feed(data)
    parser.finish()
    parts: list[tuple[FormPart, bytes]] = []
    for event in events:
        if isinstance(event, PartBegin):
            parts.append((read_disposition(event.raw_headers), b""))
        elif isinstance(event, PartData):  # fed at once, a part has one piece of data
            parts[-1] = (parts[-1][0], event.data)
    return parts


def _refuse_encoded(headers: Mapping[str, str] | None) -> None:
    coding = headers.get("Content-Encoding", "") if headers is not None else ""
    if coding and coding.lower() != "identity":
        raise HTTPInputError(f"unsupported Content-Encoding: {coding[:50]!r}")
