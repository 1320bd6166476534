"""The first half of the fourth stage: a page becomes Python's syntax tree.

The code appends text to a list and joins it at the end. Text and values that follow each other are one f-string and
one `append`. A loop that puts out one value at a time is one `join`, with what stands around the values between them. A
value is tested for exactly `str` and exactly `int` in place, which is what nearly every value is; only what is neither
calls a function of `_runtime`. Inside `try` each value is appended on its own, since what was put out before an
exception stays.

All bodies (blocks, includes, `apply`) are in one function, so they share its variables. Its globals are the template's
namespace; its parameters have the functions of `_runtime` as their defaults.

Line numbers: file number * `STRIDE` + line. A page's own file has the number 0, so its lines are the real ones; the
others are put right when an exception passes (`_tracebacks`).
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast, final

from ._nodes import Apply, Block, Code, If, Include, Jump, Loop, Output, Text, Try
from ._parse import MAX_DEPTH
from ._python import moved
from ._runtime import PARAMETERS
from ._source import STRIDE
from ._text import escape_text
from ._trees import Trees

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._forms import Form
    from ._nodes import File, Node
    from ._resolve import Page

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


@final
class Emitter(Trees):
    """Makes the tree of one form of a page."""

    def __init__(self, page: Page, form: Form) -> None:
        super().__init__()
        self.page = page
        self.form = form
        self.numbers = {id(file): number for number, file in enumerate(page.files)}
        self.out: list[ast.stmt] = []
        self.run: list[str | ast.expr] = []
        self.values = 0
        self.file = page.root
        self.base = self.numbers[id(page.root)] * STRIDE
        self.buffers = 0
        self.guarded = 0
        self.loops = 0
        self.depth = 0
        self.pieces = 0
        self.blocks: list[str] = []
        self.awaits = form.awaits
        self.escapes: set[str] = set()

    # The function around it all.

    def outcome(self) -> Outcome:
        self.move_to_line(1)
        first = self.at
        inside = self.body(self.page.root.body)
        self.at = first
        parameters = ast.arguments([], [ast.arg(name, **self.at) for name in PARAMETERS], None, [], [], None, [])
        kind = ast.AsyncFunctionDef if self.awaits else ast.FunctionDef
        body = [self.assign_list(self.buffer), *inside, *self.last_words()]
        function = kind(FUNCTION, parameters, body, [], **self.at)
        if "type_params" in kind._fields:  # from Python 3.12 on
            vars(function)["type_params"] = []
        return Outcome(ast.Module([function], []), self.awaits, tuple(sorted(self.escapes)), _constant(inside))

    def last_words(self) -> list[ast.stmt]:
        if not self.form.streams:
            return [ast.Return(self.call("_tt_join", self.load(self.buffer)), **self.at)]
        return [ast.If(self.load(self.buffer), [self.yield_buffer()], [], **self.at)]

    # Bodies.

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
        if self.depth > MAX_DEPTH * 2:
            raise self.file.source.error("the page is too deep once its parts are in place", 1)
        self.count(nodes)
        for node in nodes:
            _EMIT[type(node)](self, node)
        self.depth -= 1

    def count(self, nodes: list[Node]) -> None:
        """Holds the page to its limit."""
        self.pieces += len(nodes)
        if self.pieces > MAX_PIECES:
            raise self.file.source.error(f"more than {MAX_PIECES} nodes in one page", 1)

    def move(self, line: int) -> None:
        """New trees belong to a line of the file at hand."""
        self.move_to_line(line + self.base)

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
        literal = self.literal(node)
        if literal is not None:
            self.run.append(literal)
            return
        if self.guarded or self.values >= MAX_RUN or node.awaits:
            self.flush()
        if node.awaits:
            self.wait()
        self.run.append(self.value_text(node, in_run=True))
        self.values += 1

    def literal(self, node: Output) -> str | None:
        """What a literal puts out, when that is known now."""
        text = _literal(node.value) if isinstance(node.value, ast.Constant) else None
        escape = None if node.raw else self.file.escape
        if text is None or escape is None:
            return text
        return escape_text(text) if self.is_fast(escape) else None

    def value_text(self, node: Output, *, in_run: bool) -> ast.expr:
        """The text of a value, escaped as its file says; for an f-string (`in_run`) or wherever a `str` is needed."""
        escape = None if node.raw else self.file.escape
        value = self.own(node.value)
        self.move_to(value)
        if escape is None:
            return self.raw_value(value, in_run=in_run)
        if self.is_fast(escape):
            return self.escaped_value(value, in_run=in_run)
        return self.call("_tt_text", self.called(self.own(escape), self.call("_tt_bytes", value)))

    def is_fast(self, escape: ast.expr | None) -> bool:
        """Whether a file escapes with the engine's own function, taken for granted in this form."""
        if not isinstance(escape, ast.Name) or escape.id not in ESCAPE_NAMES:
            return False
        self.escapes.add(escape.id)
        return self.form.fast

    def flush(self) -> None:
        """Appends what has come together."""
        if self.run:
            self.out.append(self.append(self.buffer, self.joined(self.run)))
            self.run, self.values = [], 0

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
        if not self.loops:
            # The block was in a loop where it is written, and isn't where it is put.
            name = "break" if node.kind is ast.Break else "continue"
            raise self.file.source.error(f"{name!r} outside a loop", node.line)
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
        if self.is_join(node):
            self.join(node)
            return
        self.flush()
        head = self.own(node.head)
        self.move_to(head)
        if node.awaits:
            self.wait()
        outer = self.bound
        if not isinstance(head, ast.While):
            self.bound = outer | {part.id for part in ast.walk(head.target) if isinstance(part, ast.Name)}
        self.loops += 1
        body = self.body(node.body, self.chunk())
        self.loops -= 1
        self.bound = outer
        otherwise = [] if node.otherwise is None else self.body(node.otherwise)
        self.move_to(head)
        if isinstance(head, ast.While):
            self.out.append(ast.While(head.test, body, otherwise, **self.at))
        else:
            self.out.append(type(head)(head.target, head.iter, body, otherwise, None, **self.at))

    def is_join(self, node: Loop) -> bool:
        """Whether a loop does nothing but put out one value at a time, and nobody looks at what is there meanwhile."""
        values = [part for part in node.body if not isinstance(part, Text)]
        return (
            isinstance(node.head, ast.For)
            and node.otherwise is None
            and not (node.awaits or self.form.streams or self.guarded)
            and len(values) == 1
            and isinstance(values[0], Output)
            and not values[0].awaits
            and self.literal(values[0]) is None
        )

    def join(self, node: Loop) -> None:
        """Puts out such a loop: its values, and between them the text behind one and the text before the next.

        That saves the making of a text for each value. The text at hand stays at hand.
        """
        self.count(node.body)
        if self.values:
            self.flush()
        head = cast("ast.For", self.own(node.head))
        outer = self.bound
        self.bound = outer | {part.id for part in ast.walk(head.target) if isinstance(part, ast.Name)}
        around = ["", ""]
        text: ast.expr | None = None
        for part in node.body:
            if isinstance(part, Output):
                text = self.value_text(part, in_run=False)
            elif isinstance(part, Text):
                around[text is not None] += part.text
        assert text is not None
        self.bound = outer
        before, behind = around
        appending = self.append("_tt_l", text)
        self.move_to(head)
        self.out += [self.assign_list("_tt_l"), ast.For(head.target, head.iter, [appending], [], None, **self.at)]
        values = self.method(self.constant(behind + before), "join", self.load("_tt_l"))
        self.run += [self.if_any(before), values, self.if_any(behind)]
        self.values += 1

    def if_any(self, text: str) -> ast.expr | str:
        """A text that is put out if the loop has put out something."""
        return ast.IfExp(self.load("_tt_l"), self.constant(text), self.constant(""), **self.at) if text else ""

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
        self.out.append(self.assign_list(self.buffer))
        loops, self.loops = self.loops, 0  # to leave one of those would lose what the body has put out
        inner = self.body(node.body)
        self.loops = loops
        self.out += inner
        self.move_to(function)
        text = self.call("_tt_bytes", self.call("_tt_join", self.load(self.buffer)))
        self.buffers -= 1
        self.out.append(self.append(self.buffer, self.call("_tt_text", self.called(function, text))))

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

    @property
    def buffer(self) -> str:
        return f"_tt_b{self.buffers or ''}"


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


_EMIT: dict[type, Callable[[Emitter, Any], None]] = {
    Text: Emitter.text,
    Output: Emitter.output,
    Code: Emitter.code,
    Jump: Emitter.jump,
    If: Emitter.if_,
    Loop: Emitter.loop,
    Try: Emitter.try_,
    Apply: Emitter.apply,
    Block: Emitter.block,
    Include: Emitter.include,
}
