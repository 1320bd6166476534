"""HTTP without I/O: headers, messages, cookies, forms, multipart bodies, HTTP/1.1 reading and writing."""

from ._exceptions import HTTPInputError, HTTPOutputError, HTTPRefusal
from ._h1_body import BodyReader, ChunkedBody, LengthBody
from ._h1_reader import HeadBuffer, HeadReader, RequestHead, skip_empty_lines
from ._h1_writer import (
    CONTINUE,
    LAST_CHUNK,
    BodyFraming,
    ResponseFrame,
    chunk,
    connection_line,
    frame_response,
    has_body,
    responses,
    status_line,
)
from ._headers import HTTPHeaders
from ._interfaces import (
    Endpoint,
    EndpointSource,
    HTTPConnection,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    StreamingEndpoint,
    wrap_endpoints,
)
from ._limits import DEFAULT_LIMITS, Limits
from ._request import (
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
    parse_request_start_line,
    parse_response_start_line,
)
from ._version import __version__ as __version__

__all__ = [
    "CONTINUE",
    "DEFAULT_LIMITS",
    "LAST_CHUNK",
    "BodyFraming",
    "BodyReader",
    "ChunkedBody",
    "Endpoint",
    "EndpointSource",
    "HTTPConnection",
    "HTTPHeaders",
    "HTTPInputError",
    "HTTPMessageDelegate",
    "HTTPOutputError",
    "HTTPRefusal",
    "HTTPServerConnectionDelegate",
    "HTTPServerRequest",
    "HeadBuffer",
    "HeadReader",
    "LengthBody",
    "Limits",
    "RequestHead",
    "RequestStartLine",
    "ResponseFrame",
    "ResponseStartLine",
    "StreamingEndpoint",
    "chunk",
    "connection_line",
    "frame_response",
    "has_body",
    "parse_request_start_line",
    "parse_response_start_line",
    "responses",
    "skip_empty_lines",
    "status_line",
    "wrap_endpoints",
]
