"""The second stage: tokens become nodes, one `File` for one template.

The parser keeps a stack of open tags instead of calling itself, so that its depth is a limit of ours and not of
Python's. It looks at one template alone: what `extends` and `include` name is found by the third stage (`_resolve`).
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from ._errors import excerpt
from ._nodes import Apply, Block, Code, File, If, Include, Jump, Loop, Output, Text, Try
from ._python import Fragment, awaits, parse_code, parse_expression, parse_handler, parse_head
from ._tokens import Kind, Token, tokenize
from ._whitespace import MODES, filter_whitespace

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._nodes import Node
    from ._source import Source

MAX_DEPTH: Final = 100
"""The limit of tags inside tags, in one file and in a whole page. Python itself stops at 100 levels of indentation."""

MAX_BRANCHES: Final = 500
"""The limit of `elif` in one `if`. In Python's syntax tree each stands inside the one before it, and its compiler
gives up at a few thousand."""

_WORD = re.compile(r"[^\s(]+")
_LOOPS = (Loop,)
_SETS = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr)
_IMPORTS = (ast.Import, ast.ImportFrom)


@dataclass(slots=True)
class _Open:
    """A tag that waits for its `end`."""

    tag: str
    node: Block | Apply | If | Loop | Try
    body: list[Node]
    """Where nodes go at the moment."""
    line: int
    part: str
    """The part that `body` is: the tag itself, or `else`, `elif`, `except`, `finally`."""


def parse(source: Source, whitespace: str, autoescape: str | None) -> File:
    """Makes nodes of a template.

    Args:
        source: The template.
        whitespace: The mode it begins with.
        autoescape: The escape function, unless the template names another.

    Raises:
        ParseError: The template is wrong.
    """
    return _Parser(source, whitespace, autoescape).parse()


def parse_autoescape(source: Source, name: str | None, offset: int = 0) -> ast.expr | None:
    """The escape function of a file as an expression."""
    return None if name is None else parse_expression(Fragment(source, name, offset))


@final
class _Parser:
    def __init__(self, source: Source, whitespace: str, autoescape: str | None) -> None:
        self.source = source
        self.file = File(source, autoescape=autoescape)
        self.whitespace = whitespace
        self.body = self.file.body
        self.open: list[_Open] = []

    def parse(self) -> File:
        for token in tokenize(self.source):
            if token.kind is Kind.TEXT:
                self.text(token)
            elif token.kind is Kind.EXPRESSION:
                self.output(token)
            else:
                self.tag(token)
        if self.open:
            unclosed = self.open[-1]
            raise self.source.error(f"missing {{% end %}} for {unclosed.tag!r}", unclosed.line)
        if self.file.escape is None:
            self.file.escape = parse_autoescape(self.source, self.file.autoescape)
        return self.file

    def text(self, token: Token) -> None:
        text = token.value
        # A piece with preformatted text in it is left alone as a whole.
        if self.whitespace != "all" and "<pre>" not in text:
            text = filter_whitespace(self.whitespace, text)
        self.body.append(Text(text, self.source.line(token.start)))

    def output(self, token: Token) -> None:
        if not token.value:
            raise self.source.error("empty expression", self.source.line(token.start))
        value = parse_expression(Fragment(self.source, token.value, token.inner))
        self.body.append(Output(value, raw=False, awaits=_may_await(token.value) and awaits(value)))

    def tag(self, token: Token) -> None:
        word = _WORD.match(token.value)
        line = self.source.line(token.start)
        if word is None:
            raise self.source.error(
                "empty tag" if not token.value else f"unknown operator: {excerpt(token.value)!r}", line
            )
        name = word[0]
        handler = _TAGS.get(name)
        if handler is None:
            raise self.source.error(f"unknown operator: {excerpt(name)!r}", line)
        whole = Fragment(self.source, token.value, token.inner)
        handler(self, name, whole, whole.part(word.end()), line)

    # Tags that open a body, and those that go on or end it.

    def push(self, tag: str, node: Block | Apply | If | Loop | Try, body: list[Node], line: int) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise self.source.error(f"more than {MAX_DEPTH} tags inside each other", line)
        self.body.append(node)
        self.open.append(_Open(tag, node, body, line, tag))
        self.body = body

    def end(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        if not self.open:
            raise self.source.error("{% end %} without a beginning", line)
        closed = self.open.pop()
        node = closed.node
        if isinstance(node, Try) and not node.handlers and node.final is None:
            raise self.source.error("'try' needs an 'except' or a 'finally'", closed.line)
        # The node was put into the body around it, which is that of the tag that is open now.
        self.body = self.open[-1].body if self.open else self.file.body

    def go_on(self, name: str, part: list[Node]) -> None:
        self.open[-1].part = name
        self.open[-1].body = self.body = part

    def opened(self, name: str, tags: tuple[str, ...], line: int) -> _Open:
        """The innermost open tag, which must be one that can be gone on with in this way."""
        innermost = self.open[-1] if self.open else None
        if innermost is None or innermost.tag not in tags:
            inside = f"inside {innermost.tag!r}" if innermost else "outside any tag"
            raise self.source.error(f"{name!r} belongs to {' or '.join(tags)}, but stands {inside}", line)
        return innermost

    def if_(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        head = parse_head(whole)
        assert isinstance(head, ast.If)
        body: list[Node] = []
        waits = _may_await(whole.code) and awaits(head.test)
        self.push(name, If([(head.test, body)], None, line, waits), body, line)

    def elif_(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        opened = self.opened(name, ("if",), line)
        node = opened.node
        assert isinstance(node, If)
        if node.otherwise is not None:
            raise self.source.error("'elif' behind 'else'", line)
        if len(node.branches) >= MAX_BRANCHES:
            raise self.source.error(f"more than {MAX_BRANCHES} branches of one 'if'", line)
        # "elif" is parsed as an "if" of the same columns.
        head = parse_head(Fragment(self.source, "if" + whole.code[4:], whole.offset + 2))
        assert isinstance(head, ast.If)
        node.awaits = node.awaits or (_may_await(whole.code) and awaits(head.test))
        body: list[Node] = []
        node.branches.append((head.test, body))
        self.go_on(name, body)

    def else_(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        node = self.opened(name, ("if", "for", "while", "try"), line).node
        assert isinstance(node, If | Loop | Try)
        self.nothing(name, rest)
        if node.otherwise is not None:
            raise self.source.error("a second 'else'", line)
        if isinstance(node, Try) and (not node.handlers or node.final is not None):
            raise self.source.error("the 'else' of a 'try' stands behind its 'except' and before its 'finally'", line)
        node.otherwise = []
        self.go_on(name, node.otherwise)

    def loop(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        if name == "async" and not re.match(r"for\b", rest.code):
            raise self.source.error(f"unknown operator: {excerpt(whole.code)!r}", line)
        head = parse_head(whole)
        assert isinstance(head, ast.For | ast.AsyncFor | ast.While)
        waits = isinstance(head, ast.AsyncFor) or (_may_await(whole.code) and awaits(head))
        node = Loop(head, [], None, waits)
        self.push("while" if name == "while" else "for", node, node.body, line)

    def try_(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        self.nothing(name, rest)
        node = Try([], [], None, None, line)
        self.push(name, node, node.body, line)

    def except_(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        node = self.opened(name, ("try",), line).node
        assert isinstance(node, Try)
        if node.otherwise is not None or node.final is not None:
            raise self.source.error("'except' behind 'else' or 'finally'", line)
        if node.handlers and node.handlers[-1][0].type is None:
            raise self.source.error("an 'except' without a type must be the last", line)
        body: list[Node] = []
        node.handlers.append((parse_handler(whole), body))
        self.go_on(name, body)

    def finally_(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        node = self.opened(name, ("try",), line).node
        assert isinstance(node, Try)
        self.nothing(name, rest)
        if node.final is not None:
            raise self.source.error("a second 'finally'", line)
        node.final = []
        self.go_on(name, node.final)

    def apply(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        self.something(name, rest, "a function")
        function = parse_expression(rest)
        node = Apply(function, [], _may_await(rest.code) and awaits(function))
        self.push(name, node, node.body, line)

    def block(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        self.something(name, rest, "a name")
        node = Block(rest.code, [], line)
        self.push(name, node, node.body, line)

    # Tags that stand alone.

    def extends(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        if self.open:
            raise self.source.error(f"'extends' inside {self.open[-1].tag!r}", line)
        if self.file.extends is not None:
            raise self.source.error("a second 'extends'", line)
        self.file.extends = Include(self.path(name, rest), line)

    def include(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        self.body.append(Include(self.path(name, rest), line))

    def path(self, name: str, rest: Fragment) -> str:
        """A template's name, with or without quotes around it."""
        path = rest.code
        if path[:1] in {'"', "'"}:
            if len(path) < 2 or path[-1] != path[0]:
                raise rest.error(f"unclosed quote in {excerpt(path)!r}")
            path = path[1:-1]
        if not path:
            raise rest.error(f"{name!r} needs the name of a template")
        if '"' in path or "'" in path or "\n" in path:
            raise rest.error(f"expected the name of one template, not {excerpt(rest.code)!r}")
        return path

    def raw(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        self.something(name, rest, "an expression")
        value = parse_expression(rest)
        self.body.append(Output(value, raw=True, awaits=_may_await(rest.code) and awaits(value)))

    def module(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        self.something(name, rest, "a module")
        value = parse_expression(rest, prefix="_tt_modules.")
        self.body.append(Output(value, raw=True, awaits=_may_await(rest.code) and awaits(value)))

    def set_(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        self.something(name, rest, "an assignment")
        statements = parse_code(rest, _SETS, "an assignment")
        self.body.append(Code(statements, _may_await(rest.code) and awaits(*statements)))

    def import_(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        self.something(name, rest, "a module's name")
        self.body.append(Code(parse_code(whole, _IMPORTS, "an import")))

    def jump(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        self.nothing(name, rest)
        for opened in reversed(self.open):
            if opened.tag == "apply":
                break
            if isinstance(opened.node, _LOOPS) and opened.part != "else":
                self.body.append(Jump(ast.Break if name == "break" else ast.Continue, line))
                return
        raise self.source.error(f"{name!r} outside a loop", line)

    def autoescape(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        self.something(name, rest, "a function or None")
        if rest.code == "None":
            self.file.autoescape = self.file.escape = None
        else:
            self.file.autoescape = rest.code
            self.file.escape = parse_expression(rest)

    def set_whitespace(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        if rest.code not in MODES:
            raise self.source.error(
                f"expected a whitespace mode of {', '.join(MODES)}, not {excerpt(rest.code)!r}", line
            )
        self.whitespace = rest.code

    def comment(self, name: str, whole: Fragment, rest: Fragment, line: int) -> None:
        pass

    def something(self, name: str, rest: Fragment, expected: str) -> None:
        if not rest.code:
            raise rest.error(f"{name!r} needs {expected}")

    def nothing(self, name: str, rest: Fragment) -> None:
        if rest.code:
            raise rest.error(f"{name!r} stands alone, without {excerpt(rest.code)!r}")


def _may_await(code: str) -> bool:
    """A cheap look before the real one, which walks the tree."""
    return "await" in code or "async" in code


_TAGS: dict[str, Callable[[_Parser, str, Fragment, Fragment, int], None]] = {
    "apply": _Parser.apply,
    "async": _Parser.loop,
    "autoescape": _Parser.autoescape,
    "block": _Parser.block,
    "break": _Parser.jump,
    "comment": _Parser.comment,
    "continue": _Parser.jump,
    "elif": _Parser.elif_,
    "else": _Parser.else_,
    "end": _Parser.end,
    "except": _Parser.except_,
    "extends": _Parser.extends,
    "finally": _Parser.finally_,
    "for": _Parser.loop,
    "from": _Parser.import_,
    "if": _Parser.if_,
    "import": _Parser.import_,
    "include": _Parser.include,
    "module": _Parser.module,
    "raw": _Parser.raw,
    "set": _Parser.set_,
    "try": _Parser.try_,
    "while": _Parser.loop,
    "whitespace": _Parser.set_whitespace,
}
