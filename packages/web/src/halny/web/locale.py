"""Text, dates and numbers in the user's language.

    import halny.locale

    halny.locale.load_translations("translations")  # with a file es.csv: "I love you","Te amo"
    halny.locale.get("es").translate("I love you")  # 'Te amo'

Translations are loaded once, when the program starts: from CSV files (`load_translations`) or from those that GNU's
gettext compiles (`load_gettext_translations`). What has no translation is given as it is. A handler has the user's
locale in `RequestHandler.locale`, and a template in `locale` and `_`.

`halny.locale` is the same under its short name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._locale import CONTEXT_SEPARATOR, CSVLocale, GettextLocale, Locale, gen_log, state
from ._locale_names import LOCALE_NAMES

if TYPE_CHECKING:
    import os

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
    state.set_default(code)


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
    from ._locale_files import read_csv_folder

    loaded = read_csv_folder(directory, encoding)
    state.load({code: CSVLocale(code, translations) for code, translations in loaded.items()})


def load_gettext_translations(directory: str | os.PathLike[str], domain: str) -> None:
    """Load the translations that gettext's tools have compiled, from `{directory}/{code}/LC_MESSAGES/{domain}.mo`.

    What was loaded before is forgotten. A folder without such a file is skipped; a file that can't be read is logged.

    Args:
        directory: the folder in which there is one for each locale.
        domain: what the files are called.

    Raises:
        OSError: the folder can't be read.
    """
    from ._locale_files import read_gettext_folder

    loaded = read_gettext_folder(directory, domain)
    state.load({code: GettextLocale(code, translations) for code, translations in loaded.items()})


def get_supported_locales() -> frozenset[str]:
    """Return the codes of the locales that have translations, and that of the default."""
    return state.supported()
