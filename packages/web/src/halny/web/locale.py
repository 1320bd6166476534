"""Text, dates and numbers in the user's language.

    import halny.locale

    halny.locale.load_translations("translations")  # with a file es.csv: "I love you","Te amo"
    halny.locale.get("es").translate("I love you")  # 'Te amo'

Translations are loaded once, when the program starts: from CSV files (`load_translations`) or from those that GNU's
gettext compiles (`load_gettext_translations`). What has no translation is given as it is. A handler has the user's
locale in `RequestHandler.locale`, and a template in `locale` and `_`.

`halny.locale` is the same under its short name. What only the loading needs is imported there, since most programs load
no translations.
"""

from __future__ import annotations

import codecs
import datetime as dt
import logging
import re
from typing import TYPE_CHECKING, Final

from ._locale_names import LOCALE_NAMES

if TYPE_CHECKING:
    import gettext
    import os
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "CONTEXT_SEPARATOR",
    "LOCALE_NAMES",
    "CSVLocale",
    "GettextLocale",
    "Locale",
    "gen_log",
    "get",
    "get_supported_locales",
    "load_gettext_translations",
    "load_translations",
    "set_default_locale",
]

gen_log = logging.getLogger("halny.general")

CONTEXT_SEPARATOR: Final = "\x04"
"""What stands between a context and a message in the files of gettext."""

_CODE: Final = re.compile(r"[a-z]+(?:_[A-Z]+)?")
_PLURAL_FORMS: Final = ("plural", "singular", "unknown")

_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

# From here on a date without its year could be taken for one of the year before.
_DAYS_OF_A_YEAR: Final = 334


def get(*locale_codes: str) -> Locale:
    """Return the locale that comes closest to what is asked for.

    Args:
        *locale_codes: codes such as `fr_CA` and `fr`, the best first. For one with a region the language alone is taken
            where there is no translation for the region.

    Returns:
        The locale, or that of the default.
    """
    return Locale.get_closest(*locale_codes)


def set_default_locale(code: str) -> None:
    """Set the locale that is taken where no other is; at first it is `en_US`. It needs no translations.

    Args:
        code: the locale in which the program's own texts are.
    """
    _state.default = code
    _state.locales.clear()


def load_translations(directory: str | os.PathLike[str], encoding: str | None = None) -> None:
    """Load the translations of all files of a folder that are named by a locale, such as `es_LA.csv`.

    Each line has a text, its translation, and perhaps which form of the plural it is:

        "I love you","Te amo"
        "%(name)s liked this","A %(name)s les gustó esto","plural"
        "%(name)s liked this","A %(name)s le gustó esto","singular"

    What was loaded before is forgotten. Lines with a single field are skipped, and what is wrong with a file's name or
    with a form is logged.

    Args:
        directory: the folder.
        encoding: that of the files. By default it is UTF-8, or UTF-16 where a file begins with its byte order mark.

    Raises:
        OSError: the folder or a file can't be read.
        UnicodeDecodeError: a file has another encoding.
    """
    from pathlib import Path

    loaded: dict[str, dict[str, dict[str, str]]] = {}
    for path in sorted(Path(directory).iterdir()):
        if path.suffix != ".csv":
            continue
        if _CODE.fullmatch(path.stem) is None:
            gen_log.error("unrecognized locale %r (path: %s)", path.stem, path)
            continue
        loaded[path.stem] = _read_csv(path, encoding or _encoding(path))
    _state.load({code: CSVLocale(code, translations) for code, translations in loaded.items()})


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        begin = file.read(2)
    return "utf-16" if begin in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"


def _read_csv(path: Path, encoding: str) -> dict[str, dict[str, str]]:
    import csv

    translations: dict[str, dict[str, str]] = {}
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file)
        for row in reader:
            if len(row) < 2:
                continue
            text, translation, *rest = [field.strip() for field in row]
            form = rest[0] if rest and rest[0] else "unknown"
            if form not in _PLURAL_FORMS:
                gen_log.error("unrecognized plural indicator %r in %s line %d", form, path.name, reader.line_num)
                continue
            translations.setdefault(form, {})[text] = translation
    return translations


def load_gettext_translations(directory: str | os.PathLike[str], domain: str) -> None:
    """Load the translations that gettext's tools have compiled, from `{directory}/{code}/LC_MESSAGES/{domain}.mo`.

    What was loaded before is forgotten. A folder without such a file is skipped; a file that can't be read is logged.

    Args:
        directory: the folder in which there is one for each locale.
        domain: what the files are called.

    Raises:
        OSError: the folder can't be read.
    """
    import gettext
    from pathlib import Path

    loaded: dict[str, Locale] = {}
    for folder in sorted(Path(directory).iterdir()):
        path = folder / "LC_MESSAGES" / f"{domain}.mo"
        if folder.name.startswith(".") or not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                loaded[folder.name] = GettextLocale(folder.name, gettext.GNUTranslations(file))
        except (OSError, ValueError, UnicodeError) as error:
            gen_log.error("cannot load translation for %r: %s", folder.name, error)
    _state.load(loaded)


def get_supported_locales() -> frozenset[str]:
    """Return the codes of the locales that have translations, and that of the default."""
    return frozenset([_state.default, *_state.loaded])


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
        self._months = [self.translate(month) for month in _MONTHS]
        self._weekdays = [self.translate(day) for day in _WEEKDAYS]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.code}>"

    @classmethod
    def get_closest(cls, *locale_codes: str) -> Locale:
        """Return the locale that comes closest; see [`get`][halny.web.locale.get].

        Args:
            *locale_codes: codes, the best first, in any case, with `-` or `_`.
        """
        supported = get_supported_locales()
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
        return cls.get(_state.default)

    @classmethod
    def get(cls, code: str) -> Locale:
        """Return the locale of a code that has translations, or is the default.

        Args:
            code: the code.

        Raises:
            KeyError: it is neither; the caller's fault.
        """
        locale = _state.loaded.get(code) or _state.locales.get(code)
        if locale is None:
            if code != _state.default:
                raise KeyError(f"there are no translations for the locale {code!r}")
            locale = _state.locales[code] = _state.untranslated(code)
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
        date = _aware(date)
        now = dt.datetime.now(dt.UTC)
        if date > now:
            if relative and (date - now).total_seconds() < 60:
                date = now  # clocks are not that exact
            else:
                full_format = True
        ago = now - date
        if not full_format and relative and ago.days == 0:
            return self._time_ago(ago.seconds)
        local = date - dt.timedelta(minutes=gmt_offset)
        yesterday = now - dt.timedelta(minutes=gmt_offset, days=1)
        if full_format:
            form = self._full_form(shorter)
        elif ago.days == 0:
            form = self.translate("%(time)s")
        else:
            is_yesterday = relative and ago.days == 1 and local.day == yesterday.day
            form = self._past_form(ago.days, is_yesterday, shorter)
        return form % self._parts(local)

    def _time_ago(self, seconds: int) -> str:
        if seconds < 50:
            return self.translate("1 second ago", "%(seconds)d seconds ago", seconds) % {"seconds": seconds}
        if seconds < 50 * 60:
            minutes = round(seconds / 60)
            return self.translate("1 minute ago", "%(minutes)d minutes ago", minutes) % {"minutes": minutes}
        hours = round(seconds / 3600)
        return self.translate("1 hour ago", "%(hours)d hours ago", hours) % {"hours": hours}

    def _past_form(self, days: int, is_yesterday: bool, shorter: bool) -> str:
        if is_yesterday:
            return self.translate("yesterday" if shorter else "yesterday at %(time)s")
        if days < 5:
            return self.translate("%(weekday)s" if shorter else "%(weekday)s at %(time)s")
        if days < _DAYS_OF_A_YEAR:
            return self.translate("%(month_name)s %(day)s" if shorter else "%(month_name)s %(day)s at %(time)s")
        return self._full_form(shorter)

    def _full_form(self, shorter: bool) -> str:
        return self.translate(
            "%(month_name)s %(day)s, %(year)s" if shorter else "%(month_name)s %(day)s, %(year)s at %(time)s"
        )

    def _parts(self, local: dt.datetime) -> dict[str, str]:
        return {
            "month_name": self._months[local.month - 1],
            "weekday": self._weekdays[local.weekday()],
            "day": str(local.day),
            "year": str(local.year),
            "time": self._time(local),
        }

    def _time(self, local: dt.datetime) -> str:
        hour = local.hour % 12 or 12
        if self.code in ("en", "en_US"):
            return f"{hour}:{local.minute:02} {'pm' if local.hour >= 12 else 'am'}"
        if self.code == "zh_CN":
            return f"{'下午' if local.hour >= 12 else '上午'}{hour}:{local.minute:02}"
        return f"{local.hour}:{local.minute:02}"

    def format_day(self, date: dt.datetime, gmt_offset: int = 0, dow: bool = True) -> str:
        """Return a day of this year, such as `Monday, January 22`.

        Args:
            date: a moment of the day.
            gmt_offset: how many minutes the user is behind UTC.
            dow: whether to name the day of the week.
        """
        local = date - dt.timedelta(minutes=gmt_offset)
        form = "%(weekday)s, %(month_name)s %(day)s" if dow else "%(month_name)s %(day)s"
        return self.translate(form) % self._parts(local)

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


def _aware(date: float | dt.datetime) -> dt.datetime:
    if isinstance(date, (int, float)):
        return dt.datetime.fromtimestamp(date, dt.UTC)
    if not isinstance(date, dt.datetime):  # pyright: ignore[reportUnnecessaryIsInstance] - anything may come
        raise TypeError(f"date must be a number of seconds or a datetime, not {date!r}")
    return date if date.tzinfo is not None else date.replace(tzinfo=dt.UTC)


class _State:
    """What is loaded."""

    def __init__(self) -> None:
        self.default = "en_US"
        self.loaded: dict[str, Locale] = {}
        self.locales: dict[str, Locale] = {}
        """Those that have no translations."""

    def load(self, locales: dict[str, Locale]) -> None:
        self.loaded = locales
        self.locales = {}

    def untranslated(self, code: str) -> Locale:
        if any(isinstance(locale, GettextLocale) for locale in self.loaded.values()):
            from gettext import NullTranslations

            return GettextLocale(code, NullTranslations())
        return CSVLocale(code, {})


_state: Final = _State()
