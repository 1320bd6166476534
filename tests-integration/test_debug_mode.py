"""An application in debug mode, as its developer meets it: its source, templates and static files are edited."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

PATIENCE = 60.0

APP = """
    import asyncio, os, pathlib
    from halny.web import Application, RequestHandler
    import words

    class Page(RequestHandler):
        def get(self):
            self.render("page.html", word=words.WORD)

    class Broken(RequestHandler):
        def get(self):
            secret = {}
            secret["nowhere"]

    async def main():
        here = pathlib.Path(__file__).parent
        application = Application(
            [("/", Page), ("/broken", Broken)],
            debug=True, template_path=here, static_path=here / "static",
        )
        # The system chooses the port when the program is first run; then it is the same one, as a developer's is.
        kept = here / "port"
        server = application.listen(int(kept.read_text()) if kept.exists() else 0, "127.0.0.1")
        (sock,) = server._sockets.values()
        kept.write_text(str(sock.getsockname()[1]))
        print("serving", words.WORD, "in", os.getpid())
        await asyncio.Event().wait()

    asyncio.run(main())
"""


class Developer:
    """Edits files in a folder, reads what the program says on the terminal, and looks at pages."""

    def __init__(self, folder: Path, *command: str) -> None:
        self.folder = folder
        self._saved = 0
        self.save("app.py", APP)
        self.save("words.py", "WORD = 'one'\n")
        self.save("page.html", "<p>{{ word }}</p><link href='{{ static_url(\"a.css\") }}'>")
        self.save("static/a.css", "body {}")
        self.process = subprocess.Popen(
            [sys.executable, "-u", *command],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def save(self, name: str, text: str) -> None:
        """Save a file as editors do: another one in its place, that is sure to look newer."""
        self._saved += 1
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        new = path.with_name(path.name + "~")
        new.write_text(textwrap.dedent(text), encoding="utf-8")
        moment = new.stat().st_mtime_ns + self._saved * 2_000_000_000
        os.utime(new, ns=(moment, moment))
        new.replace(path)

    def read_until(self, expected: str) -> str:
        """Read what the program says until a line matches, and return it all."""
        said = ""
        timer = threading.Timer(PATIENCE, self.process.terminate)
        timer.start()
        try:
            assert self.process.stdout is not None
            for line in self.process.stdout:
                said += line
                if re.search(expected, line):
                    return said
        finally:
            timer.cancel()
            timer.join()
        raise AssertionError(f"{expected!r} did not come: {said}")

    def look(self, path: str = "/") -> str:
        """Return the text of a page; of an error page, with its status."""
        url = f"http://127.0.0.1:{(self.folder / 'port').read_text()}{path}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                return f"{error.code} {error.read().decode()}"

    def pid(self, said: str) -> str:
        return said.rsplit(" in ", 1)[1].strip()


@contextmanager
def developing(folder: Path, *command: str) -> Generator[Developer]:
    developer = Developer(folder, *command)
    try:
        yield developer
    finally:
        developer.process.terminate()
        developer.process.communicate(timeout=PATIENCE)


WAYS = [["app.py"], ["-m", "halny.autoreload", "app.py"]]


@pytest.mark.skipif(sys.platform == "win32", reason="a process can't be replaced there")
@pytest.mark.parametrize("command", WAYS, ids=["alone", "by the command"])
def test_a_module_that_is_edited(tmp_path: Path, command: list[str]) -> None:
    with developing(tmp_path, *command) as developer:
        developer.read_until("serving one")
        assert "<p>one</p>" in developer.look()
        for word in ("two", "three"):
            developer.save("words.py", f"WORD = {word!r}\n")
            said = developer.read_until(f"serving {word}")
            assert "Traceback" not in said
            assert f"<p>{word}</p>" in developer.look()


def test_a_module_with_a_syntax_error_in_between(tmp_path: Path) -> None:
    with developing(tmp_path, "-m", "halny.autoreload", "app.py") as developer:
        developer.read_until("serving one")
        developer.save("words.py", "WORD = = 'two'\n")
        said = developer.read_until("waiting for a change")
        assert re.search(r'File ".*words\.py", line 1\n.*WORD = = .*\n.*\nSyntaxError: invalid syntax\n', said), said
        with pytest.raises(urllib.error.URLError, match="refused"):
            developer.look()
        developer.save("words.py", "WORD = 'two'\n")
        developer.read_until("serving two")
        assert "<p>two</p>" in developer.look()


@pytest.mark.skipif(sys.platform == "win32", reason="a process can't be replaced there")
def test_a_syntax_error_ends_a_program_that_runs_alone(tmp_path: Path) -> None:
    with developing(tmp_path, "app.py") as developer:
        developer.read_until("serving one")
        developer.save("words.py", "WORD = = 'two'\n")
        developer.read_until("SyntaxError: invalid syntax")
        assert developer.process.wait(PATIENCE) == 1


def test_templates_and_static_files_that_are_edited_need_no_restart(tmp_path: Path) -> None:
    with developing(tmp_path, "-m", "halny.autoreload", "app.py") as developer:
        pid = developer.pid(developer.read_until("serving one"))
        first = developer.look()
        developer.save("static/a.css", "body { margin: 0 }")
        second = developer.look()
        versions = [re.findall(r"a\.css\?v=(\w+)", page)[0] for page in (first, second)]
        assert versions[0] != versions[1]

        developer.save("page.html", "<h1>{{ word }}</h1>")
        assert developer.look() == "<h1>one</h1>"
        developer.save("page.html", "<h1>{% if word %}</h1>")
        broken = developer.look()
        assert broken.startswith("500 Traceback (most recent call last):\n")
        assert re.search(r"halny\.template\.ParseError: .+ at page\.html:1\n", broken), broken
        developer.read_until("halny.template.ParseError")
        developer.save("page.html", "<h2>{{ word }}</h2>")
        assert developer.look() == "<h2>one</h2>"

        developer.save("words.py", "WORD = 'two'\n")
        assert developer.pid(developer.read_until("serving two")) != pid


def test_an_exception_is_shown_in_the_browser_and_on_the_terminal(tmp_path: Path) -> None:
    with developing(tmp_path, "app.py") as developer:
        developer.read_until("serving one")
        page = developer.look("/broken")
        assert page.startswith("500 Traceback (most recent call last):\n")
        assert 'secret["nowhere"]\n' in page
        assert page.rstrip().endswith("KeyError: 'nowhere'")
        assert 'secret["nowhere"]\n' in developer.read_until("KeyError: 'nowhere'")
