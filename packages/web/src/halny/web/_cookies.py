"""A handler's cookies, plain and signed.

Strategy: what the client sent is read from the request; what is set is kept until the head of the response leaves. The
two never meet: a handler does not see its own cookies. That the parts of a cookie can't add to it is checked when it is
set (`halny.http.SetCookie`).
"""

from __future__ import annotations

import datetime as dt
import warnings
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any, Final, cast, overload

from halny.http import CookieFormatError, SetCookie

from ._response import Response
from ._signing import create_signed_value, decode_signed_value, get_signature_key_version

if TYPE_CHECKING:
    from http.cookies import Morsel

    from halny.http import Timestamp

    from ._signing import Secret

    _Cookies = dict[str, SetCookie | Morsel[str]]

_SIGNED_COOKIES: Final = "signed cookies"
_NAMES: Final = ("domain", "expires", "path", "max_age", "httponly", "secure", "samesite", "partitioned")
_LATE_NAMES: Final = {"max-age": "max_age", **{name: name for name in _NAMES}}
"""The attributes that `set_cookie` also takes in other spellings, as old applications have them."""


class Cookies(Response):
    """The part of `RequestHandler` that reads and sets cookies."""

    @property
    def cookies(self) -> SimpleCookie:
        """The cookies that the client sent; see [`HTTPServerRequest.cookies`][halny.http.HTTPServerRequest.cookies]."""
        return self.request.cookies

    @overload
    def get_cookie(self, name: str, default: str) -> str: ...
    @overload
    def get_cookie(self, name: str, default: str | None = None) -> str | None: ...

    def get_cookie(self, name: str, default: str | None = None) -> str | None:
        """Return the value of a cookie that the client sent; not of one that this response sets.

        Args:
            name: the cookie's name.
            default: what to return where there is none.
        """
        morsel: Morsel[str] | None = self.request.cookies.get(name)
        return default if morsel is None else morsel.value

    def set_cookie(
        self,
        name: str,
        value: str | bytes,
        domain: str | None = None,
        expires: Timestamp | None = None,
        path: str | None = "/",
        expires_days: float | None = None,
        *,
        max_age: int | str | None = None,
        httponly: bool = False,
        secure: bool = False,
        samesite: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Set a cookie with the response, in place of any of the same name that was set before.

        Args:
            name: the cookie's name.
            value: its value, which must not have white space or characters beyond Latin-1.
            domain: also send it to the subdomains of this one.
            expires: when it ends; by default with the browser's session.
            path: send it only for paths below.
            expires_days: the same as a number of days from now.
            max_age: seconds until it ends; zero or less ends it now. It wins over `expires`.
            httponly: hide it from scripts.
            secure: send it over TLS alone.
            samesite: `"Strict"`, `"Lax"` or `"None"`.
            **kwargs: `partitioned=True` keeps one for each top-level site, and needs `secure`. The other attributes are
                taken in upper case too, which is deprecated.

        Raises:
            CookieFormatError: something in it could end the cookie, add an attribute, or is not known. It is a
                `ValueError` and a `http.cookies.CookieError`.
            TypeError: a value is of another type.
        """
        if expires is None and expires_days is not None:
            expires = dt.datetime.now(dt.UTC) + dt.timedelta(days=expires_days)
        attributes: dict[str, Any] = {
            "domain": domain,
            "expires": expires,
            "path": path,
            "max_age": max_age,
            "httponly": httponly,
            "secure": secure,
            "samesite": samesite,
        }
        if kwargs:
            attributes.update(_late(name, kwargs))
        cookie = SetCookie(_text(name), _text(value), **attributes)
        cookies = self._halny_cookies
        if cookies is None:
            cookies = self._halny_cookies = cast("_Cookies", SimpleCookie())
        # One that is set again leaves in its new place.
        cookies.pop(cookie.name, None)
        cookies.update({cookie.name: cookie})  # to `cookies[name] =` all but its own kind is text

    @property
    def _new_cookie(self) -> Any:
        # For programs that look at the cookies which this response sets, or bring their own as a `SimpleCookie`. As
        # they expect, it is not there before there is a cookie.
        if self._halny_cookies is None:
            raise AttributeError("no cookie has been set", name="_new_cookie", obj=self)
        return self._halny_cookies

    @_new_cookie.setter
    def _new_cookie(self, cookies: SimpleCookie) -> None:
        if not isinstance(cast("object", cookies), dict):
            raise TypeError(f"_new_cookie must be a SimpleCookie, not {cookies!r}")
        self._halny_cookies = cast("_Cookies", cookies)

    @_new_cookie.deleter
    def _new_cookie(self) -> None:
        self._halny_cookies = None

    def clear_cookie(self, name: str, **kwargs: Any) -> None:
        """Let the client forget a cookie.

        Args:
            name: the cookie's name.
            **kwargs: as for `set_cookie`, but not its end. To the client `path` and `domain` are a part of the name, so
                they have to be those with which it was set.

        Raises:
            TypeError: `expires` or `max_age` was given.
        """
        for refused in ("expires", "max_age"):
            if refused in kwargs:
                raise TypeError(f"clear_cookie() got an unexpected keyword argument {refused!r}")
        kwargs["expires"] = dt.datetime.now(dt.UTC) - dt.timedelta(days=365)
        self.set_cookie(name, "", **kwargs)

    def clear_all_cookies(self, **kwargs: Any) -> None:
        """Let the client forget all cookies that it sent.

        Args:
            **kwargs: as for `clear_cookie`.
        """
        for name in self.request.cookies:
            self.clear_cookie(name, **kwargs)

    # Signed cookies

    def set_signed_cookie(
        self, name: str, value: str | bytes, expires_days: float | None = 30, version: int | None = None, **kwargs: Any
    ) -> None:
        """Set a cookie that the client can read but not change; `get_signed_cookie` reads it.

        The setting `cookie_secret` is needed. How long the cookie is good is said when it is read.

        Args:
            name: the cookie's name.
            value: its value, of any characters.
            expires_days: when the client forgets it, in days from now, or None for the end of its session.
            version: the format of the signature; by default the newest.
            **kwargs: as for `set_cookie`.
        """
        signed = self.create_signed_value(name, value, version=version)
        self.set_cookie(name, signed, expires_days=expires_days, **kwargs)

    def create_signed_value(self, name: str, value: str | bytes, version: int | None = None) -> bytes:
        """Sign a value with the application's secret, so that it can travel otherwise than in a cookie.

        With several secrets, in a `cookie_secret` that is a dict, the setting `key_version` says which one signs.

        Args:
            name: what the value is for.
            value: the value.
            version: the format of the signature; by default the newest.
        """
        self.require_setting("cookie_secret", _SIGNED_COOKIES)
        settings = self.application.settings
        secret: Secret = settings["cookie_secret"]
        key_version: int | None = None
        if not isinstance(secret, (str, bytes)):
            key_version = settings.get("key_version")
            if key_version is None and hasattr(secret, "get"):
                raise ValueError("cookie_secret is a dict: the setting 'key_version' must say which one signs")
        return create_signed_value(secret, name, value, version=version, key_version=key_version)

    def get_signed_cookie(
        self, name: str, value: str | None = None, max_age_days: float = 31, min_version: int | None = None
    ) -> bytes | None:
        """Return the value of a signed cookie, or None if there is none, or it is not genuine, or too old.

        Args:
            name: the cookie's name.
            value: a signed value from elsewhere, in place of the cookie's.
            max_age_days: how old the signature may be.
            min_version: the oldest format of signatures that is taken.
        """
        self.require_setting("cookie_secret", _SIGNED_COOKIES)
        if value is None:
            value = self.get_cookie(name)
        secret = self.application.settings["cookie_secret"]
        return decode_signed_value(secret, name, value, max_age_days=max_age_days, min_version=min_version)

    def get_signed_cookie_key_version(self, name: str, value: str | None = None) -> int | None:
        """Return which of several secrets signed a cookie, or None where it does not say; the signature is not checked.

        Args:
            name: the cookie's name.
            value: a signed value from elsewhere, in place of the cookie's.
        """
        self.require_setting("cookie_secret", _SIGNED_COOKIES)
        if value is None:
            value = self.get_cookie(name)
        return None if value is None else get_signature_key_version(value)

    # The names of before: the cookies are signed, not secret.
    set_secure_cookie = set_signed_cookie
    get_secure_cookie = get_signed_cookie
    get_secure_cookie_key_version = get_signed_cookie_key_version


def _late(cookie: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes that were given beside the named ones, in the spelling of `SetCookie`."""
    attributes: dict[str, Any] = {}
    for given, value in kwargs.items():
        name = _LATE_NAMES.get(given.lower())
        if name is None:
            raise CookieFormatError(f"unknown attribute {given!r} of the cookie {cookie!r}")
        if name != given:
            message = f"set_cookie({given}=) is deprecated: expected {name}="
            warnings.warn(message, DeprecationWarning, stacklevel=3)
        attributes[name] = value
    return attributes


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()
    raise TypeError(f"name and value of a cookie must be str or bytes, not {type(value).__name__}")
