"""The examples of the documentation: all are Python and import what there is; those of the guides to halny-web run.

The blocks of a page are run one after the other, as somebody would who types them in, with what the page leaves to its
reader put in by `LEFT_TO_THE_READER`. An expression with a comment that is a literal must have that value.
"""

from __future__ import annotations

import ast
import asyncio
import doctest
import importlib
import re
import tempfile
import textwrap
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

import halny.locale
import halny.web
from halny.httpserver import HTTPServer
from halny.iostream.tcpserver import TCPServer

if TYPE_CHECKING:
    import io
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator

ROOT = Path(__file__).parents[1]
PAGES = [
    str(path.relative_to(ROOT))
    for path in sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("packages/*/README.md")])
    if "```python" in path.read_text(encoding="utf-8")
]
PATIENCE = 30.0

_BLOCK = re.compile(r"^([ ]*)```python\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_INCLUDED = re.compile(r'^--8<-- "(.+)"$', re.MULTILINE)
_COMMENT = re.compile(r"\s*#\s*(.+)")


class Example(NamedTuple):
    """A block of a page."""

    page: str
    line: int
    code: str

    def tree(self) -> ast.Module:
        """Parse it, with the page's line numbers, so that tracebacks name them."""
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        tree = compile("\n" * self.line + self.code, self.page, "exec", flags=flags)
        assert isinstance(tree, ast.Module)
        return tree

    def run(self, names: dict[str, Any]) -> None:
        """Run it, statement by statement, and compare what has a comment that says what it is."""
        for statement in self.tree().body:
            said = self._said(statement)
            if isinstance(statement, ast.Expr) and said is not None:
                value = eval(compile(ast.Expression(statement.value), self.page, "eval"), names)
                assert value == said, f"{self.page}:{statement.lineno}"
            else:
                exec(compile(ast.Module([statement], []), self.page, "exec"), names)

    def _said(self, statement: ast.stmt) -> object:
        assert statement.end_lineno is not None
        line = self.code.splitlines()[statement.end_lineno - self.line - 1]
        comment = _COMMENT.fullmatch(line.encode()[statement.end_col_offset :].decode())
        with suppress(ValueError, SyntaxError):
            return None if comment is None else ast.literal_eval(comment[1])
        return None


def examples(page: str) -> list[Example]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found: list[Example] = []
    for block in _BLOCK.finditer(text):
        line = text.count("\n", 0, block.start()) + 1
        code = _INCLUDED.sub(lambda include: (ROOT / include[1]).read_text(encoding="utf-8"), block[2])
        found.append(Example(page, line, textwrap.dedent(code)))
    return found


def test_there_are_examples() -> None:
    assert len(PAGES) > 20
    assert sum(len(examples(page)) for page in PAGES) > 50


@pytest.mark.parametrize("page", PAGES)
def test_examples_are_python_and_import_what_there_is(page: str) -> None:
    for example in examples(page):
        for node in ast.walk(example.tree()):
            if isinstance(node, ast.Import):
                for name in node.names:
                    importlib.import_module(name.name)
            elif isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module or "")
                for name in node.names:
                    if not hasattr(module, name.name):
                        importlib.import_module(f"{node.module}.{name.name}")


def test_a_comment_that_is_wrong_is_noticed() -> None:
    names: dict[str, Any] = {}
    Example("right", 1, "x = 2  # 3\n\nx + 1  # 3\nx + 1  # more than 2\n'ł' * x  # 'łł'\n").run(names)
    with pytest.raises(AssertionError, match="wrong:12"):
        Example("wrong", 10, "x = 2\nx + 1  # 4\n").run(names)


def test_the_guide_to_halny_template() -> None:
    result = doctest.testfile(str(ROOT / "docs" / "template" / "index.md"), module_relative=False)
    assert result.attempted > 10
    assert result.failed == 0


# The guides to halny-web


class Some(halny.web.RequestHandler):
    """A handler that a page leaves to its reader."""

    def initialize(self, **arguments: object) -> None:
        self.arguments = arguments

    def get(self, **arguments: str) -> None:
        self.write("some")


class Counter:
    count = 0

    def inc(self) -> None:
        self.count += 1


STORED: list[bytes] = []


async def store(file: io.BufferedIOBase, size: int) -> None:
    STORED.append(file.read())


async def may_upload(handler: halny.web.RequestHandler) -> bool:
    return handler.get_query_argument("secret", "") == "yes"


LEFT_TO_THE_READER: dict[str, dict[str, Any]] = {
    "compression": {"Application": halny.web.Application, "handlers": [("/", Some)]},
    "debug": {"Application": halny.web.Application, "handlers": [("/", Some)]},
    "routing": {
        "MainHandler": Some, "FileHandler": Some, "ExampleHandler": Some, "requests": Counter(),
        "api_application": halny.web.Application([("/", Some)]), "admin_application": halny.web.Application(),
    },
    "static": {
        "Application": halny.web.Application, "HTTPError": halny.web.HTTPError, "handlers": [("/", Some)],
        "StaticFileHandler": halny.web.StaticFileHandler, "database": {"/db/one.txt": b"0123456789"},
    },
    "uploads": {
        "RequestHandler": halny.web.RequestHandler, "HTTPError": halny.web.HTTPError, "store": store,
        "may_upload": may_upload,
    },
}  # fmt: skip

GUIDES = sorted(path.stem for path in (ROOT / "docs" / "web").glob("*.md") if "```python" in path.read_text())


def follow(guide: str) -> list[dict[str, Any]]:
    """Run the blocks of a guide, and return what is defined after each of them."""
    names: dict[str, Any] = {"__name__": guide, **LEFT_TO_THE_READER.get(guide, {})}
    after: list[dict[str, Any]] = []
    for example in examples(f"docs/web/{guide}.md"):
        example.run(names)
        after.append(names.copy())
    return after


@pytest.fixture(autouse=True)
def ports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[Any]]:
    """Servers listen on ports that the system chooses, and are collected. What else an example leaves is cleaned up."""
    servers: list[Any] = []
    listen: Callable[..., None] = TCPServer.listen

    def listen_on_a_free_port(server: TCPServer, port: int, *args: Any, **kwargs: Any) -> None:
        assert port == 8888
        servers.append(server)
        listen(server, 0, "127.0.0.1", **kwargs)

    monkeypatch.setattr(TCPServer, "listen", listen_on_a_free_port)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield servers
    for server in servers:
        server.stop()
    (tmp_path / "no translations").mkdir()
    halny.locale.load_translations(tmp_path / "no translations")


@pytest.mark.parametrize("guide", GUIDES)
async def test_a_guide_can_be_followed(guide: str, ports: list[Any]) -> None:
    assert follow(guide)
    for server in ports:
        server.stop()
        await server.close_all_connections()


class Answer(NamedTuple):
    status: int
    head: str
    body: str


async def ask(address: tuple[str, int], method: str, path: str, *headers: str, body: bytes = b"") -> Answer:
    reader, writer = await asyncio.open_connection(*address)
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        "Connection: close",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    async with asyncio.timeout(PATIENCE):
        raw = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, content = raw.decode().partition("\r\n\r\n")
    return Answer(int(head.split()[1]), head, content)


def address_of(server: TCPServer) -> tuple[str, int]:
    (sock,) = vars(server)["_sockets"].values()
    host, port = sock.getsockname()
    return host, port


@asynccontextmanager
async def serving(application: Any) -> AsyncGenerator[tuple[str, int]]:
    server = application if isinstance(application, HTTPServer) else HTTPServer(application)
    server.listen(8888)
    try:
        yield address_of(server)
    finally:
        server.stop()
        await server.close_all_connections()


FORM = "Content-Type: application/x-www-form-urlencoded"


async def test_handlers() -> None:
    names = follow("handlers")[-1]
    news: asyncio.Queue[str] = asyncio.Queue()
    news.put_nowait("new")
    rules = [("/note", names["Note"]), ("/numbers", names["Numbers"])]
    rules += [("/page", names["Page"]), ("/poll", names["LongPoll"])]
    async with serving(halny.web.Application(rules, news=news, log_function=str)) as address:
        assert (await ask(address, "POST", "/note", body=b"12345")).body == "5 bytes"
        assert (await ask(address, "POST", "/note", body=bytes(10_001))).status == 413
        assert (await ask(address, "GET", "/numbers")).body.endswith("\n999998\n999999\n\r\n0\r\n\r\n")
        page = await ask(address, "GET", "/page")
        assert (page.status, page.body) == (405, '{"error": "Method Not Allowed", "status": 405}')
        assert (await ask(address, "GET", "/poll")).body == "new"


async def test_routing() -> None:
    names, *_, last = follow("routing")
    async with serving(names["application"]) as address:
        assert (await ask(address, "GET", "/user/7")).body == "user 7, at /user/7"
        assert (await ask(address, "GET", "/file/a%2Fb")).body == "some"
        assert (await ask(address, "GET", "/", "X-Nothing: 1")).body == "some"
    async with serving(last["server"]) as address:
        assert (await ask(address, "GET", "/user/7")).body == "user 7, at /user/7"
        assert last["requests"].count == 1


async def test_templates() -> None:
    home, ages, prices, blog = follow("templates")
    async with serving(home["application"]) as address:
        assert (await ask(address, "GET", "/")).body == "<ul><li>Ada</li><li>&lt;Grace&gt;</li></ul>"
    assert ages["application"].ui_methods["age"] is ages["age"]
    async with serving(prices["application"]) as address:
        assert (await ask(address, "GET", "/")).body == "4"
    async with serving(blog["application"]) as address:
        page = (await ask(address, "GET", "/")).body
    assert "<h1>One</h1><h2>Two</h2>" in page
    assert page.count("/entry.css") == page.count("entry();") == 1


async def test_localization() -> None:
    async with serving(follow("localization")[0]["application"]) as address:
        assert (await ask(address, "GET", "/", "Accept-Language: es")).body == "Te amo"
        assert (await ask(address, "GET", "/")).body == "I love you"


async def test_security() -> None:
    choice, login, _, profile, *_ = follow("security")
    async with serving(halny.web.Application([("/", choice["Choice"])])) as address:
        assert (await ask(address, "GET", "/", "Cookie: colour=red")).body == "red"
        assert "Set-Cookie: colour=blue" in (await ask(address, "POST", "/")).head
    async with serving(login["application"]) as address:
        answer = await ask(address, "POST", "/login", FORM, body=b"name=Ada")
    cookie = re.findall(r"Set-Cookie: (user=[^;]+)", answer.head)[0]
    secret = login["application"].settings["cookie_secret"]
    application = halny.web.Application([("/", profile["Profile"])], cookie_secret=secret, login_url="/login")
    async with serving(application) as address:
        assert (await ask(address, "GET", "/", f"Cookie: {cookie}")).body == "Hello, Ada"
    async with serving(profile["application"]) as address:
        assert "Location: /login?next=%2F\r\n" in (await ask(address, "GET", "/", f"Cookie: {cookie}")).head


async def test_static_files() -> None:
    rule = (r"/(.*)", follow("static")[-1]["DatabaseFiles"], {"path": "/db"})
    async with serving(halny.web.Application([rule], log_function=str)) as address:
        assert (await ask(address, "GET", "/one.txt")).body == "0123456789"
        assert (await ask(address, "GET", "/one.txt", "Range: bytes=2-4")).body == "234"
        assert (await ask(address, "GET", "/two.txt")).status == 404


async def test_uploads() -> None:
    names = follow("uploads")[-1]
    body = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\nJPEG\r\n--x--\r\n'
    kind = "Content-Type: multipart/form-data; boundary=x"
    async with serving(halny.web.Application([("/", names["PhotoHandler"])], log_function=str)) as address:
        assert (await ask(address, "POST", "/", kind, body=body)).status == 403
        assert STORED == []
        assert "Location: /photos\r\n" in (await ask(address, "POST", "/?secret=yes", kind, body=body)).head
        assert STORED == [b"JPEG"]


async def test_the_tutorial() -> None:
    names: dict[str, Any] = {"__name__": "hello"}
    for example in examples("docs/tutorial/first.md"):
        example.run(names)
    rules = [(r"/", names["MainHandler"]), (r"/greet/(\w+)", names["GreetHandler"])]
    async with serving(halny.web.Application(rules)) as address:
        assert (await ask(address, "GET", "/")).body == "Hello, world"
        assert (await ask(address, "GET", "/greet/Ada?times=3")).body == '{"hello": "Ada", "times": 3}'


# Whole programs


@asynccontextmanager
async def running(page: str, ports: list[Any], monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Any]:
    """Run the first example of a page as a program, and give the server that it starts."""
    started: list[Coroutine[Any, Any, None]] = []
    for run in ("asyncio.run", "halny.ioloop.run"):
        monkeypatch.setattr(run, started.append)
    examples(page)[0].run({"__name__": "__main__"})
    task = asyncio.create_task(started[0])
    try:
        await asyncio.sleep(0)  # up to where it waits for ever
        yield ports[0]
    finally:
        task.cancel()
        if isinstance(ports[0], HTTPServer):
            await ports[0].close_all_connections()


@pytest.mark.parametrize(
    ("page", "body"),
    [
        ("docs/httpserver/index.md", "hello"),
        ("packages/httpserver/README.md", "You asked for /"),
        ("packages/web/README.md", "Hello, world"),
        ("README.md", "Hello, world"),
    ],
)
async def test_a_program_that_serves(page: str, body: str, ports: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async with running(page, ports, monkeypatch) as server:
        answer = await ask(address_of(server), "GET", "/")
    assert (answer.status, answer.body) == (200, body)


async def test_the_program_of_the_guide_to_handlers(ports: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async with running("docs/web/handlers.md", ports, monkeypatch) as server:
        address = address_of(server)
        assert (await ask(address, "PUT", "/story/7", FORM, body=b"text=Once")).status == 201
        assert (await ask(address, "GET", "/story/7?tag=old")).body == '{"story": "Once", "tag": "old"}'


async def test_the_echo_server(ports: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    async with running("packages/iostream/README.md", ports, monkeypatch) as server:
        reader, writer = await asyncio.open_connection(*address_of(server))
        writer.write(b"one\n")
        assert await reader.readline() == b"one\n"
        writer.close()
        await writer.wait_closed()
        async with asyncio.timeout(PATIENCE):
            while len(asyncio.all_tasks()) > 2:  # the server's for this connection, until it hears that it is closed
                await asyncio.sleep(0)
