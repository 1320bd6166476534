from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from halny.web import Application, RequestHandler, locale

from ._helpers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def translations(tmp_path: Path) -> Iterator[None]:
    (tmp_path / "es_LA.csv").write_text('"a","b"\n')
    (tmp_path / "fr.csv").write_text('"a","c"\n')
    locale.load_translations(tmp_path)
    yield
    (tmp_path / "empty").mkdir()
    locale.load_translations(tmp_path / "empty")


class Speaking(RequestHandler):
    def get(self) -> None:
        self.write(f"{self.locale.code} {self.get_browser_locale('fr').code}")


@pytest.mark.parametrize(
    ("header", "codes"),
    [
        (None, "en_US fr"),
        ("", "en_US fr"),
        (",,;", "en_US fr"),
        ("*", "en_US en_US"),
        ("es-LA", "es_LA es_LA"),
        ("fr, es-LA", "fr fr"),
        ("fr;q=0.5,es_LA;q=0.8", "es_LA es_LA"),
        ("fr ;q=0.5 , es-LA ; q=0.8", "es_LA es_LA"),
        ("fr-CA", "fr fr"),
        ("xx, fr;q=0.1", "fr fr"),
        ("xx", "en_US en_US"),
        ("fr;q=0", "en_US fr"),
        ("fr;q=0.0, es-LA;q=0.1", "es_LA es_LA"),
        ("fr;q=x, es-LA;q=0.1", "es_LA es_LA"),
        ("fr;q=nan, es-LA", "es_LA es_LA"),
        ("fr;q=-1, es-LA", "es_LA es_LA"),
        ("fr;q=0.2;x=1, es-LA;q=0.1", "fr fr"),
        ("x" * 1000 + ", fr", "fr fr"),
        ("xx," * 99 + "fr", "fr fr"),
        ("xx," * 100 + "fr", "en_US en_US"),
    ],
)
async def test_the_browsers_locale(header: str | None, codes: str) -> None:
    async with serving(Application([("/", Speaking)])) as server:
        headers = [] if header is None else [f"Accept-Language: {header}"]
        assert (await server.get("/", *headers)).text == codes


async def test_the_users_locale_comes_first() -> None:
    class Chosen(Speaking):
        def get_user_locale(self) -> locale.Locale | None:
            return locale.get("es_LA") if self.get_argument("chosen", "") else None

    async with serving(Application([("/", Chosen)])) as server:
        assert (await server.get("/?chosen=1", "Accept-Language: fr")).text == "es_LA fr"
        assert (await server.get("/", "Accept-Language: fr")).text == "fr fr"


async def test_the_locale_may_be_set_in_prepare() -> None:
    class Set(Speaking):
        async def prepare(self) -> None:
            await asyncio.sleep(0)
            self.locale = locale.get("fr")

        def get_user_locale(self) -> locale.Locale | None:
            raise AssertionError

    async with serving(Application([("/", Set)])) as server:
        assert (await server.get("/")).text == "fr fr"


async def test_the_locale_is_asked_for_once() -> None:
    class Counting(RequestHandler):
        def get_user_locale(self) -> locale.Locale | None:
            asked.append(1)
            return None

        def get(self) -> None:
            assert self.locale is self.locale

    asked: list[int] = []
    async with serving(Application([("/", Counting)])) as server:
        assert (await server.get("/")).status == 200
    assert asked == [1]
