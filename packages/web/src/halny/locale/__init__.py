"""Text, dates and numbers in the user's language: `halny.web.locale` under its short name."""

from halny.web.locale import (
    CONTEXT_SEPARATOR,
    LOCALE_NAMES,
    CSVLocale,
    GettextLocale,
    Locale,
    gen_log,
    get,
    get_supported_locales,
    load_gettext_translations,
    load_translations,
    set_default_locale,
)

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
