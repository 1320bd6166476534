"""The Python inside a template: fragments of text become `ast` nodes that carry the template's lines and columns.

A fragment is parsed by Python's own parser inside the statement that it belongs to (`for` … `:`), and the outcome
must have exactly the shape of that statement, so that a fragment can't smuggle in another one.
What Python would accept but a template must not do is refused here: `yield`, and binding the engine's own names.
"""

from __future__ import annotations

import ast
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ._errors import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._errors import ParseError
    from ._source import Source

RESERVED = "_tt_"
"""Names that begin like this belong to the engine: a template may read them and not bind them."""

FAILURES = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)
"""All that Python's parser and compiler raise for hostile text; `MemoryError` is what deep nesting gives."""

_BODY = "\n pass"
MAX_DEPTH = 300
"""The limit of Python's constructs inside each other, in one expression or tag. Python's own limits are around that
of calls, differ between versions, and don't say where."""

_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Fragment(NamedTuple):
    """A piece of Python in a template."""

    source: Source
    code: str
    offset: int
    """Where it begins in the template."""

    def part(self, start: int) -> Fragment:
        """The fragment from an index on, without the whitespace before it."""
        code = self.code[start:].lstrip()
        return Fragment(self.source, code, self.offset + len(self.code) - len(code))

    def error(self, message: str, line: int = 1) -> ParseError:
        """A `ParseError` at one of the fragment's lines."""
        last = self.source.line(self.offset) + self.code.count("\n")
        return self.source.error(message, min(self.source.line(self.offset) + max(line, 1) - 1, last))


def parse_expression(fragment: Fragment, prefix: str = "") -> ast.expr:
    """An expression.

    Args:
        fragment: The expression.
        prefix: What is read before it without standing in the template.

    Raises:
        ParseError: It isn't one.
    """
    code = fragment.code
    if not prefix and code.isidentifier() and code.isascii() and not iskeyword(code):
        # By far the most frequent expression, made without Python's parser.
        line, column = fragment.source.place(fragment.offset)
        return ast.Name(
            code, ast.Load(), lineno=line, col_offset=column, end_lineno=line, end_col_offset=column + len(code)
        )
    try:
        tree = ast.parse(prefix + code, fragment.source.filename, mode="eval").body
    except FAILURES as error:
        raise _refusal(fragment, error, 0) from error
    _check(fragment, [tree])
    _place(fragment, tree, 0, len(prefix))
    return tree


def parse_head(fragment: Fragment) -> ast.stmt:
    """The head of an `if`, `while`, `for` or `async for`, as the statement with a body of `pass`.

    Raises:
        ParseError: It isn't such a head.
    """
    statements = _parse_statements(fragment, "", ":" + _BODY)
    head = statements[0]
    if (
        len(statements) != 1
        or not isinstance(head, ast.If | ast.While | ast.For | ast.AsyncFor)
        or head.orelse
        or len(head.body) != 1
        or not isinstance(head.body[0], ast.Pass)
    ):
        raise fragment.error("expected a single condition or loop")
    return head


def parse_handler(fragment: Fragment) -> ast.ExceptHandler:
    """The head of an `except`, as the handler with a body of `pass`.

    Raises:
        ParseError: It isn't such a head.
    """
    statements = _parse_statements(fragment, "try:" + _BODY + "\n", ":" + _BODY)
    head = statements[0]
    if (
        len(statements) != 1
        or not isinstance(head, ast.Try)
        or head.orelse
        or head.finalbody
        or len(head.handlers) != 1
        or len(head.handlers[0].body) != 1
        or not isinstance(head.handlers[0].body[0], ast.Pass)
    ):
        raise fragment.error("expected a single 'except'")
    return head.handlers[0]


def parse_code(fragment: Fragment, kinds: tuple[type[ast.stmt], ...], expected: str) -> list[ast.stmt]:
    """Simple statements, each of one of the kinds.

    Raises:
        ParseError: They are others, or none.
    """
    statements = _parse_statements(fragment, "", "")
    if not statements or not all(isinstance(statement, kinds) for statement in statements):
        raise fragment.error(f"expected {expected}, not {excerpt(fragment.code)!r}")
    return statements


def awaits(*trees: ast.AST | None) -> bool:
    """Whether code with these parts must be in an asynchronous function."""
    return any(
        isinstance(node, ast.Await | ast.AsyncFor) or (isinstance(node, ast.comprehension) and bool(node.is_async))
        for tree in trees
        if tree is not None
        for node in _walk_own(tree)
    )


def moved(tree: ast.AST, lines: int) -> ast.AST:
    """A copy of a tree further down; the tree itself stays as it is."""
    copy = type(tree).__new__(type(tree))
    fields: dict[str, Any] = vars(tree)
    for name, value in fields.items():
        if isinstance(value, ast.AST):
            value = moved(value, lines)
        elif isinstance(value, list):
            items = cast("Any", value)
            value = [moved(item, lines) if isinstance(item, ast.AST) else item for item in items]
        elif name in {"lineno", "end_lineno"}:
            value += lines
        setattr(copy, name, value)
    return copy


def _parse_statements(fragment: Fragment, before: str, after: str) -> list[ast.stmt]:
    lines = before.count("\n")
    try:
        statements = ast.parse(before + fragment.code + after, fragment.source.filename).body
    except FAILURES as error:
        raise _refusal(fragment, error, lines) from error
    _check(fragment, statements)
    for statement in statements:
        _place(fragment, statement, lines, 0)
    return statements


def _refusal(fragment: Fragment, error: BaseException, lines: int) -> ParseError:
    if isinstance(error, SyntaxError):
        return fragment.error(f"{error.msg} in {excerpt(fragment.code)!r}", (error.lineno or 1) - lines)
    return fragment.error(f"too deep or too large for Python ({error})")


def _check(fragment: Fragment, trees: Sequence[ast.AST]) -> None:
    """Refuses what a template must not do, in all the trees of a fragment."""
    code = fragment.code
    if len(code) > MAX_DEPTH and _is_deep(trees):
        raise fragment.error(f"too deep: more than {MAX_DEPTH} levels in {excerpt(code)!r}")
    if "yield" in code:
        own = (node for tree in trees for node in _walk_own(tree))
        if any(isinstance(node, ast.Yield | ast.YieldFrom) for node in own):
            raise fragment.error("'yield' can't be used in a template")
    # Python reads other letters, such as those of full width, as these ones (NFKC).
    if RESERVED in code or not code.isascii():
        nodes = (node for tree in trees for node in ast.walk(tree))
        if any(name.startswith(RESERVED) for node in nodes for name in _bound(node)):
            raise fragment.error(f"names that begin with {RESERVED!r} are the engine's own")


def _is_deep(trees: Sequence[ast.AST]) -> bool:
    level, depth = list(trees), 0
    while level and depth <= MAX_DEPTH:
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        depth += 1
    return bool(level)


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a node binds itself."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, ast.alias):
        yield (node.asname or node.name).split(".")[0]
    elif isinstance(node, ast.ExceptHandler) and node.name:
        yield node.name


def _walk_own(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes of a tree that run in its own scope: not those of a function in it."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _NESTED):
            waiting.extend(ast.iter_child_nodes(node))


def _place(fragment: Fragment, tree: ast.AST, lines: int, column: int) -> None:
    """Moves a fresh tree from where it was parsed to where it stands in the template.

    `lines` is how many lines stood before the fragment's first one, and `column` how much before it on its line; only
    nodes of that line move sideways.
    """
    first_line, first_column = fragment.source.place(fragment.offset)
    down, first, right = first_line - 1 - lines, lines + 1, first_column - column
    waiting: list[ast.AST] = [tree]
    while waiting:
        fields: dict[str, Any] = vars(waiting.pop())
        for value in list(fields.values()):
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif isinstance(value, list):
                items = cast("Any", value)
                waiting.extend(item for item in items if isinstance(item, ast.AST))
        if "lineno" in fields:
            # What stands before the fragment when it is parsed (a prefix) ends up at its beginning.
            if fields["lineno"] == first:
                fields["col_offset"] = max(fields["col_offset"] + right, first_column)
            if fields["end_lineno"] == first:
                fields["end_col_offset"] = max(fields["end_col_offset"] + right, first_column)
            fields["lineno"] += down
            fields["end_lineno"] += down
