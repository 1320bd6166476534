"""The Halny web framework: applications, request handlers and routing."""

import logging

from ._application import Application
from ._exceptions import Finish, HTTPError, MissingArgumentError
from ._handler import RequestHandler, stream_request_body
from ._routing import URLSpec
from ._security import authenticated
from ._signing import (
    DEFAULT_SIGNED_VALUE_MIN_VERSION,
    DEFAULT_SIGNED_VALUE_VERSION,
    MAX_SUPPORTED_SIGNED_VALUE_VERSION,
    MIN_SUPPORTED_SIGNED_VALUE_VERSION,
    create_signed_value,
    decode_signed_value,
    get_signature_key_version,
)
from ._static import StaticFileHandler
from ._stock import ErrorHandler, FallbackHandler, RedirectHandler, addslash, removeslash
from ._transforms import (
    BestContentEncoding,
    BrotliContentEncoding,
    GZipContentEncoding,
    OutputTransform,
    ZstdContentEncoding,
)
from ._uimodules import TemplateModule, UIModule, is_absolute
from ._uploads import UploadHandler
from ._version import __version__ as __version__

url = URLSpec

access_log = logging.getLogger("halny.access")
app_log = logging.getLogger("halny.application")
gen_log = logging.getLogger("halny.general")

__all__ = [
    "DEFAULT_SIGNED_VALUE_MIN_VERSION",
    "DEFAULT_SIGNED_VALUE_VERSION",
    "MAX_SUPPORTED_SIGNED_VALUE_VERSION",
    "MIN_SUPPORTED_SIGNED_VALUE_VERSION",
    "Application",
    "BestContentEncoding",
    "BrotliContentEncoding",
    "ErrorHandler",
    "FallbackHandler",
    "Finish",
    "GZipContentEncoding",
    "HTTPError",
    "MissingArgumentError",
    "OutputTransform",
    "RedirectHandler",
    "RequestHandler",
    "StaticFileHandler",
    "TemplateModule",
    "UIModule",
    "URLSpec",
    "UploadHandler",
    "ZstdContentEncoding",
    "access_log",
    "addslash",
    "app_log",
    "authenticated",
    "create_signed_value",
    "decode_signed_value",
    "gen_log",
    "get_signature_key_version",
    "is_absolute",
    "removeslash",
    "stream_request_body",
    "url",
]

# Tracebacks and pickles name an exception by the module that it is imported from, not by the private one that it is in.
for _exception in (Finish, HTTPError, MissingArgumentError):
    _exception.__module__ = __name__
