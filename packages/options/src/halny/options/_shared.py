"""The one `OptionParser` that a program's modules share, and its methods as functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from ._parser import OptionParser
from .log import define_logging_options

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from ._types import Kind

options = OptionParser()
"""The options of the program."""


def define(
    name: str,
    default: Any = None,
    type: Kind | None = None,  # noqa: A002 - the public name
    help: str | None = None,  # noqa: A002 - the public name
    metavar: str | None = None,
    multiple: bool = False,
    group: str | None = None,
    callback: Callable[[Any], object] | None = None,
) -> None:
    """Define an option of the program: see `OptionParser.define`.

    Args:
        name: its name; dashes and underscores are the same.
        default: its value until another one is set.
        type: what its text is read as; by default the type of `default`, or `str`.
        help: what the help says of it.
        metavar: what stands for the value in the help.
        multiple: whether the value is a list.
        group: where in the help it stands; by default the file that defines it.
        callback: called with each new value.

    Raises:
        Error: there is such an option already.
    """
    options.define(
        name,
        default=default,
        type=type,
        help=help,
        metavar=metavar,
        multiple=multiple,
        group=group,
        callback=callback,
    )


def parse_command_line(args: list[str] | None = None, final: bool = True) -> list[str]:
    """Set the program's options from a command line: see `OptionParser.parse_command_line`.

    Args:
        args: the command line with the program's name in front; `sys.argv` where it is `None`.
        final: whether this is the last source of options.

    Raises:
        Error: an option is unknown, or its value can't be read.
    """
    return options.parse_command_line(args, final=final)


def parse_config_file(path: str | os.PathLike[str], final: bool = True) -> None:
    """Set the program's options from a configuration file: see `OptionParser.parse_config_file`.

    Args:
        path: the file; it is run as Python code.
        final: whether this is the last source of options.

    Raises:
        Error: a value is not of its option's type.
        OSError: the file can't be read.
    """
    options.parse_config_file(path, final=final)


def print_help(file: TextIO | None = None) -> None:
    """Print the program's options: see `OptionParser.print_help`.

    Args:
        file: where to; `sys.stderr` where it is `None`.
    """
    options.print_help(file)


def add_parse_callback(callback: Callable[[], object]) -> None:
    """Have a function called when all options are parsed.

    Args:
        callback: called without arguments.
    """
    options.add_parse_callback(callback)


define_logging_options(options)
