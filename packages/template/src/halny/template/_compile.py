"""The fourth stage: a page becomes Python's syntax tree, and that a code object.

The code appends text to a list and joins it at the end. Text and values that follow each other are one f-string and
one `append`. A value is tested for exactly `str` and exactly `int` in place, which is what nearly every value is; only
what is neither calls a function of `_runtime`. Inside `try` each value is appended on its own, since what was put out
before an exception stays.

A page is compiled in *forms*: at once or in chunks, as a function or a coroutine, and for the escape functions of the
engine (`fast`) or for any. Each form is a function without parameters but those of `_runtime`, whose globals are the
template's namespace. All bodies (blocks, includes, `apply`) are in that one function, so they share its variables.

Line numbers: file number * `STRIDE` + line. A page's own file has the number 0, so its lines are the real ones; the
others are put right when an exception passes (`_tracebacks`).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from types import CodeType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast, final

from ._nodes import Apply, Block, Code, If, Include, Jump, Loop, Output, Text, Try
from ._parse import MAX_DEPTH
from ._python import FAILURES, moved
from ._runtime import PARAMETERS
from ._source import MAX_LINES
from ._text import escape_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._errors import ParseError
    from ._nodes import File, Node
    from ._resolve import Page

STRIDE: Final = MAX_LINES * 2
"""What separates the lines of one file from those of the next. Above any line number, even one past the end."""

CHUNK_PIECES: Final = 256
"""How many pieces of text (a piece is a value with the text around it) a streaming render collects for one chunk: large
enough that sending it costs more than making it."""

MAX_PIECES: Final = 50_000
"""The limit of nodes in a page after blocks and includes are in place. A few templates that include each other twice
could ask for more than fits into memory, and Python takes about a tenth of a millisecond to compile each."""

MAX_RUN: Final = 64
"""How many values one f-string holds at most: they all wait on Python's stack until the last is there."""

ESCAPE_NAMES: Final = frozenset({"escape", "xhtml_escape"})
"""The names under which the engine's own escape function is in every namespace."""

FUNCTION: Final = "_tt_execute"

_Tree = TypeVar("_Tree", bound=ast.AST)


class Form(NamedTuple):
    """What a page is compiled for."""

    awaits: bool = False
    """As a coroutine."""
    streams: bool = False
    """In chunks."""
    fast: bool = True
    """With the engine's own escape function behind its names."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The syntax tree of a page in one form, and what was learned on the way."""

    tree: ast.Module
    awaits: bool
    """Whether the function is a coroutine, be it that the form asked for one or that a template awaits."""
    escapes: tuple[str, ...]
    """The names by which the page asks for the engine's escape function. A fast form holds while they stand for it."""
    constant: str | None
    """What the page puts out, if it is always the same."""


def compile_tree(page: Page, form: Form) -> Outcome:
    """Makes the syntax tree of a page.

    Raises:
        ParseError: The page is too deep or too large.
    """
    try:
        return _Emitter(page, form).outcome()
    except RecursionError as error:
        raise _refusal(page, error) from error


def compile_code(page: Page, tree: ast.Module) -> CodeType:
    """Makes the code object of a page's function.

    Raises:
        ParseError: Python's compiler refuses something that its parser let through, such as an unbound `await`.
    """
    try:
        module = compile(tree, page.files[0].source.filename, "exec", dont_inherit=True)
    except FAILURES as error:
        raise _refusal(page, error) from error
    return next(constant for constant in module.co_consts if isinstance(constant, CodeType))


def _refusal(page: Page, error: BaseException) -> ParseError:
    if isinstance(error, SyntaxError):
        number, line = divmod(error.lineno or 1, STRIDE)
        return page.files[number].source.error(error.msg, line)
    return page.files[0].source.error(f"too deep or too large for Python ({error})", 1)


@final
class _Emitter:
    """Makes the tree of one form of a page."""

    def __init__(self, page: Page, form: Form) -> None:
        self.page = page
        self.form = form
        self.numbers = {id(file): number for number, file in enumerate(page.files)}
        self.out: list[ast.stmt] = []
        self.run: list[str | ast.expr] = []
        self.values = 0
        self.file = page.root
        self.base = 0
        self.at: dict[str, Any] = {}
        self.buffers = 0
        self.guarded = 0
        self.depth = 0
        self.pieces = 0
        self.blocks: list[str] = []
        self.awaits = form.awaits
        self.escapes: set[str] = set()
        self.bound: frozenset[str] = frozenset()

    # The function around it all.

    def outcome(self) -> Outcome:
        self.move(1)
        first = self.at
        inside = self.inside(self.page.root, self.page.root.body)
        self.at = first
        parameters = ast.arguments([], [ast.arg(name, **self.at) for name in PARAMETERS], None, [], [], None, [])
        kind = ast.AsyncFunctionDef if self.awaits else ast.FunctionDef
        body = [self.empty_buffer(), *inside, *self.last_words()]
        function = kind(FUNCTION, parameters, body, [], **self.at)
        if "type_params" in kind._fields:  # from Python 3.12 on
            vars(function)["type_params"] = []
        return Outcome(ast.Module([function], []), self.awaits, tuple(sorted(self.escapes)), _constant(inside))

    def last_words(self) -> list[ast.stmt]:
        if not self.form.streams:
            return [ast.Return(self.call("_tt_join", self.load(self.buffer)), **self.at)]
        return [ast.If(self.load(self.buffer), [self.yield_buffer()], [], **self.at)]

    # Bodies.

    def inside(self, file: File, nodes: list[Node]) -> list[ast.stmt]:
        """The statements of nodes of a file that may be another than the one at hand."""
        saved = self.file, self.base
        self.file, self.base = file, self.numbers[id(file)] * STRIDE
        statements = self.body(nodes)
        self.file, self.base = saved
        return statements

    def body(self, nodes: list[Node], before: list[ast.stmt] | None = None) -> list[ast.stmt]:
        """The statements of a body of its own; never none."""
        saved = self.out, self.run, self.values
        self.out, self.run, self.values = before or [], [], 0
        self.nodes(nodes)
        self.flush()
        statements = self.out
        self.out, self.run, self.values = saved
        return statements or [ast.Pass(**self.at)]

    def nodes(self, nodes: list[Node]) -> None:
        self.depth += 1
        self.pieces += len(nodes)
        if self.depth > MAX_DEPTH * 2 or self.pieces > MAX_PIECES:
            raise self.file.source.error("the page is too deep or too large once its parts are in place", 1)
        for node in nodes:
            _EMIT[type(node)](self, node)
        self.depth -= 1

    def move(self, line: int) -> None:
        """New nodes belong to a line of the file at hand."""
        line += self.base
        self.at = {"lineno": line, "col_offset": 0, "end_lineno": line, "end_col_offset": 0}

    def move_to(self, tree: ast.expr | ast.stmt | ast.excepthandler) -> None:
        """New nodes belong to where a (moved) tree stands."""
        self.at = {
            "lineno": tree.lineno,
            "col_offset": tree.col_offset,
            "end_lineno": tree.end_lineno,
            "end_col_offset": tree.end_col_offset,
        }

    def own(self, tree: _Tree) -> _Tree:
        """A tree of the template, with the line numbers of the page."""
        return cast("_Tree", moved(tree, self.base)) if self.base else tree

    # What is put out.

    def text(self, node: Text) -> None:
        if node.text:
            if not self.run:
                self.move(node.line)
            self.run.append(node.text)

    def output(self, node: Output) -> None:
        escape = None if node.raw else self.file.escape
        fast = False
        if isinstance(escape, ast.Name) and escape.id in ESCAPE_NAMES:
            self.escapes.add(escape.id)
            fast = self.form.fast
        if isinstance(node.value, ast.Constant) and (escape is None or fast):
            literal = _literal(node.value)
            if literal is not None:
                self.run.append(escape_text(literal) if fast else literal)
                return
        if self.guarded or self.values >= MAX_RUN or node.awaits:
            self.flush()
        if node.awaits:
            self.wait()
        value = self.own(node.value)
        self.move_to(value)
        if escape is None:
            text = self.converted(value, self.raw_text)
        elif fast:
            text = self.converted(value, self.escaped_text)
        else:
            text = self.call("_tt_text", self.called(self.own(escape), self.call("_tt_bytes", value)))
        self.run.append(text)
        self.values += 1

    def converted(self, value: ast.expr, convert: Callable[[ast.expr, ast.expr], ast.expr]) -> ast.expr:
        """Binds a value to `_tt_v`, unless it is a loop's variable, and its type to `_tt_c`."""
        if isinstance(value, ast.Name) and value.id in self.bound:
            bound: ast.expr = value
        else:
            bound, value = ast.NamedExpr(self.store("_tt_v"), value, **self.at), self.load("_tt_v")
        return convert(ast.NamedExpr(self.store("_tt_c"), self.call("_tt_type", bound), **self.at), value)

    def escaped_text(self, kind: ast.expr, value: ast.expr) -> ast.expr:
        """`escape(v) if type is str else v if type is int else escaped(v)`."""
        number = ast.IfExp(self.is_(self.load("_tt_c"), "_tt_int"), value, self.call("_tt_escaped", value), **self.at)
        return ast.IfExp(self.is_(kind, "_tt_str"), self.call("_tt_escape", value), number, **self.at)

    def raw_text(self, kind: ast.expr, value: ast.expr) -> ast.expr:
        """`v if type is str or type is int else raw(v)`."""
        either = ast.BoolOp(ast.Or(), [self.is_(kind, "_tt_str"), self.is_(self.load("_tt_c"), "_tt_int")], **self.at)
        return ast.IfExp(either, value, self.call("_tt_raw", value), **self.at)

    def flush(self) -> None:
        """Appends what has come together."""
        if not self.run:
            return
        parts: list[ast.expr] = []
        words: list[str] = []
        for part in [*self.run, None]:
            if isinstance(part, str):
                words.append(part)
                continue
            if words:
                parts.append(ast.Constant("".join(words), **self.at))
                words = []
            if part is not None:
                parts.append(ast.FormattedValue(part, -1, None, **self.at))
        text = parts[0] if len(parts) == 1 and isinstance(parts[0], ast.Constant) else ast.JoinedStr(parts, **self.at)
        self.out.append(self.append(text))
        self.run, self.values = [], 0

    def append(self, text: ast.expr) -> ast.stmt:
        method = ast.Attribute(self.load(self.buffer), "append", ast.Load(), **self.at)
        return ast.Expr(self.called(method, text), **self.at)

    # Streaming.

    @property
    def may_yield(self) -> bool:
        """Not in `apply`, whose text isn't the page's; not in `try`, which would see the generator being closed."""
        return self.form.streams and not self.buffers and not self.guarded

    def wait(self) -> None:
        """Something is awaited next: what there is, is handed over before."""
        self.awaits = True
        if self.may_yield:
            self.out.append(ast.If(self.load(self.buffer), [self.yield_buffer()], [], **self.at))

    def chunk(self) -> list[ast.stmt]:
        """Hands over what there is when it is enough."""
        if not self.may_yield:
            return []
        size = self.call("_tt_len", self.load(self.buffer))
        enough = ast.Compare(size, [ast.GtE()], [ast.Constant(CHUNK_PIECES, **self.at)], **self.at)
        return [ast.If(enough, [self.yield_buffer()], [], **self.at)]

    def yield_buffer(self) -> ast.stmt:
        return ast.Expr(ast.Yield(self.call("_tt_take", self.load(self.buffer)), **self.at), **self.at)

    # What is done.

    def code(self, node: Code) -> None:
        self.flush()
        if node.awaits:
            self.wait()
        self.out += [self.own(statement) for statement in node.statements]

    def jump(self, node: Jump) -> None:
        self.flush()
        self.move(node.line)
        self.out.append(node.kind(**self.at))

    def if_(self, node: If) -> None:
        self.flush()
        self.move(node.line)
        if node.awaits:
            self.wait()
        otherwise: list[ast.stmt] = [] if node.otherwise is None else self.body(node.otherwise)
        for test, body in reversed(node.branches):
            branch = self.own(test)
            statements = self.body(body)
            self.move_to(branch)
            otherwise = [ast.If(branch, statements, otherwise, **self.at)]
        self.out += otherwise

    def loop(self, node: Loop) -> None:
        self.flush()
        head = self.own(node.head)
        self.move_to(head)
        if node.awaits:
            self.wait()
        outer = self.bound
        if not isinstance(head, ast.While):
            self.bound = outer | {part.id for part in ast.walk(head.target) if isinstance(part, ast.Name)}
        body = self.body(node.body, self.chunk())
        self.bound = outer
        otherwise = [] if node.otherwise is None else self.body(node.otherwise)
        self.move_to(head)
        if isinstance(head, ast.While):
            self.out.append(ast.While(head.test, body, otherwise, **self.at))
        else:
            self.out.append(type(head)(head.target, head.iter, body, otherwise, None, **self.at))

    def try_(self, node: Try) -> None:
        self.flush()
        self.guarded += 1
        body = self.body(node.body)
        handlers: list[ast.ExceptHandler] = []
        for handler, inner in node.handlers:
            head = self.own(handler)
            statements = self.body(inner)
            self.move_to(head)
            handlers.append(ast.ExceptHandler(head.type, head.name, statements, **self.at))
        otherwise = [] if node.otherwise is None else self.body(node.otherwise)
        final = [] if node.final is None else self.body(node.final)
        self.guarded -= 1
        self.move(node.line)
        self.out.append(ast.Try(body, handlers, otherwise, final, **self.at))

    def apply(self, node: Apply) -> None:
        self.flush()
        function = self.own(node.function)
        self.move_to(function)
        if node.awaits:
            self.wait()
        self.buffers += 1
        self.out.append(self.empty_buffer())
        inner = self.body(node.body)
        self.out += inner
        self.move_to(function)
        text = self.call("_tt_bytes", self.call("_tt_join", self.load(self.buffer)))
        self.buffers -= 1
        self.out.append(self.append(self.call("_tt_text", self.called(function, text))))

    def block(self, node: Block) -> None:
        block, file = self.page.blocks[node.name]
        if node.name in self.blocks:
            raise self.file.source.error(f"block {node.name!r} is inside itself", node.line)
        self.blocks.append(node.name)
        self.foreign(file, block.body)
        self.blocks.pop()

    def include(self, node: Include) -> None:
        included = self.page.includes[id(node)]
        self.foreign(included, included.body)

    def foreign(self, file: File, nodes: list[Node]) -> None:
        """Goes on in another file, without a break in the run of text."""
        saved = self.file, self.base
        self.file, self.base = file, self.numbers[id(file)] * STRIDE
        self.nodes(nodes)
        self.file, self.base = saved

    # Small trees.

    @property
    def buffer(self) -> str:
        return f"_tt_b{self.buffers or ''}"

    def empty_buffer(self) -> ast.stmt:
        return ast.Assign([self.store(self.buffer)], ast.List([], ast.Load(), **self.at), **self.at)

    def load(self, name: str) -> ast.Name:
        return ast.Name(name, ast.Load(), **self.at)

    def store(self, name: str) -> ast.Name:
        return ast.Name(name, ast.Store(), **self.at)

    def called(self, function: ast.expr, argument: ast.expr) -> ast.Call:
        return ast.Call(function, [argument], [], **self.at)

    def call(self, name: str, argument: ast.expr) -> ast.Call:
        return ast.Call(self.load(name), [argument], [], **self.at)

    def is_(self, left: ast.expr, name: str) -> ast.Compare:
        return ast.Compare(left, [ast.Is()], [self.load(name)], **self.at)


def _constant(body: list[ast.stmt]) -> str | None:
    """The text of a body that does nothing but put out text."""
    match body:
        case [ast.Pass()]:
            return ""
        case [ast.Expr(ast.Call(args=[ast.Constant(str(text))]))]:
            return text
        case _:
            return None


def _literal(node: ast.Constant) -> str | None:
    """The text of a literal, when it is known now."""
    value = node.value
    if type(value) is int:
        # Python refuses to write integers of thousands of digits; that belongs to the render.
        return str(value) if value.bit_length() < 1024 else None
    return value if type(value) is str else None


_EMIT: dict[type, Callable[[_Emitter, Any], None]] = {
    Text: _Emitter.text,
    Output: _Emitter.output,
    Code: _Emitter.code,
    Jump: _Emitter.jump,
    If: _Emitter.if_,
    Loop: _Emitter.loop,
    Try: _Emitter.try_,
    Apply: _Emitter.apply,
    Block: _Emitter.block,
    Include: _Emitter.include,
}
