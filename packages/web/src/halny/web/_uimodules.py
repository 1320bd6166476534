"""UI modules: parts of pages that bring the CSS and JavaScript that they need.

Strategy: a handler makes a module when a template first uses it, and keeps it for the request. What the modules ask
for is collected when the page is complete, and goes to the ends of its head and its body, everything once.
"""

# What handlers have for the framework, and not for those who write them, has a name with an underscore.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast, final

from halny.template.escape import linkify, utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from halny.http import HTTPServerRequest

    from ._handler import RequestHandler

UIModules: TypeAlias = "Mapping[str, type[UIModule]] | types.ModuleType | Iterable[Any] | None"
"""What the setting `ui_modules` may be: modules by name, a Python module that has them, or several of these."""

UIMethods: TypeAlias = "Mapping[str, Callable[..., Any]] | types.ModuleType | Iterable[Any] | None"
"""What the setting `ui_methods` may be: functions by name, a Python module that has them, or several of these."""


class UIModule:
    """A part of a page that is used by several templates, with its own CSS and JavaScript.

        class Entry(UIModule):
            def render(self, entry):
                return self.render_string("entry.html", entry=entry)

            def css_files(self):
                return "entry.css"

    Named in the setting `ui_modules`, it is used by `{% module Entry(entry) %}`. One object is made for each request;
    `render` is called for each use.

    Args:
        handler: the handler of the request.
    """

    handler: RequestHandler
    """The handler that renders the page."""
    request: HTTPServerRequest
    """Its request."""
    ui: Any
    """The UI methods, bound to the handler."""
    locale: Any
    """The user's locale."""

    def __init__(self, handler: RequestHandler) -> None:
        self.handler = handler
        self.request = handler.request
        self.ui = handler.ui
        self.locale = handler.locale

    @property
    def current_user(self) -> Any:
        """The handler's user."""
        return self.handler.current_user

    def _render(self, *args: Any, **kwargs: Any) -> str | bytes:
        raise TypeError(f"{type(self).__name__} does not define render()")

    render: Any = _render
    """Returns this part of the page, for the arguments that the template gives; for subclasses."""

    def embedded_javascript(self) -> str | None:
        """Return JavaScript for the end of the page's body; for subclasses."""
        return None

    def javascript_files(self) -> Iterable[str] | None:
        """Return the paths of scripts that the page needs, one or several; for subclasses.

        A relative one goes through `static_url`.
        """
        return None

    def embedded_css(self) -> str | None:
        """Return CSS for the page's head; for subclasses."""
        return None

    def css_files(self) -> Iterable[str] | None:
        """Return the paths of style sheets that the page needs, one or several; for subclasses.

        A relative one goes through `static_url`.
        """
        return None

    def html_head(self) -> str | None:
        """Return HTML for the end of the page's head; for subclasses."""
        return None

    def html_body(self) -> str | None:
        """Return HTML for the end of the page's body; for subclasses."""
        return None

    def render_string(self, path: str, **kwargs: Any) -> bytes:
        """Render a template; see `RequestHandler.render_string`.

        Args:
            path: the template.
            **kwargs: what the template can use.
        """
        return self.handler.render_string(path, **kwargs)


class LinkifyModule(UIModule):
    """`{% module linkify(text) %}`: text with its URLs made links."""

    def render(self, text: str, **kwargs: Any) -> str:
        """Return the text as HTML.

        Args:
            text: the text.
            **kwargs: as for [`linkify`][halny.template.escape.linkify].
        """
        return linkify(text, **kwargs)


class XSRFFormModule(UIModule):
    """`{% module xsrf_form_html() %}`: the hidden field that protects a form."""

    def render(self) -> str:
        """Return the field; see `RequestHandler.xsrf_form_html`."""
        return self.handler.xsrf_form_html()


class TemplateModule(UIModule):
    """`{% module Template("entry.html", entry=entry) %}`: a UI module that is a template alone.

    The template gets the arguments as its namespace, and can ask for CSS and JavaScript by
    `{{ set_resources(css_files="entry.css") }}`, with the names of `UIModule`'s methods.

    Args:
        handler: the handler of the request.
    """

    def __init__(self, handler: RequestHandler) -> None:
        super().__init__(handler)
        # One object stands for all templates that are used in this way, in the order of their first use.
        self._resources: dict[str, dict[str, Any]] = {}

    def render(self, path: str, **kwargs: Any) -> bytes:
        """Return the rendered template.

        Args:
            path: the template.
            **kwargs: what it can use.
        """

        def set_resources(**resources: Any) -> str:
            known = self._resources.setdefault(path, resources)
            if known != resources:
                raise ValueError(f"set_resources() called with different resources for the same template {path!r}")
            return ""

        return self.render_string(path, set_resources=set_resources, **kwargs)

    def _all(self, key: str) -> Iterator[Any]:
        for resources in self._resources.values():
            if resources.get(key):
                yield resources[key]

    def _joined(self, key: str) -> str | None:
        return "\n".join(self._all(key)) or None

    def _files(self, key: str) -> list[str]:
        return [file for files in self._all(key) for file in listed(files)]

    def embedded_javascript(self) -> str | None:
        """See `UIModule.embedded_javascript`."""
        return self._joined("embedded_javascript")

    def javascript_files(self) -> list[str]:
        """See `UIModule.javascript_files`."""
        return self._files("javascript_files")

    def embedded_css(self) -> str | None:
        """See `UIModule.embedded_css`."""
        return self._joined("embedded_css")

    def css_files(self) -> list[str]:
        """See `UIModule.css_files`."""
        return self._files("css_files")

    def html_head(self) -> str | None:
        """See `UIModule.html_head`."""
        return "".join(self._all("html_head")) or None

    def html_body(self) -> str | None:
        """See `UIModule.html_body`."""
        return "".join(self._all("html_body")) or None


STANDARD_MODULES: Mapping[str, type[UIModule]] = {
    "linkify": LinkifyModule,
    "xsrf_form_html": XSRFFormModule,
    "Template": TemplateModule,
}
"""The UI modules that every application has."""


def load_ui_modules(source: UIModules) -> dict[str, type[UIModule]]:
    """Return the UI modules of an application by name, the standard ones among them.

    Args:
        source: the setting `ui_modules`. Of a Python module all `UIModule` subclasses are taken.

    Raises:
        TypeError: there is something else in it; the application's fault.
    """
    found = dict(STANDARD_MODULES)
    for name, value, is_chosen in _named(source, "ui_modules"):
        if isinstance(value, type) and issubclass(value, UIModule):
            found[name] = value
        elif is_chosen:
            raise TypeError(f"expected a subclass of UIModule for the UI module {name!r}, got {value!r}")
    return found


def load_ui_methods(source: UIMethods) -> dict[str, Callable[..., Any]]:
    """Return the UI methods of an application by name.

    Args:
        source: the setting `ui_methods`. Of a Python module all callables are taken whose names begin in lower case.

    Raises:
        TypeError: there is something else in it; the application's fault.
    """
    found: dict[str, Callable[..., Any]] = {}
    for name, value, is_chosen in _named(source, "ui_methods"):
        if callable(value):
            if is_chosen or name[:1].islower():
                found[name] = value
        elif is_chosen:
            raise TypeError(f"expected a function for the UI method {name!r}, got {value!r}")
    return found


def _named(source: Any, setting: str) -> Iterator[tuple[str, Any, bool]]:
    """Yield what a setting names: name, value, and whether it was chosen by its name."""
    if source is None:
        return
    if isinstance(source, types.ModuleType):
        for name in dir(source):
            if not name.startswith("_"):
                yield name, getattr(source, name), False
    elif isinstance(source, Mapping):
        for name, value in cast("Mapping[str, Any]", source).items():
            yield name, value, True
    elif isinstance(source, (str, bytes)) or not hasattr(source, "__iter__"):
        expected = "a mapping, a Python module, or a list of these"
        raise TypeError(f"expected {expected} in the setting {setting!r}, got {source!r}")
    else:
        for part in source:
            yield from _named(part, setting)


@final
class UIModuleNamespace:
    """The UI modules as a template sees them: `modules.Name(arguments)`.

    Args:
        handler: renders the page.
    """

    def __init__(self, handler: RequestHandler) -> None:
        self._handler = handler

    def __getitem__(self, name: str) -> Callable[..., str | bytes]:
        """What renders the module of this name."""
        return self._handler._halny_ui_module_renderer(name)

    def __getattr__(self, name: str) -> Callable[..., str | bytes]:
        """What renders the module of this name."""
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"there is no UI module {name!r}; the setting ui_modules names them") from None


@final
class Resources:
    """What the modules of a page need, in the order in which the page uses them.

    Args:
        modules: the modules that the page uses.
    """

    def __init__(self, modules: Iterable[UIModule]) -> None:
        self.js_embed: list[bytes] = []
        self.js_files: list[str] = []
        self.css_embed: list[bytes] = []
        self.css_files: list[str] = []
        self.html_heads: list[bytes] = []
        self.html_bodies: list[bytes] = []
        for module in modules:
            self._add(module)

    def _add(self, module: UIModule) -> None:
        for part, text in (
            (self.js_embed, module.embedded_javascript()),
            (self.css_embed, module.embedded_css()),
            (self.html_heads, module.html_head()),
            (self.html_bodies, module.html_body()),
        ):
            if text:
                part.append(utf8(text))
        self.js_files += listed(module.javascript_files())
        self.css_files += listed(module.css_files())


def listed(files: Iterable[str] | None) -> list[str]:
    """Return paths as a list, though a module may give a single one, or none.

    Args:
        files: a path, several, or None.
    """
    if not files:
        return []
    return [files] if isinstance(files, str) else list(files)


def is_absolute(path: str) -> bool:
    """Return whether a path is a URL as it stands, so that `static_url` has nothing to do.

    Args:
        path: of a script or a style sheet.
    """
    return path.startswith(("/", "http:", "https:"))
