"""`OptionParser`: options by name, set from the command line, from configuration files, or as attributes.

Names are kept with dashes, so `log_file` and `log-file` are the same option. Values are checked when they are set,
wherever they come from. Modules define their options when they are imported; the program parses them all once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from ._errors import Error
from ._help import format_help
from ._option import Option

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator
    from types import FrameType

    from ._types import Kind

_HERE = str(Path(__file__).parent)


class OptionParser:
    """A set of options. Most programs use the one that is `halny.options.options`.

    The value of an option is an attribute, `options.port`, or an item, `options["port"]`; both can be set, too.
    Iterating gives the names.
    """

    _options: dict[str, Option]
    _parse_callbacks: list[Callable[[], object]]

    def __init__(self) -> None:
        # Not through __setattr__, which knows only options.
        self.__dict__["_options"] = {}
        self.__dict__["_parse_callbacks"] = []
        self.define("help", type=bool, help="show this help information", callback=self._help_callback, group="")

    # --- values ---------------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        if name == "_options":  # while it is copied or unpickled
            raise AttributeError(name)
        return self._find(name).value()

    def __setattr__(self, name: str, value: Any) -> None:
        self._find(name).set(value)

    def __getitem__(self, name: str) -> Any:
        return self._find(name).value()

    def __setitem__(self, name: str, value: Any) -> None:
        self._find(name).set(value)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _normalize(name) in self._options

    def __iter__(self) -> Iterator[str]:
        return (option.name for option in self._options.values())

    def items(self) -> list[tuple[str, Any]]:
        """Return the names and values of all options."""
        return [(option.name, option.value()) for option in self._options.values()]

    def groups(self) -> set[str]:
        """Return the names of the groups that options were defined in."""
        return {option.group_name or "" for option in self._options.values()}

    def group_dict(self, group: str) -> dict[str, Any]:
        """Return the names and values of the options of one group, or of all.

        ```python
        define("template_path", group="application")
        define("static_path", group="application")
        parse_command_line()
        application = Application(handlers, **options.group_dict("application"))
        ```

        Args:
            group: the group's name; with `""`, all options.
        """
        return {
            option.name: option.value() for option in self._options.values() if not group or option.group_name == group
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the names and values of all options."""
        return dict(self.items())

    def _find(self, name: str) -> Option:
        try:
            return self._options[_normalize(name)]
        except KeyError:
            raise AttributeError(f"Unrecognized option {name!r}") from None

    # --- definition -----------------------------------------------------------------------------------------------

    def define(
        self,
        name: str,
        default: Any = None,
        type: Kind | None = None,  # noqa: A002 - the public name
        help: str | None = None,  # noqa: A002 - the public name
        metavar: str | None = None,
        multiple: bool = False,
        group: str | None = None,
        callback: Callable[[Any], object] | None = None,
    ) -> None:
        """Define an option.

        Args:
            name: its name; dashes and underscores are the same.
            default: its value until another one is set; an empty list for an option of multiple values.
            type: what its text is read as: `str`, `int`, `float`, `bool`, `datetime.datetime`, `datetime.timedelta`, or
                any callable that takes the text. By default the type of `default`, or `str`.
            help: what the help says of it.
            metavar: what stands for the value in the help: `--name=METAVAR`.
            multiple: whether the value is a list; its text is comma-separated, and integers may be ranges, `0:3`.
            group: where in the help it stands, and what `group_dict` finds it by; by default the file that defines it.
            callback: called with each new value, such as one that loads the configuration file of that name.

        Raises:
            Error: there is such an option already.
        """
        key = _normalize(name)
        if key in self._options:
            raise Error(f"Option {key!r} already defined in {self._options[key].file_name}")
        caller = _caller(sys._getframe(1))  # pyright: ignore[reportPrivateUsage] - inspect.currentframe can be None
        self._options[key] = Option(
            name,
            default=default,
            type=_type_of(default, multiple) if type is None else type,
            help=help,
            metavar=metavar,
            multiple=multiple,
            file_name=caller,
            group_name=caller if group is None else group,
            callback=callback,
        )

    def add_parse_callback(self, callback: Callable[[], object]) -> None:
        """Have a function called when all options are parsed.

        Args:
            callback: called without arguments.
        """
        self._parse_callbacks.append(callback)

    def run_parse_callbacks(self) -> None:
        """Call what was given to `add_parse_callback`."""
        for callback in self._parse_callbacks:
            callback()

    # --- parsing --------------------------------------------------------------------------------------------------

    def parse_command_line(self, args: list[str] | None = None, final: bool = True) -> list[str]:
        """Set the options from a command line, and return what follows them.

        Options look like `--name=value`; a `bool` may be just `--name`. The first word without a dash ends them,
        or `--`, which is left out.

        Args:
            args: the command line with the program's name in front; `sys.argv` where it is `None`.
            final: whether this is the last source of options; else the parse callbacks are not called, so that
                a configuration file can follow.

        Raises:
            Error: an option is unknown, or its value can't be read: the fault of the user.
        """
        words = sys.argv if args is None else args
        remaining: list[str] = []
        for index, word in enumerate(words[1:], 1):
            if word == "--" or not word.startswith("-"):
                remaining = words[index + (word == "--") :]
                break
            self._parse_word(word)
        if final:
            self.run_parse_callbacks()
        return remaining

    def _parse_word(self, word: str) -> None:
        name, equals, value = word.lstrip("-").partition("=")
        option = self._options.get(_normalize(name))
        if option is None:
            self.print_help()
            raise Error(f"Unrecognized command line option: {name!r}")
        if not equals:
            if option.type is not bool:
                raise Error(f"Option {option.name!r} requires a value")
            value = "true"
        option.parse(value)

    def parse_config_file(self, path: str | os.PathLike[str], final: bool = True) -> None:
        """Set the options from a configuration file: Python code, whose global names are options.

        A value is of the option's type, or text as on the command line. Names that are no options are ignored, so the
        file may import and compute. It is run as code: only read files that you would run.

        Args:
            path: the file, in UTF-8. It finds its own path in `__file__`.
            final: whether this is the last source of options; else the parse callbacks are not called.

        Raises:
            Error: a value is not of its option's type: the fault of who wrote the file.
            OSError: the file can't be read.
        """
        file = Path(path)
        names: dict[str, Any] = {"__file__": str(file.absolute())}
        exec(compile(file.read_bytes(), str(file), "exec", dont_inherit=True), names, names)  # noqa: S102 - documented
        for name, value in names.items():
            option = self._options.get(_normalize(name))
            if option is not None:
                option.set_from_file(value)
        if final:
            self.run_parse_callbacks()

    def print_help(self, file: TextIO | None = None) -> None:
        """Print all options, grouped, in the width of the terminal.

        Args:
            file: where to; `sys.stderr` where it is `None`.
        """
        out = sys.stderr if file is None else file
        out.write(format_help(sys.argv[0], self._options.values()))

    def _help_callback(self, value: bool) -> None:
        if value:
            self.print_help(sys.stdout)
            sys.exit(0)

    def mockable(self) -> _Mockable:
        """Return an object whose attributes are the options, for `unittest.mock.patch.object`.

        Patching works by deleting attributes, which an option parser has no use for itself:
        `with mock.patch.object(options.mockable(), "port", 80): ...`
        """
        return _Mockable(self)


class _Mockable:
    def __init__(self, options: OptionParser) -> None:
        self.__dict__["_options"] = options
        self.__dict__["_originals"] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._options, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__["_originals"].setdefault(name, getattr(self._options, name))
        setattr(self._options, name, value)

    def __delattr__(self, name: str) -> None:
        setattr(self._options, name, self.__dict__["_originals"].pop(name))


def _normalize(name: str) -> str:
    return name.replace("_", "-")


def _type_of(default: Any, multiple: bool) -> type:
    if multiple and isinstance(default, list):
        default = default[0] if default else None  # pyright: ignore[reportUnknownVariableType]
    return str if default is None else type(default)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _caller(frame: FrameType | None) -> str:
    """Return the file that called into this package."""
    while frame is not None and str(Path(frame.f_code.co_filename).parent) == _HERE:
        frame = frame.f_back
    return "" if frame is None else frame.f_code.co_filename
