"""What is wrong with an application's rules, found when they are made and not at each request.

Only what can never answer is refused, and only where the application finds handlers in the usual way. A rule whose
target is None, or otherwise false, is no mistake: it is there for its name, or switched off.
"""

from __future__ import annotations

import os
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from halny.http import HTTPServerConnectionDelegate

from ._handler import RequestHandler
from ._static import StaticFileHandler

if TYPE_CHECKING:
    from collections.abc import Sequence


def require_target(target: Any) -> None:
    """Raise TypeError for a rule's target that would answer nothing."""
    if callable(target) or isinstance(target, HTTPServerConnectionDelegate) or not target:
        return
    if isinstance(target, ModuleType):
        hint = ": name the handler in that module"
    elif isinstance(target, RequestHandler):
        hint = f": give the class, {type(target).__name__}, without calling it"
    else:
        hint = ""
    raise TypeError(
        f"the target of a rule is a handler class or its full name, a router, a callable or a list of rules, "
        f"not {target!r}{hint}"
    )


def require_arguments(handler_class: type[RequestHandler], kwargs: Any) -> None:
    """Raise TypeError for arguments with which a handler can never be made."""
    if kwargs and not hasattr(kwargs, "keys"):
        hint = ": the name of a route comes fourth" if isinstance(kwargs, str) else ""
        raise TypeError(f"the arguments of a handler's initialize() are a dict, not {kwargs!r}{hint}")
    if issubclass(handler_class, StaticFileHandler) and _is_made_as_usual(handler_class):
        name = handler_class.__name__
        if "path" not in kwargs:
            raise TypeError(f"{name} needs the argument 'path', the directory of its files, but has {kwargs!r}")
        path = kwargs["path"]
        # A subclass may make of it what it likes, and None is that of a program that has no such directory today.
        if handler_class is StaticFileHandler and path is not None and not isinstance(path, (str, os.PathLike)):
            raise TypeError(f"the argument 'path' of {name} is a directory, as text or a path, not {path!r}")


def _is_made_as_usual(handler_class: type[StaticFileHandler]) -> bool:
    return (
        handler_class.initialize is StaticFileHandler.initialize and handler_class.__init__ is RequestHandler.__init__
    )


def require_handler_class(value: Any, setting: str) -> None:
    """Raise TypeError for a setting that is to be a handler class."""
    if value and not (isinstance(value, type) and issubclass(value, RequestHandler)):
        raise TypeError(f"the setting {setting!r} is a subclass of RequestHandler, not {value!r}")


def require_transforms(transforms: Any) -> None:
    """Raise TypeError for what can be no list of output transforms."""
    try:
        iter(transforms)
    except TypeError:
        raise TypeError(f"transforms are a list of classes, even a single one, not {transforms!r}") from None
    if isinstance(transforms, (list, tuple)):
        for transform in cast("Sequence[Any]", transforms):
            require_transform(transform)


def require_transform(transform: Any) -> None:
    """Raise TypeError for what can be no output transform."""
    if not callable(transform):
        raise TypeError(f"an output transform is a subclass of OutputTransform, not {transform!r}")
