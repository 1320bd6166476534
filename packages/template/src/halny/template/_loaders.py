"""Where templates come from: files, a dictionary, the resources of a package, or a chain of such places.

A loader keeps each template once it is loaded. A name is a path with `/` between its parts, taken from the loader's
root; a name inside a template starts from that template's folder. No name leads out of the root.
"""

from __future__ import annotations

import errno
import os
import posixpath
import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ._errors import TemplateNotFound
from ._template import Template

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from importlib.resources.abc import Traversable


MAX_LOADING: Final = 50
"""The limit of templates of which each extends or includes the next. Loading one takes a few calls for each, and
Python's own limit of calls, at about a hundred, would not say what is wrong."""


_IMPOSSIBLE: Final = frozenset({errno.ENAMETOOLONG, errno.ELOOP})
"""What the system says of a name that can't be a file's."""


class TemplateText(NamedTuple):
    """What a loader has read."""

    text: str | bytes
    """The text of a template, or its UTF-8 bytes."""
    path: str | None = None
    """Where it is on disk, for tracebacks; `None` when it isn't there."""


class BaseLoader:
    """The base of all loaders: names, the cache, and the defaults of its templates.

    A loader of your own overrides `read`, and `resolve_path` if its names are not paths.

    Args:
        autoescape: The name of the function that escapes each value; `None` for none.
        namespace: What all templates can use.
        whitespace: What happens to whitespace: see [`filter_whitespace`][halny.template.filter_whitespace]. By default
            each template's name decides.
    """

    def __init__(
        self,
        autoescape: str | None = "xhtml_escape",
        namespace: dict[str, Any] | None = None,
        whitespace: str | None = None,
    ) -> None:
        self.autoescape = autoescape
        self.namespace: dict[str, Any] = namespace or {}
        self.whitespace = whitespace
        self.templates: dict[str, Template] = {}
        # Loading is done by one thread at a time, since a template loads those that it extends and includes.
        self.lock = threading.RLock()
        self._loading: list[str] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {len(self.templates)} loaded>"

    def reset(self) -> None:
        """Forgets all templates, so that they are read again."""
        with self.lock:
            self.templates = {}

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        """Makes a name that stands in a template one that starts at the root.

        Args:
            name: The name.
            parent_path: The template that it stands in; `None` when it stands in none.

        Returns:
            The name from the root. It may still lead out of it; then there is no such template.
        """
        if parent_path is None or parent_path.startswith(("<", "/")) or name.startswith("/"):
            return name
        return posixpath.normpath(posixpath.join(posixpath.dirname(parent_path), name))

    def load(self, name: str, parent_path: str | None = None) -> Template:
        """Gives a template, compiled.

        Args:
            name: Its name.
            parent_path: The template in which the name stands, if it stands in one.

        Returns:
            The template; the same one each time, until `reset`.

        Raises:
            TemplateNotFound: There is none of that name.
            ParseError: It is wrong. Nothing is kept of it then.
        """
        name = self.resolve_path(name, parent_path=parent_path)
        with self.lock:
            template = self.templates.get(name)
            if template is None:
                template = self._load(name)
            return template

    def read(self, name: str) -> TemplateText:
        """Reads the text of a template: what a loader of your own overrides.

        Args:
            name: The name, from the root.

        Returns:
            The text, and where it is on disk.

        Raises:
            TemplateNotFound: There is none of that name; so says a loader that does not override this.
        """
        raise TemplateNotFound(name)

    def _load(self, name: str) -> Template:
        if len(self._loading) >= MAX_LOADING:
            raise LookupError(f"more than {MAX_LOADING} templates that extend or include each other")
        if name in self._loading:
            chain = " → ".join([*self._loading[self._loading.index(name) :], name])
            raise LookupError(f"circular use of templates: {chain}")
        self._loading.append(name)
        try:
            template = self.templates[name] = self._create_template(name)
        finally:
            self._loading.pop()
        return template

    def _create_template(self, name: str) -> Template:
        text, path = self.read(name)
        return Template(text, name=name, loader=self, path=path)


class Loader(BaseLoader):
    """Loads templates from the files below a folder.

    Symbolic links are followed: whoever may put a link into the folder may put a template there.

    Args:
        root_directory: The folder.
        kwargs: The arguments of [`BaseLoader`][halny.template.BaseLoader].
    """

    def __init__(self, root_directory: str | os.PathLike[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.root = os.path.abspath(root_directory)  # noqa: PTH100 - Path.resolve would follow links

    def resolve_path(self, name: str, parent_path: str | None = None) -> str:
        """Makes a name that stands in a template one that starts at the folder.

        Args:
            name: The name; one that is absolute and inside the folder is taken from there.
            parent_path: The template that it stands in; `None` when it stands in none.

        Returns:
            The name from the root.
        """
        if parent_path is not None:
            parent_path = self._from_root(parent_path)
        return super().resolve_path(self._from_root(name), parent_path)

    def read(self, name: str) -> TemplateText:
        """Reads a file below the folder.

        Args:
            name: Its path from there.

        Returns:
            The text and the path on disk.

        Raises:
            TemplateNotFound: There is no such file, or the name leads out of the folder.
        """
        path = os.path.normpath(os.path.join(self.root, name))  # noqa: PTH118 - as above
        # "../pages/a.html" leads out too, though it comes back.
        if not self._inside(path) or os.path.normpath(name).startswith(os.pardir + os.sep):
            raise TemplateNotFound(name, "the name leads out of the loader's root")
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - pathlib would be a third of this package's import time
                return TemplateText(file.read(), path)
        except (OSError, ValueError) as error:
            if _is_absence(error):
                raise TemplateNotFound(name, f"no such template below {self.root}") from error
            raise

    def _from_root(self, name: str) -> str:
        """An absolute path inside the folder as a name; other names as they are."""
        path = os.path.normpath(name)
        return path[len(self.root) :].lstrip(os.sep).replace(os.sep, "/") if self._inside(path) else name

    def _inside(self, path: str) -> bool:
        return path.startswith(os.path.join(self.root, ""))  # noqa: PTH118


class DictLoader(BaseLoader):
    """Loads templates from a dictionary: for tests, and for templates that are part of a program.

    Args:
        dict: The templates by their names.
        kwargs: The arguments of [`BaseLoader`][halny.template.BaseLoader].
    """

    def __init__(self, dict: Mapping[str, str | bytes], **kwargs: Any) -> None:  # noqa: A002 - the name is the API's
        super().__init__(**kwargs)
        self.dict = dict

    def read(self, name: str) -> TemplateText:
        """Looks a template up.

        Args:
            name: Its name.

        Returns:
            The text.

        Raises:
            TemplateNotFound: There is none of that name.
        """
        try:
            return TemplateText(self.dict[name])
        except KeyError as error:
            raise TemplateNotFound(name) from error


class PackageLoader(BaseLoader):
    """Loads templates from the resources of an installed package, in a zip file too.

    Args:
        package: The package's name, such as `app.views`.
        path: The folder of the templates in it.
        kwargs: The arguments of [`BaseLoader`][halny.template.BaseLoader].

    Raises:
        ModuleNotFoundError: There is no such package.
    """

    def __init__(self, package: str, path: str = "templates", **kwargs: Any) -> None:
        from importlib.resources import files  # half of this package's import time, and rarely needed

        super().__init__(**kwargs)
        root: Traversable = files(package)
        self.root = root.joinpath(*path.split("/")) if path else root

    def read(self, name: str) -> TemplateText:
        """Reads a resource.

        Args:
            name: Its path in the folder of the templates.

        Returns:
            The text, and where it is if it is a file.

        Raises:
            TemplateNotFound: There is no such resource, or the name leads out of the folder.
        """
        parts = name.split("/")
        if any(part in {"", ".", ".."} or "\\" in part or ":" in part for part in parts):
            raise TemplateNotFound(name, "the name leads out of the loader's root")
        resource = self.root.joinpath(*parts)
        try:
            text = resource.read_bytes()
        except (OSError, KeyError, ValueError) as error:
            if _is_absence(error):
                raise TemplateNotFound(name, f"no such template in {self.root}") from error
            raise
        return TemplateText(text, os.fspath(resource) if isinstance(resource, os.PathLike) else None)


class ChainLoader(BaseLoader):
    """Loads each template from the first of several loaders that has it, so that an application can replace those of
    a library.

    Templates of one place may extend and include those of another. Only `read` of the loaders is used: names,
    defaults, namespace and cache are the chain's own.

    Args:
        loaders: Where to look, in this order.
        kwargs: The arguments of [`BaseLoader`][halny.template.BaseLoader].
    """

    def __init__(self, loaders: Iterable[BaseLoader], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loaders = tuple(loaders)

    def read(self, name: str) -> TemplateText:
        """Asks one loader after the other.

        Args:
            name: The name of the template.

        Returns:
            What the first that has it has read.

        Raises:
            TemplateNotFound: None of them has it.
        """
        for loader in self.loaders:
            try:
                return loader.read(name)
            except TemplateNotFound:
                continue
        raise TemplateNotFound(name, f"no such template in {len(self.loaders)} loaders")


def _is_absence(error: Exception) -> bool:
    """Whether an error says that there is no such file; others, of a disk or of permissions, pass through.

    What isn't an `OSError` is one about the name: a NUL in it, or one that a zip file doesn't have.
    """
    if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
        return True
    return not isinstance(error, OSError) or error.errno in _IMPOSSIBLE
