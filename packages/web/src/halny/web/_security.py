"""Who the client is, and whether another site made it send this request.

Two defences against the second, both for methods that may change something: `xsrf_cookies`, in which a form or a
header must repeat a token from a cookie that other sites can't read, and `cross_origin_protection`, in which the
browser says where a request comes from and no token is needed. An application may have either or both.

A token of version 2 is different in every page, though the cookie stays the same: what is sent is `2|mask|token xor
mask|time`, all but the time in hexadecimal. That keeps it from being guessed by the length of compressed pages.
"""

from __future__ import annotations

import functools
import hmac
import os
import re
import time
from binascii import unhexlify
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast
from urllib.parse import urlencode, urlsplit

from halny.template.escape import utf8, xhtml_escape

from ._arguments import Arguments
from ._cookies import Cookies
from ._exceptions import HTTPError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._handler import RequestHandler

    MethodT = TypeVar("MethodT", bound=Callable[..., Awaitable[None] | None])

# Compiled when they are used first: most servers import this and never see a form.
_TOKEN_2: Final = r"2\|([0-9A-Fa-f]{8})\|((?:[0-9A-Fa-f]{2}){1,64})\|([0-9]{1,15})"  # noqa: S105 - a pattern
_VERSIONED: Final = r"[0-9]+\|"
_TOKEN_BYTES: Final = 16
MAX_TOKEN_LENGTH: Final = 256
"""How many characters a token may have that a client sends; with more it is none. Those that are made here have 54. It
may come in a body, and so it could be as long as the server lets bodies be."""
_ORIGIN: Final = r"[A-Za-z][A-Za-z0-9+.\-]*://([^/?#@\s\\]+)"
_COOKIE_DAYS: Final = 30
"""How many days the token of a user who is logged in lasts; others get one for the session of their browser."""


class _Token(NamedTuple):
    """What a token is, without its mask."""

    value: bytes
    timestamp: int
    is_new: bool


class Security(Cookies, Arguments):
    """The part of `RequestHandler` that knows the user and refuses forged requests."""

    # The user

    @property
    def current_user(self) -> Any:
        """The user who makes this request, from `get_current_user`, which is called once; or what it was set to.

        Something false means that nobody is logged in. Where finding out has to wait, set it in `prepare`.
        """
        if "_current_user" not in vars(self):
            self._current_user = self.get_current_user()
        return self._current_user

    @current_user.setter
    def current_user(self, value: Any) -> None:
        self._current_user = value

    def get_current_user(self) -> Any:
        """Return the user who makes this request, for example from a signed cookie; for subclasses. It can't wait."""
        return None

    def get_login_url(self) -> str:
        """Return where `authenticated` sends those who are not logged in: by default the setting `login_url`."""
        self.require_setting("login_url", "@halny.web.authenticated")
        return cast("str", self.application.settings["login_url"])

    # Forged requests

    @cached_property
    def _halny_token(self) -> _Token:
        sent = self.get_cookie(self._halny_xsrf_cookie_name())
        token = _decode_token(sent) if sent else None
        return token or _Token(os.urandom(_TOKEN_BYTES), int(time.time()), is_new=True)

    def _halny_make_xsrf_token(self) -> bytes:
        settings = self.application.settings
        token, version = self._halny_token, settings.get("xsrf_cookie_version", 2)
        if version == 1:
            text = token.value.hex()
        elif version == 2:
            mask = os.urandom(4)
            text = f"2|{mask.hex()}|{_masked(token.value, mask).hex()}|{token.timestamp}"
        else:
            raise ValueError(f"unknown setting xsrf_cookie_version {version!r}, expected 1 or 2")
        if token.is_new:
            attributes: dict[str, Any] = {"expires_days": _COOKIE_DAYS if self.current_user else None}
            attributes.update(settings.get("xsrf_cookie_kwargs", {}))
            self.set_cookie(self._halny_xsrf_cookie_name(), text, **attributes)
        return text.encode()

    @property
    def xsrf_token(self) -> bytes:
        """The token that a form or script sends back with its requests, in `_xsrf` or the header `X-Xsrftoken`.

        The first time that it is read a cookie is set with it, if the client has none.
        """
        # Programs that make tokens of their own look whether there is one, and set it.
        if not hasattr(self, "_xsrf_token"):
            self._xsrf_token = self._halny_make_xsrf_token()
        return self._xsrf_token

    def xsrf_form_html(self) -> str:
        """Return a hidden form field with the token, for the forms of pages.

        In templates it is `{% module xsrf_form_html() %}`.
        """
        return f'<input type="hidden" name="_xsrf" value="{xhtml_escape(self.xsrf_token)}"/>'

    def check_xsrf_cookie(self) -> None:
        """Check that the request repeats the token of its cookie; a subclass may override it to let others pass.

        It is called before `prepare` for methods other than `GET`, `HEAD` and `OPTIONS`, if the setting `xsrf_cookies`
        is on.

        Raises:
            HTTPError: it does not (403).
        """
        headers = self.request.headers
        sent = self.get_argument("_xsrf", None) or headers.get("X-Xsrftoken") or headers.get("X-Csrftoken")
        if not sent:
            raise HTTPError(403, f"'_xsrf' argument missing from {self.request.method}")
        token = _decode_token(sent)
        if token is None:
            raise HTTPError(403, "'_xsrf' argument has invalid format")
        if not hmac.compare_digest(token.value, self._halny_token.value):
            raise HTTPError(403, f"XSRF cookie does not match {self.request.method} argument")

    def _halny_xsrf_cookie_name(self) -> str:
        return cast("str", self.application.settings.get("xsrf_cookie_name", "_xsrf"))

    def check_trusted_origin(self, origin: str) -> bool:
        """Return whether another origin may send requests here; by default, whether `trusted_origins` has it.

        Args:
            origin: what the client says, such as `https://example.com`; it is the attacker's own where it is an attack.
        """
        return origin in self.application.settings.get("trusted_origins", ())

    def _halny_check_origin(self) -> None:
        """Refuse what another site has made the client send. Called before `prepare` for methods that aren't safe."""
        settings = self.application.settings
        if settings.get("xsrf_cookies"):
            self.check_xsrf_cookie()
        if settings.get("cross_origin_protection"):
            self._check_cross_origin()

    def _check_cross_origin(self) -> None:
        headers = self.request.headers
        site, origin = headers.get("Sec-Fetch-Site"), headers.get("Origin")
        if site in ("same-origin", "none"):
            return  # `none` is the user, who typed or chose it
        if site is None and (origin is None or self._halny_is_own(origin)):
            return  # no browser of today; where there is no Origin either, no browser at all
        if origin is None or not self.check_trusted_origin(origin):
            raise HTTPError(403, f"Sec-Fetch-Site {site!r} and Origin {origin!r} not allowed")

    def _halny_is_own(self, origin: str) -> bool:
        match = re.fullmatch(_ORIGIN, origin)
        return match is not None and match[1].lower() == self.request.host.lower()


def _decode_token(text: str) -> _Token | None:
    """Return the token in what a client sent, of either version, or None if it is neither."""
    if len(text) > MAX_TOKEN_LENGTH:
        return None
    match = re.fullmatch(_TOKEN_2, text)
    if match is not None:
        mask, masked = unhexlify(match[1]), unhexlify(match[2])
        return _Token(_masked(masked, mask), int(match[3]), is_new=False)
    if re.match(_VERSIONED, text) is not None:
        return None
    try:
        value = unhexlify(text)
    except ValueError:
        value = utf8(text)
    return _Token(value, int(time.time()), is_new=False)


def _masked(data: bytes, mask: bytes) -> bytes:
    """Return the exclusive or of data and a mask that is repeated; it is its own reverse."""
    size = len(data)
    repeated = mask * (size // len(mask) + 1)
    return (int.from_bytes(data) ^ int.from_bytes(repeated[:size])).to_bytes(size)


def authenticated(method: MethodT) -> MethodT:
    """Decorate a handler's method so that only users who are logged in get to it.

    Others are sent to the login URL (`GET` and `HEAD`), which gets the URL that was asked for in the argument `next`
    unless it has a query already; or are refused with 403.

        class Profile(RequestHandler):
            @authenticated
            def get(self):
                self.write(self.current_user.name)

    Args:
        method: the method.
    """

    @functools.wraps(method)
    def wrapper(self: RequestHandler, *args: Any, **kwargs: Any) -> Awaitable[None] | None:
        if self.current_user:
            return method(self, *args, **kwargs)
        if self.request.method not in ("GET", "HEAD"):
            raise HTTPError(403)
        url = self.get_login_url()
        if "?" not in url:
            url += "?" + urlencode({"next": _next_url(self, url)})
        self.redirect(url)
        return None

    return cast("MethodT", wrapper)


def _next_url(handler: RequestHandler, login_url: str) -> str:
    """Return the URL that was asked for, as the login page needs it."""
    if urlsplit(login_url).netloc:
        return handler.request.full_url()
    # A path that begins with two slashes would lead a login page that redirects to it to another host.
    return "/" + handler.request.uri.lstrip("/\\")
