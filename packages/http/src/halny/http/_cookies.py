"""Cookies, both ways: the `Cookie` field that a browser sends, and the `Set-Cookie` field that it gets (RFC 6265).

Reading follows the browsers, not the grammar: nothing is refused, one odd cookie leaves the others alone, and it
takes linear time. Writing refuses whatever could add an attribute, end the field, or be read differently by two
readers. Values that need it are quoted and escaped by octal numbers, the way of Python's `http.cookies`, so each side
reads the other's.
"""

from __future__ import annotations

import re
import time
from http.cookies import CookieError
from typing import TYPE_CHECKING, Any, final

from ._dates import format_timestamp
from ._validation import HTTP_WHITESPACE

if TYPE_CHECKING:
    from ._dates import Timestamp

_ESCAPE = re.compile(r"\\(?:([0-3][0-7][0-7])|(.))", re.DOTALL)

_PLAIN_VALUE = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z:/?=@()\[\]<>{}]+").fullmatch
_NO_VALUE_CHAR = re.compile(r"[\x00-\x20]").search
_QUOTE = {code: f"\\{code:03o}" for code in (*range(0x7F, 0x100), ord(","), ord(";"))} | {0x22: '\\"', 0x5C: "\\\\"}
_DATE = re.compile(r"[A-Za-z0-9:,+\- ]+").fullmatch  # browsers read more forms than HTTP has
_ATTRIBUTE_VALUE = re.compile(r"[!-+\--:<-~]+").fullmatch  # visible ASCII without comma and semicolon

_RESERVED = frozenset(
    ("comment", "domain", "expires", "httponly", "max-age", "partitioned", "path", "samesite", "secure", "version")
)
_SPELLINGS = {
    name.lower(): name
    for name in ("Domain", "expires", "HttpOnly", "Max-Age", "Partitioned", "Path", "SameSite", "Secure")
}
"""What attributes are called, in the order and the case of Python's http.cookies, which tests of applications know."""
_FLAGS = frozenset(("HttpOnly", "Partitioned", "Secure"))
_NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z:]+").fullmatch


@final
class CookieFormatError(CookieError, ValueError):
    """A cookie can't be written as it was asked for; the application's fault.

    It is a `http.cookies.CookieError` and a `ValueError`, whichever a program expects.
    """


def parse_cookie(cookie: str) -> dict[str, str]:
    """Read a `Cookie` field as browsers' servers do, in linear time (RFC 6265 §5.4 in reverse).

    Args:
        cookie: the value of the field; of several fields, the values joined by `; `.

    Returns:
        Values by name; the last of a name counts, and a cookie without `=` has the empty name. Quotes around a value
        are taken off and escapes within them undone.
    """
    result: dict[str, str] = {}
    separators = cookie.count("; ")
    # As browsers write it, all whitespace is that of the separators, and there is nothing to strip.
    is_tidy = cookie.count(";") == separators == cookie.count(" ") and "\t" not in cookie
    has_quotes = '"' in cookie
    for chunk in cookie.split("; " if is_tidy else ";"):
        name, equals, value = chunk.partition("=")
        if not equals:
            name, value = "", name
        if not is_tidy:
            name, value = name.strip(HTTP_WHITESPACE), value.strip(HTTP_WHITESPACE)
        if name or value:
            result[name] = _unquote(value) if has_quotes and value[:1] == '"' else value
    return result


@final
class SetCookie:
    """One cookie for a `Set-Cookie` field, checked when it is made.

    Browsers, not this class, drop a `SameSite=None` or `__Host-` cookie that breaks their further rules; the one
    such rule that is checked is that a partitioned cookie must be secure, for without it there is no such thing.

    Args:
        name: a token, colons allowed; not the name of an attribute.
        value: text of Latin-1 characters without whitespace and control characters. Encode what has others, in Base64
            for example, as signed cookies do.
        domain: also send it to the subdomains of this one; by default it is for this host alone.
        expires: when it ends, in any form that `format_timestamp` takes; by default with the browser's session.
        path: send it only for paths below; None or an empty one leaves that to the browser.
        max_age: seconds until it ends; wins over `expires`. Zero or less ends it now.
        httponly: hide it from scripts.
        secure: send it over TLS alone.
        samesite: `"Strict"`, `"Lax"` or `"None"`.
        partitioned: keep one for each top-level site (CHIPS); needs `secure`.

    Raises:
        CookieFormatError: something can't stand in the field, or the attributes contradict each other.
        TypeError: `expires` or `max_age` is of another type.
    """

    __slots__ = ("_attributes", "coded_value", "name", "value")

    name: str
    value: str
    """The value as it was given."""
    coded_value: str
    """The value as it is sent, quoted if need be."""

    def __init__(
        self,
        name: str,
        value: str,
        *,
        domain: str | None = None,
        expires: Timestamp | None = None,
        path: str | None = "/",
        max_age: int | str | None = None,
        httponly: bool = False,
        secure: bool = False,
        samesite: str | None = None,
        partitioned: bool = False,
    ) -> None:
        if _NAME(name) is None or name.lower() in _RESERVED:
            raise CookieFormatError(f"illegal cookie name {name!r}")
        self.name, self.value, self.coded_value = name, value, _quote(name, value)
        self._attributes: dict[str, str | bool] = {  # in the order of `_SPELLINGS`
            "Domain": _attribute(name, "domain", domain),
            "expires": format_timestamp(expires) if expires is not None else "",
            "HttpOnly": bool(httponly),
            "Max-Age": "" if max_age is None else str(int(max_age)),
            "Partitioned": bool(partitioned),
            "Path": _attribute(name, "path", path),
            "SameSite": _samesite(name, samesite),
            "Secure": bool(secure),
        }
        self._require_secure()

    def _require_secure(self) -> None:
        if self._attributes["Partitioned"] and not self._attributes["Secure"]:
            raise CookieFormatError(f"the cookie {self.name!r} can't be partitioned without being secure")

    def __getitem__(self, attribute: str) -> str | bool:
        """An attribute as it is sent, by its name in any case; empty or False where there is none."""
        return self._attributes[_SPELLINGS[attribute.lower()]]

    def __setitem__(self, attribute: str, value: object) -> None:
        """Change an attribute, for programs that know `http.cookies.Morsel`; what is wrong is refused as in the class.

        As there, `expires` may be text, and a number is in seconds from now. Something empty takes an attribute away.
        """
        name = _SPELLINGS.get(attribute.lower())
        if name is None:
            raise CookieFormatError(f"unknown attribute {attribute!r} of the cookie {self.name!r}")
        before = self._attributes
        self._attributes = {**before, name: _checked(self.name, name, value)}
        try:
            self._require_secure()
        except CookieFormatError:
            self._attributes = before
            raise

    def __str__(self) -> str:
        """The value of the `Set-Cookie` field."""
        parts = [f"{self.name}={self.coded_value}"]
        parts += [name if value is True else f"{name}={value}" for name, value in self._attributes.items() if value]
        return "; ".join(parts)

    def __repr__(self) -> str:
        return f"<SetCookie: {self}>"

    @property
    def key(self) -> str:
        """The name, as `http.cookies.Morsel` calls it."""
        return self.name

    def OutputString(self, attrs: object = None) -> str:  # noqa: N802 - programs know it from http.cookies.Morsel
        """The value of the `Set-Cookie` field, by the name that `http.cookies.Morsel` has for it.

        Args:
            attrs: ignored.
        """
        return str(self)

    def output(self, attrs: object = None, header: str = "Set-Cookie:") -> str:
        """The whole field, as `http.cookies.SimpleCookie` writes it.

        Args:
            attrs: ignored.
            header: the field's name.
        """
        return f"{header} {self}"


def _unquote(value: str) -> str:
    if len(value) < 2 or value[-1] != '"':
        return value
    inner = value[1:-1]
    return _ESCAPE.sub(_unescape, inner) if "\\" in inner else inner


def _unescape(match: re.Match[str]) -> str:
    octal = match[1]
    return chr(int(octal, 8)) if octal else match[2]


def _quote(name: str, value: str) -> str:
    if _PLAIN_VALUE(value) is not None:
        return value
    if _NO_VALUE_CHAR(value) is not None:
        raise CookieFormatError(f"the cookie {name!r} has whitespace or a control character in its value {value!r}")
    if not value.isascii() and max(value) > "\xff":
        raise CookieFormatError(f"the cookie {name!r} has characters beyond Latin-1 in its value {value!r}")
    return '"' + value.translate(_QUOTE) + '"'


def _attribute(name: str, attribute: str, value: str | None) -> str:
    if not value:
        return ""
    if _ATTRIBUTE_VALUE(value) is None:
        raise CookieFormatError(f"{attribute} of the cookie {name!r} has an illegal character: {value!r}")
    return value


def _samesite(name: str, value: str | None) -> str:
    if not value:
        return ""
    if value.lower() not in ("lax", "strict", "none"):
        raise CookieFormatError(f"samesite of the cookie {name!r} must be Strict, Lax or None, not {value!r}")
    return value


def _checked(name: str, attribute: str, value: Any) -> str | bool:
    """Return an attribute as it is sent, from whatever programs assign."""
    if attribute in _FLAGS:
        return bool(value)
    if value is None or value == "":
        return ""
    if attribute == "Max-Age":
        return str(int(value))
    if attribute == "expires":
        return _date(name, value)
    if attribute == "SameSite":
        return _samesite(name, value)
    return _attribute(name, attribute.lower(), value)


def _date(name: str, value: Any) -> str:
    if not isinstance(value, str):
        return format_timestamp(time.time() + value if isinstance(value, (int, float)) else value)
    if _DATE(value) is None:
        raise CookieFormatError(f"expires of the cookie {name!r} has an illegal character: {value!r}")
    return value
