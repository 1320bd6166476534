"""`Template`: the stages put together, and the ways of rendering.

The stages are imported by the first template, not with this module: a program that only may come to render pages, such
as one that imports a web framework, starts without them.
"""

from __future__ import annotations

import datetime as dt
from contextlib import aclosing
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from ._errors import ParseError
from ._forms import Form
from ._runtime import DEFAULTS
from ._source import Source
from ._text import to_unicode, utf8, xhtml_escape
from ._tracebacks import point_at_templates
from ._whitespace import default_mode, filter_whitespace
from .escape import json_encode, linkify, squeeze, url_escape

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import CodeType

    from ._loaders import BaseLoader
    from ._nodes import File
    from ._resolve import Page


_SLOW: Final = Form(fast=False)


class _Unset:
    """The default of an argument for which `None` means something."""

    def __repr__(self) -> str:
        return "<unset>"


UNSET: Final = _Unset()

NAMESPACE: Final[dict[str, Any]] = {
    "escape": xhtml_escape,
    "xhtml_escape": xhtml_escape,
    "url_escape": url_escape,
    "json_encode": json_encode,
    "squeeze": squeeze,
    "linkify": linkify,
    "datetime": dt,
    "_tt_utf8": utf8,
    "_tt_string_types": (str, bytes),
}
"""What every template can use, unless its namespace says otherwise."""


class Template:
    """A compiled template, to be rendered as often as wanted, from any thread.

    A template without a loader can't extend or include others. Templates are programs: compile only what you trust,
    and never make the text of a template out of data.

        t = Template("<p>{{ name }}</p>")
        t.generate(name="<Ada>")  # b'<p>&lt;Ada&gt;</p>'

    Args:
        template_string: The text of the template, or its UTF-8 bytes.
        name: Its name, for errors and for the default of `whitespace`, and from which `extends` and `include` start.
        loader: Where the templates that it extends and includes come from, and the defaults of `autoescape`,
            `whitespace` and the namespace.
        compress_whitespace: The old form of `whitespace`: true for `single`, false for `all`.
        autoescape: The name of the function that escapes each value; `None` for none. By default the loader's, or else
            `xhtml_escape`.
        whitespace: What happens to the whitespace of the template's text: see
            [`filter_whitespace`][halny.template.filter_whitespace]. By default the loader's, or else `single` for
            names in `.html` and `.js` and `all` for others.
        path: Where the text was read from, for tracebacks.

    Raises:
        ParseError: The template, or one that it extends or includes, is wrong or can't be found.
        TypeError: `template_string` is neither text nor bytes (the caller's fault).
        ValueError: `whitespace` is unknown, or given together with `compress_whitespace` (the caller's fault).
    """

    name: str
    """The template's name."""
    autoescape: str | None
    """The escape function, as the template or its loader names it."""
    namespace: dict[str, Any]
    """What the template can use besides the arguments of `generate`: the loader's namespace."""
    loader: BaseLoader | None
    """Where other templates come from."""

    def __init__(
        self,
        template_string: str | bytes,
        name: str = "<string>",
        loader: BaseLoader | None = None,
        compress_whitespace: bool | _Unset = UNSET,
        autoescape: str | _Unset | None = UNSET,
        whitespace: str | None = None,
        *,
        path: str | None = None,
    ) -> None:
        if not isinstance(compress_whitespace, _Unset):
            if whitespace is not None:
                raise ValueError("expected whitespace or compress_whitespace, not both")
            whitespace = "single" if compress_whitespace else "all"
        if whitespace is None:
            whitespace = (loader.whitespace if loader else None) or default_mode(name)
        filter_whitespace(whitespace, "")  # refuses an unknown mode, for which the template isn't to blame
        if isinstance(autoescape, _Unset):
            autoescape = loader.autoescape if loader else "xhtml_escape"
        from ._parse import parse
        from ._resolve import resolve

        self.name = name
        self.namespace = loader.namespace if loader else {}
        self.loader = loader
        self.file: File = parse(Source(_decoded(template_string, name), name, path), whitespace, autoescape)
        self.autoescape = self.file.autoescape
        self._page: Page = resolve(self.file, self._load)
        self._base = {**NAMESPACE, "__name__": name.replace(".", "_")}
        self._codes: dict[Form, CodeType] = {}
        self._code: str | None = None
        self._compile()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}>"

    @property
    def is_async(self) -> bool:
        """Whether the template awaits, so that only `generate_async` and `stream_async` can render it."""
        return self._form.awaits

    @property
    def code(self) -> str:
        """The Python that the template has become, made readable when it is asked for."""
        if self._code is None:
            from ._compile import compile_tree
            from ._trees import source

            self._code = f"# {self.name}\n{source(compile_tree(self._page, self._form).tree)}\n"
        return self._code

    @property
    def compiled(self) -> CodeType:
        """The code object of the template's function."""
        return self._codes[self._form]

    def generate(self, /, **kwargs: Any) -> bytes:
        """Renders the template.

        Args:
            kwargs: The namespace: what the template can use, besides the loader's namespace and the functions of
                `halny.template.escape`.

        Returns:
            The page in UTF-8.

        Raises:
            TypeError: The template awaits (the caller's fault: use `generate_async`).
            UnicodeDecodeError: A value is bytes that are not UTF-8.
            UnicodeEncodeError: The text holds a lone surrogate.
        """
        if self._form.awaits:
            raise TypeError(f"template {self.name!r} awaits: expected generate_async or stream_async, not generate")
        if self._constant is not None:
            return self._constant
        namespace = self._namespace(kwargs)
        code = self._fast if self._is_fast(namespace) else self._compiled(_SLOW)
        try:
            text: str = FunctionType(code, namespace, None, DEFAULTS)()
            return text.encode()
        except Exception as error:
            point_at_templates(error, self._page)
            raise

    async def generate_async(self, /, **kwargs: Any) -> bytes:
        """Renders the template in a coroutine, so that its expressions may `await`; one that doesn't is rendered as
        well.

        Args:
            kwargs: The namespace, as for `generate`.

        Returns:
            The page in UTF-8.
        """
        if not self._form.awaits:
            return self.generate(**kwargs)
        run = self._function(Form(awaits=True), kwargs)
        try:
            text: str = await run()
            return text.encode()
        except Exception as error:
            point_at_templates(error, self._page)
            raise

    def stream(self, /, **kwargs: Any) -> Iterator[bytes]:
        """Renders the template in chunks, each given out as soon as it is large enough, so that memory stays small.

        The chunks are whole characters. What `{% try %}` and `{% apply %}` enclose stays in one chunk.

        Args:
            kwargs: The namespace, as for `generate`.

        Yields:
            The next part of the page in UTF-8, never empty.

        Raises:
            TypeError: The template awaits (the caller's fault: use `stream_async`).
        """
        if self._form.awaits:
            raise TypeError(f"template {self.name!r} awaits: expected stream_async, not stream")
        return self._stream(self._function(Form(streams=True), kwargs))

    def _stream(self, run: Callable[[], Iterator[str]]) -> Iterator[bytes]:
        try:
            for text in run():
                yield text.encode()
        except Exception as error:
            point_at_templates(error, self._page)
            raise

    async def stream_async(self, /, **kwargs: Any) -> AsyncIterator[bytes]:
        """Renders the template in chunks, in a coroutine: also whatever is there before an `await` is given out.

        Args:
            kwargs: The namespace, as for `generate`.

        Yields:
            The next part of the page in UTF-8, never empty.
        """
        run = self._function(Form(awaits=True, streams=True), kwargs)
        try:
            async with aclosing(run()) as texts:
                async for text in texts:
                    yield text.encode()
        except Exception as error:
            point_at_templates(error, self._page)
            raise

    def _compile(self) -> None:
        """Compiles the form that `generate` or `generate_async` runs, and learns what kind of template this is."""
        from ._compile import compile_code, compile_tree

        outcome = compile_tree(self._page, Form())
        self._form = Form(awaits=outcome.awaits)
        self._fast = compile_code(self._page, outcome.tree)
        self._escapes = outcome.escapes
        self._constant = None
        if set(self._escapes).isdisjoint(self._fast.co_varnames + self._fast.co_cellvars):
            self._codes[self._form] = self._fast
            if outcome.constant is not None and not outcome.escapes:
                self._constant = self._encoded(outcome.constant)
        else:
            # It binds the name of an escape function, so that has to be looked up each time.
            self._form = self._form._replace(fast=False)
            self._compiled(self._form)

    def _encoded(self, text: str) -> bytes | None:
        try:
            return text.encode()
        except UnicodeEncodeError:
            return None  # rendering it raises

    def _compiled(self, form: Form) -> CodeType:
        code = self._codes.get(form)
        if code is None:
            from ._compile import compile_code, compile_tree

            # Two threads may both get here; they make the same.
            code = self._codes[form] = compile_code(self._page, compile_tree(self._page, form).tree)
        return code

    def _namespace(self, arguments: dict[str, Any]) -> dict[str, Any]:
        namespace = self._base.copy()
        if self.namespace:
            namespace.update(self.namespace)
        namespace.update(arguments)
        return namespace

    def _is_fast(self, namespace: dict[str, Any]) -> bool:
        if not self._form.fast:
            return False
        # Without a generator: this is done for every page.
        for name in self._escapes:  # noqa: SIM110
            if namespace[name] is not xhtml_escape:
                return False
        return True

    def _function(self, form: Form, arguments: dict[str, Any]) -> Callable[[], Any]:
        """The template's function in one of its forms, ready to run."""
        namespace = self._namespace(arguments)
        code = self._compiled(form._replace(fast=self._is_fast(namespace)))
        return FunctionType(code, namespace, None, DEFAULTS)

    def _load(self, name: str, parent: str) -> File:
        if self.loader is None:
            raise LookupError("the template has no loader")
        return self.loader.load(name, parent_path=parent).file


def _decoded(template: str | bytes, name: str) -> str:
    if template is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise TypeError("expected str or bytes, not NoneType")
    try:
        return to_unicode(template)
    except UnicodeDecodeError as error:
        raise ParseError(f"not UTF-8 ({error.reason})", name, error.object.count(b"\n", 0, error.start) + 1) from error
