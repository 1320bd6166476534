"""Handlers that come with the framework and answer without code of an application's, and two decorators.

All of them send clients elsewhere, or to somebody else. A redirect never leaves the host unless the application has
said where to: what a client puts into a path may look to a browser like another host.
"""

from __future__ import annotations

import functools
import inspect
import re
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast
from urllib.parse import urlsplit

from halny.http import qs_to_qsl, url_concat

from ._exceptions import HTTPError
from ._handler import RequestHandler

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from halny.http import HTTPServerRequest

_Method = TypeVar("_Method", bound="Callable[..., Any]")

_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f]|^ ")
"""What browsers drop from a URL before they read it, or read as an end."""


class ErrorHandler(RequestHandler):
    """Answers every request with an error page."""

    def initialize(self, status_code: int) -> None:
        """Take the status.

        Args:
            status_code: the status of the page.
        """
        self.set_status(status_code)

    def prepare(self) -> None:
        """See `RequestHandler.prepare`."""
        raise HTTPError(self._status_code)

    def check_xsrf_cookie(self) -> None:
        """Do nothing: the page is the same for all, so nobody can be tricked into asking for it."""

    def check_trusted_origin(self, origin: str) -> bool:
        """Trust everybody, for the same reason.

        Args:
            origin: the `Origin` of the request.
        """
        return True


class RedirectHandler(RequestHandler):
    """Sends the client to another URL.

        Application([
            (r"/photos", RedirectHandler, {"url": "/pictures"}),
            (r"/pictures/(.*)", RedirectHandler, {"url": "https://images.example.org/{0}"}),
        ])

    The groups of the route's pattern take the places in the URL, by number or by name, and the query is kept. What
    comes from a client can't change the scheme or the host: `https://{0}/` never works.
    """

    def initialize(self, url: str, permanent: bool = True) -> None:
        """Take the arguments of the route.

        Args:
            url: the URL, with places for `str.format`.
            permanent: whether clients may remember it (301 and not 302).
        """
        self._url = url
        self._permanent = permanent

    def get(self, *args: str | None, **kwargs: str | None) -> None:
        """Redirect.

        Args:
            *args: what takes the numbered places of the URL.
            **kwargs: what takes its named places.
        """
        url = self._url.format(*args, **kwargs)
        expected = self._url.format(*[""] * len(args), **dict.fromkeys(kwargs, ""))
        if not _leads_to_same_host(url, expected):
            raise HTTPError(400, "redirect to %r would leave the host of %r", url, self._url)
        if self.request.query_arguments:
            url = url_concat(url, list(qs_to_qsl(self.request.query_arguments)))
        self.redirect(url, permanent=self._permanent)


class FallbackHandler(RequestHandler):
    """Hands requests to a callable, such as a WSGI container or another application.

    Application([(r".*", FallbackHandler, {"fallback": WSGIContainer(wsgi_app)})])
    """

    def initialize(self, fallback: Callable[[HTTPServerRequest], object]) -> None:
        """Take the arguments of the route.

        Args:
            fallback: is called with the request and answers by its connection; it may be a coroutine.
        """
        self.fallback = fallback

    def prepare(self) -> Awaitable[None] | None:
        """See `RequestHandler.prepare`."""
        result = self.fallback(self.request)
        if inspect.isawaitable(result):
            return self._halny_wait_for(result)
        self._halny_leave()
        return None

    async def _halny_wait_for(self, answer: Awaitable[object]) -> None:
        await answer
        self._halny_leave()

    def _halny_leave(self) -> None:
        self._finished = True  # as far as this handler is concerned; the fallback may answer later
        self._halny_end_request()


def addslash(method: _Method) -> _Method:
    """Decorate a handler's method so that a path without a slash at its end is redirected to the one with it.

    The pattern of the route must match both: `r"/foo/?"`. Only GET and HEAD are redirected, anything else gets 404.

    Args:
        method: the method.
    """

    @functools.wraps(method)
    def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> Any:
        if self.request.path.endswith("/"):
            return method(self, *args, **kwargs)
        _redirect_within_host(self, self.request.path + "/")
        return None

    return cast("_Method", wrapper)


def removeslash(method: _Method) -> _Method:
    """Decorate a handler's method so that a path with slashes at its end is redirected to the one without.

    The pattern of the route must match both: `r"/foo/*"`. Only GET and HEAD are redirected, anything else gets 404.

    Args:
        method: the method.
    """

    @functools.wraps(method)
    def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> Any:
        path = self.request.path.rstrip("/")
        if path == self.request.path or (not path and self.request.method in ("GET", "HEAD")):
            return method(self, *args, **kwargs)
        _redirect_within_host(self, path)
        return None

    return cast("_Method", wrapper)


def _redirect_within_host(handler: RequestHandler, path: str) -> None:
    request = handler.request
    if request.method not in ("GET", "HEAD"):
        raise HTTPError(404)
    if not path.startswith("/") or path.startswith(("//", "/\\")):
        raise HTTPError(403, "redirect to %r would leave the host", path)
    handler.redirect(f"{path}?{request.query}" if request.query else path, permanent=True)


def _leads_to_same_host(url: str, expected: str) -> bool:
    """Return whether a URL has the scheme and the host of another, as a browser reads them."""
    if _UNSAFE.search(url):
        return False
    url, expected = url.replace("\\", "/"), expected.replace("\\", "/")
    try:
        found, wanted = urlsplit(url), urlsplit(expected)
    except ValueError:
        return False
    if (found.scheme, found.netloc) != (wanted.scheme, wanted.netloc):
        return False
    # Without a host of its own a URL may not begin with two slashes, nor an absolute one have more than two.
    return bool(found.netloc) or not url.removeprefix(f"{found.scheme}:").startswith("//")
