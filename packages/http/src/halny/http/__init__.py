"""HTTP without I/O: headers, messages, cookies, forms, multipart bodies, HTTP/1.1 reading and writing."""

from ._body import (
    HTTPFile,
    ParseBodyConfig,
    ParseMultipartConfig,
    ParseUrlEncodedConfig,
    parse_body_arguments,
    parse_multipart_form_data,
    set_parse_body_config,
)
from ._codings import ContentDecoder, ContentEncoder, choose_coding, decode_content, supported_codings
from ._cookies import CookieFormatError, SetCookie, parse_cookie
from ._dates import Timestamp, format_timestamp, parse_http_date
from ._etags import etag_matches, if_range_matches, is_etag, parse_etags
from ._exceptions import HTTPInputError, HTTPOutputError, HTTPRefusal
from ._formdata import FormData, FormDataReader, FormPart, SpooledFile, read_disposition
from ._h1_body import BodyReader, ChunkedBody, CloseBody, LengthBody
from ._h1_head import HeadBuffer, skip_empty_lines
from ._h1_reader import HeadReader
from ._h1_request import RequestFrame, frame_request, request_head
from ._h1_response import ResponseHead, ResponseHeadReader, response_body
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
    switches_protocol,
    without_framing,
)
from ._headers import HTTPHeaders
from ._interfaces import (
    Endpoint,
    EndpointSource,
    EndpointWrapper,
    HTTPConnection,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    StreamingEndpoint,
    wrap_endpoints,
)
from ._limits import DEFAULT_LIMITS, Limits
from ._multipart import MultipartEvent, MultipartParser, PartBegin, PartData, PartEnd
from ._parameters import encode_header_parameters, parse_header_parameters, split_header_parameters
from ._ranges import ByteRange, format_content_range, parse_byte_ranges
from ._request import (
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
    parse_request_start_line,
    parse_response_start_line,
)
from ._urls import encode_username_password, parse_arguments, percent_decode, qs_to_qsl, split_host_and_port, url_concat
from ._validation import HTTP_WHITESPACE, is_field_value, is_reason_phrase, is_token, is_valid_host, parse_host
from ._version import __version__ as __version__

__all__ = [
    "CONTINUE",
    "DEFAULT_LIMITS",
    "HTTP_WHITESPACE",
    "LAST_CHUNK",
    "BodyFraming",
    "BodyReader",
    "ByteRange",
    "ChunkedBody",
    "CloseBody",
    "ContentDecoder",
    "ContentEncoder",
    "CookieFormatError",
    "Endpoint",
    "EndpointSource",
    "EndpointWrapper",
    "FormData",
    "FormDataReader",
    "FormPart",
    "HTTPConnection",
    "HTTPFile",
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
    "MultipartEvent",
    "MultipartParser",
    "ParseBodyConfig",
    "ParseMultipartConfig",
    "ParseUrlEncodedConfig",
    "PartBegin",
    "PartData",
    "PartEnd",
    "RequestFrame",
    "RequestStartLine",
    "ResponseFrame",
    "ResponseHead",
    "ResponseHeadReader",
    "ResponseStartLine",
    "SetCookie",
    "SpooledFile",
    "StreamingEndpoint",
    "Timestamp",
    "choose_coding",
    "chunk",
    "connection_line",
    "decode_content",
    "encode_header_parameters",
    "encode_username_password",
    "etag_matches",
    "format_content_range",
    "format_timestamp",
    "frame_request",
    "frame_response",
    "has_body",
    "if_range_matches",
    "is_etag",
    "is_field_value",
    "is_reason_phrase",
    "is_token",
    "is_valid_host",
    "parse_arguments",
    "parse_body_arguments",
    "parse_byte_ranges",
    "parse_cookie",
    "parse_etags",
    "parse_header_parameters",
    "parse_host",
    "parse_http_date",
    "parse_multipart_form_data",
    "parse_request_start_line",
    "parse_response_start_line",
    "percent_decode",
    "qs_to_qsl",
    "read_disposition",
    "request_head",
    "response_body",
    "responses",
    "set_parse_body_config",
    "skip_empty_lines",
    "split_header_parameters",
    "split_host_and_port",
    "status_line",
    "supported_codings",
    "switches_protocol",
    "url_concat",
    "without_framing",
    "wrap_endpoints",
]

# Tracebacks and pickles name an exception by the module that it is imported from, not by the private one that it is in.
for _exception in (CookieFormatError, HTTPInputError, HTTPOutputError, HTTPRefusal):
    _exception.__module__ = __name__
