"""In which language a handler answers. What knows of languages is loaded when the first handler asks for one."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from ._base import HandlerBase

if TYPE_CHECKING:
    from . import locale as locales

MAX_LANGUAGES: Final = 100
"""How many languages of a client are looked at. Browsers send a handful; each costs a look-up."""


@cache
def _language() -> re.Pattern[str]:
    return re.compile(
        r"""
        [ \t]* ([A-Za-z0-9_\-]{1,40}|\*) [ \t]*
        (?: ; [ \t]* q=([0-9]{1,3}(?:\.[0-9]{0,9})?) [ \t]* )?
        (?: ; (?![ \t]*q=) .* )?
        """,
        re.VERBOSE,
    )


class Localization(HandlerBase):
    """The part of `RequestHandler` that knows the user's language."""

    @property
    def locale(self) -> locales.Locale:
        """The user's locale: from `get_user_locale`, or else `get_browser_locale`; or what it was set to.

        Where finding out has to wait, set it in `prepare`.
        """
        if "_locale" not in vars(self):
            self._locale = self.get_user_locale() or self.get_browser_locale()
        return self._locale

    @locale.setter
    def locale(self, value: locales.Locale) -> None:
        self._locale = value

    def get_user_locale(self) -> locales.Locale | None:
        """Return the locale that the user chose, or None to ask the browser; for subclasses. It can't wait."""
        return None

    def get_browser_locale(self, default: str = "en_US") -> locales.Locale:
        """Return the locale that comes closest to what the browser asks for (RFC 9110, section 12.5.4).

        Args:
            default: the code of the locale that is taken where it asks for none.
        """
        from . import locale as locales

        wanted: list[tuple[float, str]] = []
        for part in self.request.headers.get("Accept-Language", "").split(",", MAX_LANGUAGES)[:MAX_LANGUAGES]:
            match = _language().fullmatch(part)
            if match is not None:
                quality = 1.0 if match[2] is None else float(match[2])
                if quality > 0:
                    wanted.append((quality, match[1]))
        if not wanted:
            return locales.get(default)
        wanted.sort(key=lambda pair: pair[0], reverse=True)
        return locales.get(*[code for _, code in wanted])
