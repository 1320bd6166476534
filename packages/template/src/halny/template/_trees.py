"""The small syntax trees that the code of a page consists of.

A `Trees` knows where in the templates it is (`at`), so that whatever it makes belongs to that place. What a page
consists of is not known here but in `_emit`.
"""

from __future__ import annotations

import ast
from typing import Any

_OURS = "_tt_ours"
"""Marks the f-strings that are made here, unlike those of templates."""


class Trees:
    """Makes trees that belong to a place."""

    def __init__(self) -> None:
        self.at: dict[str, Any] = {}
        self.bound: frozenset[str] = frozenset()
        """The variables of the loops around the place."""

    def move_to(self, tree: ast.expr | ast.stmt | ast.excepthandler) -> None:
        """New trees belong to where this one stands."""
        self.at = {
            "lineno": tree.lineno,
            "col_offset": tree.col_offset,
            "end_lineno": tree.end_lineno,
            "end_col_offset": tree.end_col_offset,
        }

    def move_to_line(self, line: int) -> None:
        """New trees belong to a line."""
        self.at = {"lineno": line, "col_offset": 0, "end_lineno": line, "end_col_offset": 0}

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

    def constant(self, value: str | int) -> ast.Constant:
        return ast.Constant(value, **self.at)

    def method(self, on: ast.expr, name: str, argument: ast.expr) -> ast.Call:
        return self.called(ast.Attribute(on, name, ast.Load(), **self.at), argument)

    def assign_list(self, name: str) -> ast.stmt:
        """`name = []`"""
        return ast.Assign([self.store(name)], ast.List([], ast.Load(), **self.at), **self.at)

    def append(self, name: str, text: ast.expr) -> ast.stmt:
        """`name.append(text)`"""
        return ast.Expr(self.method(self.load(name), "append", text), **self.at)

    def formatted(self, value: ast.expr) -> ast.FormattedValue:
        return ast.FormattedValue(value, -1, None, **self.at)

    def joined(self, parts: list[str | ast.expr]) -> ast.expr:
        """Texts and values as one f-string, or as a literal if there are only texts."""
        trees: list[ast.expr] = []
        words: list[str] = []
        for part in [*parts, None]:
            if isinstance(part, str):
                words.append(part)
                continue
            if words:
                trees.append(self.constant("".join(words)))
                words = []
            if part is not None:
                trees.append(self.formatted(part))
        return trees[0] if len(trees) == 1 and isinstance(trees[0], ast.Constant) else self.f_string(trees)

    def f_string(self, parts: list[ast.expr]) -> ast.expr:
        tree = ast.JoinedStr(parts, **self.at)
        vars(tree)[_OURS] = True
        return tree

    # The text of a value. A part of an f-string may be an `int`, which it formats itself.

    def escaped_value(self, value: ast.expr, *, in_run: bool) -> ast.expr:
        """`escape(v) if type is str else v if type is int else escaped(v)`"""
        kind, value = self.with_type(value)
        number = ast.IfExp(
            self.is_(self.load("_tt_c"), "_tt_int"),
            self.number(value, in_run),
            self.call("_tt_escaped", value),
            **self.at,
        )
        return ast.IfExp(self.is_(kind, "_tt_str"), self.call("_tt_escape", value), number, **self.at)

    def raw_value(self, value: ast.expr, *, in_run: bool) -> ast.expr:
        """`v if type is str else v if type is int else raw(v)`"""
        kind, value = self.with_type(value)
        number = ast.IfExp(
            self.is_(self.load("_tt_c"), "_tt_int"), self.number(value, in_run), self.call("_tt_raw", value), **self.at
        )
        return ast.IfExp(self.is_(kind, "_tt_str"), value, number, **self.at)

    def number(self, value: ast.expr, in_run: bool) -> ast.expr:
        return value if in_run else self.f_string([self.formatted(value)])

    def with_type(self, value: ast.expr) -> tuple[ast.expr, ast.expr]:
        """An expression for a value's type, which binds it to `_tt_c`, and one for the value from then on.

        A loop's variable can be read again; any other value is bound to `_tt_v`.
        """
        bound = value
        if not (isinstance(value, ast.Name) and value.id in self.bound):
            bound, value = ast.NamedExpr(self.store("_tt_v"), value, **self.at), self.load("_tt_v")
        return ast.NamedExpr(self.store("_tt_c"), self.call("_tt_type", bound), **self.at), value


def source(tree: ast.Module) -> str:
    """A tree as readable Python."""
    try:
        return ast.unparse(tree)
    except ValueError:
        # Before Python 3.12 no f-string can be written whose values have a backslash or too many kinds of quotes.
        return ast.unparse(ast.fix_missing_locations(_WithFormat().visit(tree)))


class _WithFormat(ast.NodeTransformer):
    """Writes the engine's f-strings as `"{}".format()`."""

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        if _OURS not in vars(node):
            return node
        pattern = ""
        values: list[ast.expr] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                values.append(self.visit(part.value))
                pattern += "{}"
            else:
                assert isinstance(part, ast.Constant)
                pattern += str(part.value).replace("{", "{{").replace("}", "}}")
        return ast.Call(ast.Attribute(ast.Constant(pattern), "format", ast.Load()), values, [])
