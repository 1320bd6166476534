from __future__ import annotations

import datetime as dt
import importlib
import struct
from typing import TYPE_CHECKING, Any

import pytest

from halny.web import locale

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tools.strict_tests.logs import ExpectLog

UTC = dt.UTC
DAY = 86400
MOMENT = dt.datetime(2013, 4, 28, 18, 35, tzinfo=UTC)


@pytest.fixture(autouse=True)
def nothing_loaded(tmp_path: Path) -> Iterator[None]:
    yield
    (tmp_path / "empty").mkdir(exist_ok=True)
    locale.set_default_locale("en_US")
    locale.load_translations(tmp_path / "empty")


@pytest.fixture
def csv_files(tmp_path: Path) -> Path:
    folder = tmp_path / "csv"
    folder.mkdir()
    (folder / "es_LA.csv").write_text(
        '"I love you","Te amo"\n'
        '"%(name)s liked this","A %(name)s les gustó esto","plural"\n'
        '"%(name)s liked this","A %(name)s le gustó esto","singular"\n'
        '"April","abril"\n"alone"\n\n',
        encoding="utf-8",
    )
    (folder / "fr.csv").write_text('"yes","oui"\n', encoding="utf-8-sig")
    (folder / "de_DE.csv").write_text('"yes","ja"\n', encoding="utf-16")
    (folder / "notes.txt").write_text("not a locale")
    return folder


def test_the_short_name_is_the_same_module() -> None:
    short = importlib.import_module("halny.locale")
    assert (
        short.__all__
        == locale.__all__
        == sorted(locale.__all__, key=lambda name: (not name.isupper(), name[0].islower(), name))
    )
    assert all(getattr(short, name) is getattr(locale, name) for name in locale.__all__)


def test_without_translations_there_is_the_default() -> None:
    assert locale.get_supported_locales() == {"en_US"}
    english = locale.get("fr", "de")
    assert (english.code, english.name, english.rtl, repr(english)) == (
        "en_US",
        "English (US)",
        False,
        "<CSVLocale en_US>",
    )
    assert english.translate("x") == "x"
    assert locale.get() is english


def test_translations_of_csv_files(csv_files: Path) -> None:
    locale.load_translations(csv_files)
    assert locale.get_supported_locales() == {"en_US", "es_LA", "fr", "de_DE"}
    spanish = locale.get("es_LA")
    assert (spanish.name, type(spanish)) == ("Español", locale.CSVLocale)
    assert spanish.translate("I love you") == "Te amo"
    one, many = "%(name)s liked this", "%(name)s liked this"
    assert spanish.translate(one, many, 1) == "A %(name)s le gustó esto"
    assert spanish.translate(one, many, 2) == spanish.translate(one, many, 0) == "A %(name)s les gustó esto"
    assert (spanish.translate("a", "b", 1), spanish.translate("a", "b", 2)) == ("a", "b")
    assert (locale.get("fr").translate("yes"), locale.get("de_DE").translate("yes")) == ("oui", "ja")
    assert spanish.format_date(MOMENT) == "abril 28, 2013 at 18:35"


def test_what_is_wrong_in_csv_files_is_logged(tmp_path: Path, expect_log: ExpectLog) -> None:
    (tmp_path / "Bad-name.csv").write_text('"a","b"\n')
    (tmp_path / "pl.csv").write_text('"a","b","many"\n"c","d"\n')
    with (
        expect_log("halny.general", "unrecognized locale 'Bad-name'", count=1),
        expect_log("halny.general", "unrecognized plural indicator 'many' in pl.csv line 1", count=1),
    ):
        locale.load_translations(tmp_path)
    assert locale.get_supported_locales() == {"en_US", "pl"}
    assert (locale.get("pl").translate("a"), locale.get("pl").translate("c")) == ("a", "d")


def test_an_encoding_can_be_said(tmp_path: Path) -> None:
    (tmp_path / "pl.csv").write_text('"yes","żółw"\n', encoding="iso-8859-2")
    locale.load_translations(tmp_path, encoding="iso-8859-2")
    assert locale.get("pl").translate("yes") == "żółw"
    with pytest.raises(UnicodeDecodeError):
        locale.load_translations(tmp_path)
    assert locale.get("pl").translate("yes") == "żółw"  # what fails changes nothing


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        locale.load_translations(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError):
        locale.load_gettext_translations(tmp_path / "nowhere", "app")


@pytest.mark.parametrize(
    ("codes", "found"),
    [
        (["es_LA"], "es_LA"), (["es-la"], "es_LA"), (["ES_la"], "es_LA"), (["es"], "en_US"), (["es_MX"], "en_US"),
        (["fr"], "fr"), (["fr_CA"], "fr"), (["FR"], "fr"), (["de_DE"], "de_DE"), (["de"], "en_US"),
        (["xx", "fr"], "fr"),
        (["fr-CA-x"], "en_US"), ([""], "en_US"), (["-"], "en_US"), ([], "en_US"), (["en"], "en_US"),
    ],
)  # fmt: skip
def test_the_closest_locale(codes: list[str], found: str, csv_files: Path) -> None:
    locale.load_translations(csv_files)
    assert locale.get(*codes).code == locale.Locale.get_closest(*codes).code == found


def test_another_default(csv_files: Path) -> None:
    locale.load_translations(csv_files)
    locale.set_default_locale("es_LA")
    assert locale.get("xx").code == "es_LA"
    assert locale.get_supported_locales() == {"es_LA", "fr", "de_DE"}
    locale.set_default_locale("pl_PL")
    assert (locale.get("xx").code, locale.get("xx").name) == ("pl_PL", "Polski")


def test_a_code_without_translations_has_no_locale() -> None:
    assert locale.Locale.get("en_US").code == "en_US"
    with pytest.raises(KeyError, match="no translations for the locale 'xx'"):
        locale.Locale.get("xx")


def test_a_plural_needs_a_count(csv_files: Path) -> None:
    locale.load_translations(csv_files)
    french = locale.GettextLocale("fr", _translations({}))
    with pytest.raises(TypeError, match="count is needed"):
        locale.get("fr").translate("a", "b")
    with pytest.raises(TypeError, match="count is needed"):
        french.translate("a", "b")
    with pytest.raises(TypeError, match="count is needed"):
        french.pgettext("c", "a", "b")


def test_csv_files_know_no_contexts(csv_files: Path, expect_log: ExpectLog) -> None:
    assert locale.get().pgettext("law", "right") == "right"
    locale.load_translations(csv_files)
    with expect_log("halny.general", "pgettext is not supported by CSVLocale", count=2):
        assert locale.get("fr").pgettext("answer", "yes") == "oui"
        assert locale.get("fr").pgettext("animals", "cat", "cats", 2) == "cats"


# gettext

HEADER = "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n > 1;\n"
FRENCH = {
    "": HEADER,
    "school": "école",
    "law\x04right": "le droit",
    "good\x04right": "le bien",
    "organization\x04club\0organization\x04clubs": "le club\0les clubs",
    "cat\0cats": "chat\0chats",
}


def _mo(catalogue: dict[str, str]) -> bytes:
    """A file as gettext's msgfmt makes it."""
    items = sorted((message.encode(), translation.encode()) for message, translation in catalogue.items())
    table = 28 + 16 * len(items)
    heads: list[list[bytes]] = [[], []]
    data = b""
    for column in (0, 1):
        for item in items:
            heads[column].append(struct.pack("<2I", len(item[column]), table + len(data)))
            data += item[column] + b"\0"
    begin = struct.pack("<7I", 0x950412DE, 0, len(items), 28, 28 + 8 * len(items), 0, 0)
    return begin + b"".join(heads[0]) + b"".join(heads[1]) + data


def _translations(catalogue: dict[str, str]) -> Any:
    import gettext
    import io

    return gettext.GNUTranslations(io.BytesIO(_mo({"": HEADER, **catalogue})))


def test_translations_of_gettext(tmp_path: Path, expect_log: ExpectLog) -> None:
    for code, content in (("fr_FR", _mo(FRENCH)), ("xx", b"junk"), (".hidden", b"junk"), ("empty", None)):
        folder = tmp_path / "gettext" / code / "LC_MESSAGES"
        folder.mkdir(parents=True)
        if content is not None:
            (folder / "app.mo").write_bytes(content)
    (tmp_path / "gettext" / "file").touch()
    with expect_log("halny.general", "cannot load translation for 'xx'", count=1):
        locale.load_gettext_translations(tmp_path / "gettext", "app")
    assert locale.get_supported_locales() == {"en_US", "fr_FR"}
    french = locale.get("fr_FR")
    assert (type(french), french.translate("school")) == (locale.GettextLocale, "école")
    assert [french.pgettext(context, "right") for context in ("law", "good", "other")] == [
        "le droit",
        "le bien",
        "right",
    ]
    assert [french.translate("cat", "cats", count) for count in (0, 1, 2)] == ["chat", "chat", "chats"]
    clubs = [french.pgettext("organization", "club", "clubs", count) for count in (0, 1, 2)]
    assert clubs == ["le club", "le club", "les clubs"]
    assert [french.translate("x", "y", count) for count in (1, 2)] == ["x", "y"]
    assert [french.pgettext("c", "x", "y", count) for count in (1, 2)] == ["x", "y"]
    assert type(locale.get()) is locale.GettextLocale


# Dates, numbers and lists


class Fixed(dt.datetime):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
        return dt.datetime(2026, 11, 20, 13, 4, 30, tzinfo=tz)


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> dt.datetime:
    """A Friday, shortly after one o'clock."""
    monkeypatch.setattr(dt, "datetime", Fixed)
    return Fixed.now(UTC)


@pytest.mark.parametrize(
    ("ago", "usual", "shorter", "absolute"),
    [
        (0, "0 seconds ago", "0 seconds ago", "1:04 pm"),
        (1, "1 second ago", "1 second ago", "1:04 pm"),
        (49, "49 seconds ago", "49 seconds ago", "1:03 pm"),
        (50, "1 minute ago", "1 minute ago", "1:03 pm"),
        (90, "2 minutes ago", "2 minutes ago", "1:03 pm"),
        (2640, "44 minutes ago", "44 minutes ago", "12:20 pm"),
        (3000, "1 hour ago", "1 hour ago", "12:14 pm"),
        (7200, "2 hours ago", "2 hours ago", "11:04 am"),
        (DAY - 1, "24 hours ago", "24 hours ago", "1:04 pm"),
        (DAY, "yesterday at 1:04 pm", "yesterday", "Thursday at 1:04 pm"),
        (2 * DAY, "Wednesday at 1:04 pm", "Wednesday", "Wednesday at 1:04 pm"),
        (4 * DAY, "Monday at 1:04 pm", "Monday", "Monday at 1:04 pm"),
        (5 * DAY, "November 15 at 1:04 pm", "November 15", "November 15 at 1:04 pm"),
        (333 * DAY, "December 22 at 1:04 pm", "December 22", "December 22 at 1:04 pm"),
        (334 * DAY, "December 21, 2025 at 1:04 pm", "December 21, 2025", "December 21, 2025 at 1:04 pm"),
        (-10, "0 seconds ago", "0 seconds ago", "November 20, 2026 at 1:04 pm"),
        (-60, "November 20, 2026 at 1:05 pm", "November 20, 2026", "November 20, 2026 at 1:05 pm"),
        (-DAY, "November 21, 2026 at 1:04 pm", "November 21, 2026", "November 21, 2026 at 1:04 pm"),
    ],
)
def test_dates(ago: int, usual: str, shorter: str, absolute: str, noon: dt.datetime) -> None:
    english, date = locale.get("en_US"), noon - dt.timedelta(seconds=ago)
    assert english.format_date(date) == usual
    assert english.format_date(date, shorter=True) == shorter
    assert english.format_date(date, relative=False) == absolute
    assert english.format_date(date, full_format=True).startswith(f"{date:%B} {date.day}, {date.year} at ")
    assert english.format_date(date.timestamp()) == usual


def test_dates_and_time_zones() -> None:
    english = locale.get("en_US")
    assert english.format_date(MOMENT, gmt_offset=300) == "April 28, 2013 at 1:35 pm"
    assert english.format_date(MOMENT.replace(tzinfo=None), gmt_offset=-60) == "April 28, 2013 at 7:35 pm"
    assert english.format_date(1.5, shorter=True) == "January 1, 1970"
    assert english.format_day(MOMENT) == "Sunday, April 28"
    assert english.format_day(MOMENT, dow=False) == "April 28"
    assert english.format_day(MOMENT, gmt_offset=20 * 60) == "Saturday, April 27"
    with pytest.raises(TypeError, match="must be a number of seconds or a datetime"):
        english.format_date("today")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "time", "rtl"),
    [
        ("en", "6:35 pm", False), ("en_US", "6:35 pm", False), ("en_GB", "18:35", False), ("zh_CN", "下午6:35", False),
        ("zh_TW", "18:35", False), ("fa", "18:35", True), ("ar_AR", "18:35", True), ("he_IL", "18:35", True),
    ],
)  # fmt: skip
def test_customs(code: str, time: str, rtl: bool) -> None:
    found = locale.CSVLocale(code, {})
    assert (found.format_date(MOMENT), found.rtl) == (f"April 28, 2013 at {time}", rtl)
    assert locale.CSVLocale(code, {}).format_date(MOMENT.replace(hour=0)).endswith(("12:35 am", "上午12:35", " 0:35"))


@pytest.mark.parametrize(
    ("parts", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_lists(parts: list[str], text: str) -> None:
    assert locale.get().list(parts) == text


def test_lists_in_persian() -> None:
    assert locale.CSVLocale("fa_IR", {}).list(["a", "b", "c"]) == "a و b and c"


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (999, "999"), (1000, "1,000"), (-1234567, "-1,234,567")])
def test_numbers(number: int, text: str) -> None:
    assert locale.get().friendly_number(number) == text
    assert locale.CSVLocale("fr", {}).friendly_number(number) == str(number)


def test_the_names_of_languages() -> None:
    assert locale.LOCALE_NAMES["de_DE"] == {"name_en": "German", "name": "Deutsch"}
    assert len(locale.LOCALE_NAMES) == 62
    assert locale.CSVLocale("xx", {}).name == "Unknown"
    assert locale.CONTEXT_SEPARATOR == "\x04"


def test_a_locale_needs_translations() -> None:
    with pytest.raises(NotImplementedError):
        locale.Locale("xx")


class Polish(locale.Locale):
    """A locale of somebody else's, which needs nothing but `translate`."""

    texts = {
        "April": "kwietnia", "Sunday": "niedziela",
        "%(month_name)s %(day)s, %(year)s": "%(day)s %(month_name)s %(year)s",
        "%(hours)d hours ago": "%(hours)d godz. temu",
    }  # fmt: skip

    def translate(self, message: str, plural_message: str | None = None, count: int | None = None) -> str:
        message = message if plural_message is None or count == 1 else plural_message
        return self.texts.get(message, message)


def test_a_locale_of_ones_own_says_dates_in_its_words() -> None:
    polish = Polish("pl_PL")
    assert polish.name == "Polski"
    assert polish.format_day(MOMENT) == "niedziela, kwietnia 28"
    assert polish.format_date(MOMENT, full_format=True, shorter=True) == "28 kwietnia 2013"
    assert polish.format_date(dt.datetime.now(UTC) - dt.timedelta(hours=2)) == "2 godz. temu"
