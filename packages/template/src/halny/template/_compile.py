"""The second half of the fourth stage: a page's syntax tree becomes a code object.

A page is compiled in forms (see `Form`), each when it is first asked for.
"""

from __future__ import annotations

from types import CodeType
from typing import TYPE_CHECKING

from ._emit import Emitter
from ._python import FAILURES
from ._source import STRIDE

if TYPE_CHECKING:
    import ast

    from ._emit import Outcome
    from ._errors import ParseError
    from ._forms import Form
    from ._resolve import Page


def compile_tree(page: Page, form: Form) -> Outcome:
    """Makes the syntax tree of a page.

    Raises:
        ParseError: The page is too deep or too large.
    """
    try:
        return Emitter(page, form).outcome()
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
