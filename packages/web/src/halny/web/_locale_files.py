"""Reading files of translations: CSV, and what GNU's gettext compiles.

It knows folders and files, and no locales. Both kinds of files are read by modules that are imported only then, since
most programs load no translations.
"""

from __future__ import annotations

import codecs
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import gettext
    import os

gen_log = logging.getLogger("halny.general")

_CODE: Final = re.compile(r"[a-z]+(?:_[A-Z]+)?")
_PLURAL_FORMS: Final = ("plural", "singular", "unknown")


def read_csv_folder(directory: str | os.PathLike[str], encoding: str | None) -> dict[str, dict[str, dict[str, str]]]:
    """Return, for each locale that has a file, translations by the form of the plural and text.

    Args:
        directory: the folder.
        encoding: that of the files, or None to tell UTF-16 from UTF-8 by the byte order mark.
    """
    loaded: dict[str, dict[str, dict[str, str]]] = {}
    for path in sorted(Path(directory).iterdir()):
        if path.suffix != ".csv":
            continue
        if _CODE.fullmatch(path.stem) is None:
            gen_log.error("unrecognized locale %r (path: %s)", path.stem, path)
            continue
        loaded[path.stem] = _read_csv(path, encoding or _encoding(path))
    return loaded


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


def read_gettext_folder(directory: str | os.PathLike[str], domain: str) -> dict[str, gettext.NullTranslations]:
    """Return the translations of each locale that has a file; one that can't be read is logged.

    Args:
        directory: the folder in which there is one for each locale.
        domain: what the files are called.
    """
    import gettext

    loaded: dict[str, gettext.NullTranslations] = {}
    for folder in sorted(Path(directory).iterdir()):
        path = folder / "LC_MESSAGES" / f"{domain}.mo"
        if folder.name.startswith(".") or not path.is_file():
            continue
        try:
            with path.open("rb") as file:
                loaded[folder.name] = gettext.GNUTranslations(file)
        except (OSError, ValueError, UnicodeError) as error:
            gen_log.error("cannot load translation for %r: %s", folder.name, error)
    return loaded
