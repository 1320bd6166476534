"""Locales, with their translations from whatever files, and which of them are loaded.

A process has one set of translations (`state`), which the public module fills; it reads no files. How dates
are said is in `_locale_dates`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ._locale_dates import MONTHS, WEEKDAYS, Calendar
from ._locale_names import LOCALE_NAMES

if TYPE_CHECKING:
    import datetime as dt
    import gettext
    from collections.abc import Mapping, Sequence

gen_log = logging.getLogger("halny.general")

CONTEXT_SEPARATOR: Final = "\x04"
"""What stands between a context and a message in the files of gettext."""


class Locale:
    """A language and the customs of those who speak it.

    Get one from [`get`][halny.web.locale.get] or `RequestHandler.locale`. The texts of dates are translated as others
    are: `%(month_name)s %(day)s`, `yesterday at %(time)s`, `%(seconds)d seconds ago` and so on.

    Args:
        code: the locale's code.
    """

    code: str
    """The code, such as `en_US`."""
    name: str
    """The language's name in itself."""
    rtl: bool
    """Whether it is written from right to left."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.name = LOCALE_NAMES.get(code, {}).get("name", "Unknown")
        self.rtl = code.split("_")[0] in ("ar", "fa", "he")
        self._months = [self.translate(month) for month in MONTHS]
        self._weekdays = [self.translate(day) for day in WEEKDAYS]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.code}>"

    @classmethod
    def get_closest(cls, *locale_codes: str) -> Locale:
        """Return the locale that comes closest; see [`get`][halny.web.locale.get].

        Args:
            *locale_codes: codes, the best first, in any case, with `-` or `_`.
        """
        supported = state.supported()
        for code in locale_codes:
            parts = code.replace("-", "_").split("_")
            language = parts[0].lower()
            if not language or len(parts) > 2:
                continue
            if len(parts) == 2:
                regional = f"{language}_{parts[1].upper()}"
                if regional in supported:
                    return cls.get(regional)
            if language in supported:
                return cls.get(language)
        return cls.get(state.default)

    @classmethod
    def get(cls, code: str) -> Locale:
        """Return the locale of a code that has translations, or is the default.

        Args:
            code: the code.

        Raises:
            KeyError: it is neither; the caller's fault.
        """
        locale = state.loaded.get(code) or state.locales.get(code)
        if locale is None:
            if code != state.default:
                raise KeyError(f"there are no translations for the locale {code!r}")
            locale = state.locales[code] = state.untranslated(code)
        return locale

    def translate(self, message: str, plural_message: str | None = None, count: int | None = None) -> str:
        """Return a text in this language, or the text itself where there is no translation.

        Args:
            message: the text, or its singular.
            plural_message: its plural, for a count other than 1.
            count: how many there are; needed with `plural_message`.

        Raises:
            TypeError: there is a plural but no count; the caller's fault.
        """
        raise NotImplementedError

    def pgettext(self, context: str, message: str, plural_message: str | None = None, count: int | None = None) -> str:
        """Return a text in this language, where the same text may be translated differently in another context.

        Args:
            context: tells it from others, such as `law` for `right`.
            message: the text, or its singular.
            plural_message: its plural, for a count other than 1.
            count: how many there are; needed with `plural_message`.

        Raises:
            TypeError: there is a plural but no count; the caller's fault.
        """
        raise NotImplementedError

    def format_date(
        self,
        date: float | dt.datetime,
        gmt_offset: int = 0,
        relative: bool = True,
        shorter: bool = False,
        full_format: bool = False,
    ) -> str:
        """Return a moment as people say it, such as `2 minutes ago`, `yesterday at 1:04 pm` or `April 28, 2013`.

        Args:
            date: seconds since 1970, or a datetime. One without a time zone is in UTC.
            gmt_offset: how many minutes the user is behind UTC, as JavaScript's `getTimezoneOffset` gives them.
            relative: whether to say how long ago it was, if it is not long.
            shorter: whether to leave the time of the day out, except for today's.
            full_format: whether to write the whole date, however long ago it was.

        Raises:
            TypeError: `date` is something else.
        """
        return self._calendar().format_date(date, gmt_offset, relative, shorter, full_format)

    def format_day(self, date: dt.datetime, gmt_offset: int = 0, dow: bool = True) -> str:
        """Return a day of this year, such as `Monday, January 22`.

        Args:
            date: a moment of the day.
            gmt_offset: how many minutes the user is behind UTC.
            dow: whether to name the day of the week.
        """
        return self._calendar().format_day(date, gmt_offset, dow)

    def _calendar(self) -> Calendar:
        return Calendar(self.code, self.translate, self._months, self._weekdays)

    def list(self, parts: Sequence[str]) -> str:
        """Return an enumeration, such as `A, B and C`, or `A` alone.

        Args:
            parts: what is enumerated.
        """
        if len(parts) < 2:
            return "".join(parts)
        comma = " و " if self.code.startswith("fa") else ", "
        return self.translate("%(commas)s and %(last)s") % {"commas": comma.join(parts[:-1]), "last": parts[-1]}

    def friendly_number(self, value: int) -> str:
        """Return a number with commas, such as `1,000,000`; in languages other than English without.

        Args:
            value: the number.
        """
        return f"{value:,}" if self.code in ("en", "en_US") else str(value)


class CSVLocale(Locale):
    """A locale whose translations come from CSV files.

    Args:
        code: the locale's code.
        translations: for `singular`, `plural` and `unknown`, translations by text.
    """

    def __init__(self, code: str, translations: Mapping[str, Mapping[str, str]]) -> None:
        self.translations = translations
        super().__init__(code)

    def translate(self, message: str, plural_message: str | None = None, count: int | None = None) -> str:
        """See `Locale.translate`."""
        form = "unknown"
        if plural_message is not None:
            if _require_count(count) == 1:
                form = "singular"
            else:
                form, message = "plural", plural_message
        return self.translations.get(form, {}).get(message, message)

    def pgettext(self, context: str, message: str, plural_message: str | None = None, count: int | None = None) -> str:
        """Return a text in this language, in whatever context: these files have none; see `Locale.pgettext`.

        Args:
            context: is ignored, which is logged where there are translations.
            message: the text, or its singular.
            plural_message: its plural, for a count other than 1.
            count: how many there are; needed with `plural_message`.
        """
        if self.translations:
            gen_log.warning("pgettext is not supported by CSVLocale")
        return self.translate(message, plural_message, count)


class GettextLocale(Locale):
    """A locale whose translations come from files of gettext.

    Args:
        code: the locale's code.
        translations: the translations.
    """

    def __init__(self, code: str, translations: gettext.NullTranslations) -> None:
        self.ngettext = translations.ngettext
        self.gettext = translations.gettext
        super().__init__(code)

    def translate(self, message: str, plural_message: str | None = None, count: int | None = None) -> str:
        """See `Locale.translate`."""
        if plural_message is None:
            return self.gettext(message)
        return self.ngettext(message, plural_message, _require_count(count))

    def pgettext(self, context: str, message: str, plural_message: str | None = None, count: int | None = None) -> str:
        """See `Locale.pgettext`."""
        begin = context + CONTEXT_SEPARATOR
        if plural_message is None:
            return self._without(begin, self.gettext(begin + message), message)
        count = _require_count(count)
        singular, plural = begin + message, begin + plural_message
        translated = self.ngettext(singular, plural, count)
        return self._without(begin, translated, message if translated == singular else plural_message)

    def _without(self, begin: str, translated: str, message: str) -> str:
        """Return a translation, or what there is without one in this context."""
        return message if translated.startswith(begin) else translated


def _require_count(count: int | None) -> int:
    if count is None:
        raise TypeError("count is needed with plural_message")
    return count


class State:
    """What is loaded."""

    def __init__(self) -> None:
        self.default = "en_US"
        self.loaded: dict[str, Locale] = {}
        self.locales: dict[str, Locale] = {}
        """Those that have no translations."""

    def supported(self) -> frozenset[str]:
        return frozenset([self.default, *self.loaded])

    def set_default(self, code: str) -> None:
        self.default = code
        self.locales = {}

    def load(self, locales: dict[str, Locale]) -> None:
        self.loaded = locales
        self.locales = {}

    def untranslated(self, code: str) -> Locale:
        if any(isinstance(locale, GettextLocale) for locale in self.loaded.values()):
            from gettext import NullTranslations

            return GettextLocale(code, NullTranslations())
        return CSVLocale(code, {})


state: Final = State()
