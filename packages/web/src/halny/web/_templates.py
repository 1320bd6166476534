"""A handler's pages: templates, what they can use, and the CSS and JavaScript of the UI modules in them."""

from __future__ import annotations

import inspect
import os
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast
from weakref import WeakKeyDictionary

from halny.ioloop.util import ObjectDict
from halny.template import BaseLoader, Loader
from halny.template.escape import utf8, xhtml_escape

from ._localization import Localization
from ._security import Security
from ._uimodules import Resources, UIModuleNamespace, is_absolute

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterable

    from ._application import Application
    from ._handler import RequestHandler
    from ._uimodules import UIModule

    _Loaders = WeakKeyDictionary[Application, dict[tuple[object, str], BaseLoader]]

_PACKAGE: Final = os.path.dirname(__file__)  # noqa: PTH120 - importing pathlib would take longer than all of this


class Templates(Localization, Security):
    """The part of `RequestHandler` that renders."""

    # Loaders that have been made, of each application by the method that made them and the folder. Tests of programs
    # forget them by `clear`; those of an application that is gone go by themselves.
    _template_loaders: ClassVar[_Loaders] = WeakKeyDictionary()
    """What `ui` is, or None until it is used."""

    def render(self, template_name: str, **kwargs: Any) -> asyncio.Future[None]:
        """Render a template with what its UI modules need, and finish with the page.

        Args:
            template_name: the template.
            **kwargs: what the template can use, besides what `get_template_namespace` gives.

        Returns:
            What `finish` returns.

        Raises:
            RuntimeError: the response is finished.
            ValueError: a UI module needs something in a head or a body, and the page has no `</head>` or `</body>`.
        """
        if self._finished:
            raise RuntimeError("cannot render() after finish()")
        page = self.render_string(template_name, **kwargs)
        modules = self._halny_active_modules()
        if modules:
            page = self._halny_with_resources(template_name, page, Resources(modules.values()))
        return self.finish(page)

    def _halny_with_resources(self, name: str, page: bytes, resources: Resources) -> bytes:
        head: list[str | bytes] = []
        body: list[str | bytes] = []
        if resources.js_files:
            body.append(self.render_linked_js(resources.js_files))
        if resources.js_embed:
            body.append(self.render_embed_js(resources.js_embed))
        if resources.html_bodies:
            body.append(b"".join(resources.html_bodies))
        if resources.css_files:
            head.append(self.render_linked_css(resources.css_files))
        if resources.css_embed:
            head.append(self.render_embed_css(resources.css_embed))
        if resources.html_heads:
            head.append(b"".join(resources.html_heads))
        if body:
            page = _insert(name, page, body, b"</body>", page.rfind(b"</body>"))
        if head:
            page = _insert(name, page, head, b"</head>", page.find(b"</head>"))
        return page

    def render_linked_js(self, js_files: Iterable[str]) -> str:
        """Return the HTML that loads scripts; a subclass may override this.

        Args:
            js_files: their paths, each used once.
        """
        return "".join(
            f'<script src="{xhtml_escape(url)}" type="text/javascript"></script>' for url in self._halny_urls(js_files)
        )

    def render_embed_js(self, js_embed: Iterable[bytes]) -> bytes:
        """Return the HTML of scripts that are part of the page; a subclass may override this.

        Args:
            js_embed: the scripts.
        """
        return b'<script type="text/javascript">\n//<![CDATA[\n' + b"\n".join(js_embed) + b"\n//]]>\n</script>"

    def render_linked_css(self, css_files: Iterable[str]) -> str:
        """Return the HTML that loads style sheets; a subclass may override this.

        Args:
            css_files: their paths, each used once.
        """
        return "".join(
            f'<link href="{xhtml_escape(url)}" type="text/css" rel="stylesheet"/>'
            for url in self._halny_urls(css_files)
        )

    def render_embed_css(self, css_embed: Iterable[bytes]) -> bytes:
        """Return the HTML of style sheets that are part of the page; a subclass may override this.

        Args:
            css_embed: the style sheets.
        """
        return b'<style type="text/css">\n' + b"\n".join(css_embed) + b"\n</style>"

    def _halny_urls(self, paths: Iterable[str]) -> dict[str, None]:
        """Return URLs without repetition, in the order in which they came."""
        unique = dict.fromkeys(paths)
        return dict.fromkeys(path if is_absolute(path) else self.static_url(path) for path in unique)

    def render_string(self, template_name: str, **kwargs: Any) -> bytes:
        """Return a rendered template.

        Args:
            template_name: the template.
            **kwargs: what the template can use, besides what `get_template_namespace` gives.
        """
        path = self.get_template_path()
        if path is None:
            path = _folder_of_caller()
        namespace = self.get_template_namespace()
        namespace.update(kwargs)
        return self._halny_loader(path).load(template_name).generate(**namespace)

    def get_template_path(self) -> str | None:
        """Return the folder of this handler's templates: by default the setting `template_path`; for subclasses.

        None means the folder of the file that renders the template.
        """
        return cast("str | None", self.application.settings.get("template_path"))

    def get_template_namespace(self) -> dict[str, Any]:
        """Return what all templates of this handler can use; a subclass may add to it."""
        locale = self.locale
        namespace = {
            "handler": self,
            "request": self.request,
            "current_user": self.current_user,
            "locale": locale,
            "_": locale.translate,
            "pgettext": locale.pgettext,
            "static_url": self.static_url,
            "xsrf_form_html": self.xsrf_form_html,
            "reverse_url": self.reverse_url,
        }
        namespace.update(self.ui)
        return namespace

    def create_template_loader(self, template_path: str) -> BaseLoader:
        """Return a new loader for a folder of templates; a subclass may override this.

        It is the setting `template_loader` if there is one, or else a loader of files to which the settings
        `autoescape` and `template_whitespace` apply. One loader is made for each folder, and kept.

        Args:
            template_path: the folder.

        Raises:
            TypeError: the setting `autoescape` names nothing.
        """
        settings = self.application.settings
        if "template_loader" in settings:
            return cast("BaseLoader", settings["template_loader"])
        options: dict[str, Any] = {}
        if "autoescape" in settings:
            name: object = settings["autoescape"]
            if name is not None and not (isinstance(name, str) and name):
                raise TypeError(f"the setting 'autoescape' is the name of a function, or None for none, not {name!r}")
            options["autoescape"] = name
        if "template_whitespace" in settings:
            options["whitespace"] = settings["template_whitespace"]
        return Loader(template_path, **options)

    def _halny_loader(self, path: str) -> BaseLoader:
        loader = self._halny_own_loaders.get(path)
        if loader is not None:
            return loader
        known = self._template_loaders.setdefault(self.application, {})
        # Two handler classes may make different loaders for a folder.
        key = (type(self).create_template_loader, path)
        loader = known.get(key)
        if loader is None:
            loader = known.setdefault(key, self.create_template_loader(path))
        if not self.application.settings.get("compiled_template_cache", True):
            loader.reset()
        self._halny_own_loaders[path] = loader
        return loader

    @cached_property
    def _halny_own_loaders(self) -> dict[str, BaseLoader]:
        return {}

    # UI modules and methods

    @property
    def ui(self) -> Any:
        """The UI methods, bound to this handler, and the UI modules as `modules`: part of the templates' namespace."""
        if self._halny_ui is None:
            modules = UIModuleNamespace(self._halny_me)
            methods = self.application.ui_methods
            names: dict[str, Any] = {name: partial(method, self) for name, method in methods.items()}
            self._halny_ui = ObjectDict(names, _tt_modules=modules, modules=modules)
        return self._halny_ui

    @ui.setter
    def ui(self, value: Any) -> None:
        self._halny_ui = value

    @property
    def _halny_me(self) -> RequestHandler:
        return cast("RequestHandler", self)

    def _halny_active_modules(self) -> dict[str, UIModule]:
        """Return the UI modules that have been rendered, by name."""
        modules: dict[str, UIModule] = getattr(self, "_active_modules", {})
        return modules

    def _halny_ui_module_renderer(self, name: str) -> Callable[..., str | bytes]:
        """Return what renders a UI module; for the templates.

        Args:
            name: the module's name.

        Raises:
            KeyError: there is no such module.
        """
        module = self._halny_active_modules().get(name)
        if module is not None:
            return cast("Callable[..., str | bytes]", module.render)
        module_class = self.application.ui_modules[name]

        def render(*args: Any, **kwargs: Any) -> str | bytes:
            # A module that is only named, and not rendered, brings nothing to the page.
            active = self._halny_active_modules().get(name)
            if active is None:
                active = module_class(self._halny_me)
                vars(self).setdefault("_active_modules", {})[name] = active
            return cast("str | bytes", active.render(*args, **kwargs))

        return render

    # URLs

    def reverse_url(self, name: str, *args: Any) -> str:
        """Return the path of a named route; see `Application.reverse_url`.

        Args:
            name: the route's name.
            *args: what takes the places of its pattern's groups.
        """
        return self.application.reverse_url(name, *args)

    def static_url(self, path: str, include_host: bool | None = None, **kwargs: Any) -> str:
        """Return the URL of a static file, with its version, so that the client may keep it for long.

        The setting `static_path` is needed.

        Args:
            path: the file's path below `static_path`.
            include_host: whether the URL is absolute; by default the handler's attribute `include_host`, or not.
            **kwargs: passed on to `make_static_url` of the static handler class.
        """
        from ._static import StaticFileHandler

        self.require_setting("static_path", "static_url")
        settings = self.application.settings
        make = settings.get("static_handler_class", StaticFileHandler).make_static_url
        if include_host is None:
            include_host = getattr(self, "include_host", False)
        base = f"{self.request.protocol}://{self.request.host}" if include_host else ""
        return base + cast("str", make(settings, path, **kwargs))


def _insert(name: str, page: bytes, parts: list[str | bytes], mark: bytes, position: int) -> bytes:
    if position < 0:
        raise ValueError(f"the UI modules of {name!r} need a {mark.decode()} before which their parts can go")
    return page[:position] + b"".join([utf8(part) + b"\n" for part in parts]) + page[position:]


def _folder_of_caller() -> str:
    """Return the folder of the file that called the framework."""
    frame = inspect.currentframe()
    assert frame is not None
    while frame.f_back is not None and os.path.dirname(frame.f_code.co_filename) == _PACKAGE:  # noqa: PTH120
        frame = frame.f_back
    return os.path.dirname(os.path.abspath(frame.f_code.co_filename))  # noqa: PTH100, PTH120
