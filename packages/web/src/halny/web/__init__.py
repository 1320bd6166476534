"""The Halny web framework: applications, request handlers and routing."""

from ._application import Application
from ._exceptions import Finish, HTTPError, MissingArgumentError
from ._handler import RequestHandler, stream_request_body
from ._routing import URLSpec
from ._stock import ErrorHandler
from ._transforms import OutputTransform
from ._version import __version__ as __version__

url = URLSpec

__all__ = [
    "Application",
    "ErrorHandler",
    "Finish",
    "HTTPError",
    "MissingArgumentError",
    "OutputTransform",
    "RequestHandler",
    "URLSpec",
    "stream_request_body",
    "url",
]
