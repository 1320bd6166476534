"""Small tools that the other packages and their users share: configurable classes, imports by name and the like.

Nothing here knows of event loops. The module keeps the names that Tornado's users import from `util`.

```python
from halny.util import ObjectDict, import_object

settings = ObjectDict(debug=True)
assert settings.debug
join = import_object("os.path.join")
```
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import re
import sys
import zlib
from typing import TYPE_CHECKING, Any, NoReturn, Self, cast

if TYPE_CHECKING:
    import datetime as dt
    import unittest
    from collections.abc import Callable, Mapping, Sequence
    from types import CodeType, TracebackType

__all__ = [
    "ArgReplacer",
    "Configurable",
    "GzipDecompressor",
    "ObjectDict",
    "TimeoutError",
    "basestring_type",
    "bytes_type",
    "doctests",
    "errno_from_exception",
    "exec_in",
    "import_object",
    "raise_exc_info",
    "re_unescape",
    "timedelta_to_seconds",
    "unicode_type",
]

bytes_type = bytes
"""`bytes`, under the name that old programs use."""
unicode_type = str
"""`str`, under the name that old programs use."""
basestring_type = str
"""`str`, under the name that old programs use."""

TimeoutError = asyncio.TimeoutError  # noqa: A001 - the public name; the builtin itself on every supported Python
"""What every timeout in Halny raises: the built-in `TimeoutError`."""


class ObjectDict(dict[str, Any]):
    """A dictionary whose items can also be read and set as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value


class GzipDecompressor:
    """Decompresses one gzip stream piece by piece, with a bound on what one piece may grow to.

    For a stream of several gzip members make a new object for each.
    """

    def __init__(self) -> None:
        # 16 tells zlib to expect a gzip header and trailer around the deflate stream.
        self.decompressobj = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def decompress(self, value: bytes, max_length: int = 0) -> bytes:
        """Return the bytes that `value` decompresses to, at most `max_length` of them.

        Args:
            value: the next compressed bytes.
            max_length: the most bytes to return; 0 means no limit. What could not be read for
                that reason is in `unconsumed_tail` and has to be passed in again.

        Raises:
            zlib.error: `value` is not part of a gzip stream: the fault of who sent it.
        """
        return self.decompressobj.decompress(value, max_length)

    @property
    def unconsumed_tail(self) -> bytes:
        """The part of the last input that `max_length` left unread."""
        return self.decompressobj.unconsumed_tail

    def flush(self) -> bytes:
        """Return what is still buffered.

        Raises:
            zlib.error: the stream ended in the middle.
        """
        return self.decompressobj.flush()


def import_object(name: str) -> Any:
    """Import an object by its dotted name: `"os"`, `"os.path"` or `"os.path.join"`.

    Args:
        name: a module, or a module and one attribute of it.

    Raises:
        ImportError: there is no such module, or the module has no such attribute.
    """
    if "." not in name:
        return importlib.import_module(name)
    parent, _, last = name.rpartition(".")
    module = importlib.import_module(parent)
    try:
        return getattr(module, last)
    except AttributeError:
        pass
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise ImportError(f"module {parent!r} has no attribute {last!r}", name=name) from None


def exec_in(code: str | CodeType, glob: dict[str, Any], loc: Mapping[str, Any] | None = None) -> None:
    """Run Python code in the given namespaces.

    Args:
        code: source text, or a code object. Never pass text that came from outside.
        glob: the globals.
        loc: the locals; the globals where it is `None`.
    """
    if isinstance(code, str):
        code = compile(code, "<string>", "exec", dont_inherit=True)
    exec(code, glob, loc)  # noqa: S102 - running code is what this function is for


def raise_exc_info(exc_info: tuple[type[BaseException] | None, BaseException | None, TracebackType | None]) -> NoReturn:
    """Raise the exception of a `sys.exc_info()` triple with its traceback.

    Args:
        exc_info: the triple.

    Raises:
        TypeError: the triple holds no exception.
    """
    try:
        if exc_info[1] is None:
            raise TypeError("raise_exc_info called with no exception")
        raise exc_info[1].with_traceback(exc_info[2])
    finally:
        exc_info = (None, None, None)  # the frame would otherwise keep itself alive through the traceback


def errno_from_exception(e: BaseException) -> int | None:
    """Return the `errno` of an exception, wherever it keeps it, or `None`.

    Args:
        e: usually an `OSError`, but some libraries put the number in the first argument only.
    """
    number = getattr(e, "errno", None)
    if number is not None:
        return cast("int", number)
    return e.args[0] if e.args else None


_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_LETTERS_AND_DIGITS = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def _unescape_one(match: re.Match[str]) -> str:
    if match[1] in _LETTERS_AND_DIGITS:
        raise ValueError(f"cannot unescape {match[0]!r}: it stands for more than one character")
    return match[1]


def re_unescape(s: str) -> str:
    r"""Return the text whose `re.escape` is `s`: the reverse of `re.escape`.

    Args:
        s: a pattern made by `re.escape`.

    Raises:
        ValueError: the pattern has an escape that `re.escape` never makes, such as `\d`.
    """
    return _ESCAPE.sub(_unescape_one, s)


def timedelta_to_seconds(td: dt.timedelta) -> float:
    """Return the length of a timedelta in seconds.

    Args:
        td: the timedelta.
    """
    return td.total_seconds()


class Configurable:
    """A base for interfaces whose implementation is chosen at run time.

    Calling the interface makes an object of the implementation set by `configure`, or of the
    default one. A subclass defines `configurable_base` and `configurable_default`, and takes its
    constructor's arguments in `initialize` instead of `__init__`.

    Configuration is for the whole process: make it early, and don't do it in a library.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        base = cls.configurable_base()
        if cls is not base:
            instance = object.__new__(cls)
            instance.initialize(*args, **kwargs)
            return instance
        # A subclass of `cls`, which is the interface: `configure` accepts nothing else.
        implementation = cast("type[Self]", cls.configured_class())
        merged = {**_saved(base)[1], **kwargs}
        if implementation.configurable_base() is not base:
            # The implementation is an interface of its own and may be configured further.
            return implementation(*args, **merged)
        instance = object.__new__(implementation)
        instance.initialize(*args, **merged)
        return instance

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        """Return the class that `configure` is called on: usually the class that defines this method."""
        raise NotImplementedError(f"{cls.__qualname__} must define configurable_base()")

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        """Return the implementation that is used when none was configured."""
        raise NotImplementedError(f"{cls.__qualname__} must define configurable_default()")

    if TYPE_CHECKING:

        def initialize(self, *args: Any, **kwargs: Any) -> None: ...  # subclasses take what arguments they like
    else:

        def initialize(self) -> None:
            """Set the new object up; takes the constructor's arguments, in place of `__init__`."""

    @classmethod
    def configure(cls, impl: str | type[Configurable] | None, **kwargs: Any) -> None:
        """Choose the class that calling this interface makes an object of.

        Args:
            impl: a subclass, its dotted name, or `None` for the default one.
            **kwargs: default arguments for its constructor.

        Raises:
            ValueError: `impl` is not a subclass: the fault of the caller.
            ImportError: there is no object of the name `impl`.
        """
        base = cls.configurable_base()
        chosen = cast("type[Configurable] | None", import_object(impl) if isinstance(impl, str) else impl)
        # A hook for programs that are not type-checked: any object can come in by name.
        if chosen is not None and not (inspect.isclass(chosen) and issubclass(chosen, cls)):
            raise ValueError(f"expected a subclass of {cls.__qualname__}, got {chosen!r}")
        _restore(base, (chosen, dict(kwargs)))

    @classmethod
    def configured_class(cls) -> type[Configurable]:
        """Return the class that calling this interface makes an object of."""
        base = cls.configurable_base()
        chosen, arguments = _saved(base)
        if chosen is None:
            chosen = base.configurable_default()
            _restore(base, (chosen, arguments))
        return chosen

    @classmethod
    def _save_configuration(cls) -> tuple[type[Configurable] | None, dict[str, Any]]:
        return _saved(cls.configurable_base())

    @classmethod
    def _restore_configuration(cls, saved: tuple[type[Configurable] | None, dict[str, Any]]) -> None:
        _restore(cls.configurable_base(), saved)


_CONFIGURATION = "_configuration_of_this_interface"


def _saved(base: type[Configurable]) -> tuple[type[Configurable] | None, dict[str, Any]]:
    # From the class itself and not by inheritance: an interface may derive from another one.
    saved: tuple[type[Configurable] | None, dict[str, Any]] = vars(base).get(_CONFIGURATION, (None, {}))
    return saved


def _restore(base: type[Configurable], saved: tuple[type[Configurable] | None, dict[str, Any]]) -> None:
    setattr(base, _CONFIGURATION, saved)


class ArgReplacer:
    """Finds and replaces one named argument in a call's positional and keyword arguments.

    For wrappers that have to change an argument without knowing how the caller passed it.
    """

    def __init__(self, func: Callable[..., Any], name: str) -> None:
        self.name = name
        self.arg_pos = _position(func, name)

    def get_old_value(self, args: Sequence[Any], kwargs: dict[str, Any], default: Any = None) -> Any:
        """Return the argument's value in this call, or `default` where it was not passed.

        Args:
            args: the positional arguments of the call.
            kwargs: its keyword arguments.
            default: what to return when the argument is not there.
        """
        if self.arg_pos is not None and len(args) > self.arg_pos:
            return args[self.arg_pos]
        return kwargs.get(self.name, default)

    def replace(
        self, new_value: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[Any, Sequence[Any], dict[str, Any]]:
        """Return the old value (`None` where there was none), and the arguments with the new one in its place.

        Args:
            new_value: what takes the argument's place.
            args: the positional arguments; they are not changed, but a changed copy is returned.
            kwargs: the keyword arguments; changed in place, and returned.
        """
        if self.arg_pos is not None and len(args) > self.arg_pos:
            changed = list(args)
            old, changed[self.arg_pos] = changed[self.arg_pos], new_value
            return old, changed, kwargs
        old = kwargs.get(self.name)
        kwargs[self.name] = new_value
        return old, args, kwargs


def _position(func: Callable[..., Any], name: str) -> int | None:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [p.name for p in inspect.signature(func).parameters.values() if p.kind in positional]
    return names.index(name) if name in names else None


def doctests() -> unittest.TestSuite:
    """Return the doctests of this module as a test suite, for test loaders."""
    import doctest  # it brings the debugger along, which nobody needs who does not test

    return doctest.DocTestSuite(sys.modules[__name__])
