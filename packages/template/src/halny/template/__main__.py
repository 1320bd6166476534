"""The command `python -m halny.template`.

    python -m halny.template check DIR                       compiles every template below DIR
    python -m halny.template render FILE --data data.json    renders a template

The exit status is 0 when all is well, 1 when a template is wrong, and 2 when the command is.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ._errors import ParseError, TemplateNotFound
from ._loaders import Loader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_WRONG_TEMPLATE = 1
_WRONG_COMMAND = 2

_ROOT_HINT = "names start from the folder of FILE; --root sets another\n"


class _CommandError(Exception):
    """The command can't do what it is asked for; says why in one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit status."""
    options = _parser().parse_args(arguments)
    reconfigure = getattr(sys.stdout, "reconfigure", None)  # a stream of another kind may stand there
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")  # names of files and lines of templates may hold anything
    try:
        status = _check(options) if options.command == "check" else _render(options)
        sys.stdout.flush()
    except _CommandError as error:
        sys.stderr.write(f"halny.template: {error}\n")
        return _WRONG_COMMAND
    except BrokenPipeError:
        # Whoever read the output has had enough of it. Python would complain once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _WRONG_COMMAND
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m halny.template", description="Checks and renders templates.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="compile every template below a folder and list the errors")
    check.add_argument("directory", metavar="DIR", help="the folder, which is the root of the templates' names")
    check.add_argument(
        "--glob",
        action="append",
        metavar="PATTERN",
        help="only files with such a name, as in '*.html' (may be repeated); all but hidden files by default",
    )
    render = commands.add_parser("render", help="render a template to the standard output")
    render.add_argument("file", metavar="FILE", help="the template")
    render.add_argument(
        "--data", metavar="JSON", help="a file with an object, whose members are the namespace; - for stdin"
    )
    render.add_argument("--root", metavar="DIR", help="the root of the templates' names; by default FILE's folder")
    for command in (check, render):
        command.add_argument("--autoescape", default="xhtml_escape", help="the function that escapes values, or 'None'")
        command.add_argument("--whitespace", choices=("all", "single", "oneline"), help="by default names decide")
    return parser


def _loader(root: str, options: argparse.Namespace) -> Loader:
    autoescape = None if options.autoescape == "None" else options.autoescape
    return Loader(root, autoescape=autoescape, whitespace=options.whitespace)


def _check(options: argparse.Namespace) -> int:
    root = options.directory
    if not Path(root).is_dir():
        raise _CommandError(f"no such folder: {root}")
    loader = _loader(root, options)
    count = wrong = 0
    for name in _names(root, options.glob or ["*"]):
        count += 1
        try:
            loader.load(name)
        except ParseError as error:
            wrong += 1
            _complain(root, name, error)
        except OSError as error:
            wrong += 1
            sys.stdout.write(f"{os.path.join(root, name)}: {error}\n")  # noqa: PTH118 - shows the path as it was given
    if not count:
        # Most likely the pattern or the folder is mistyped; "no errors" would hide that for good.
        raise _CommandError(f"no templates below {root}")
    sys.stdout.write(f"{count} templates, {wrong} with errors\n")
    return _WRONG_TEMPLATE if wrong else 0


def _names(root: str, patterns: list[str]) -> Iterator[str]:
    """The names of the templates below a folder, in order."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            if not file.startswith(".") and any(fnmatch.fnmatch(file, pattern) for pattern in patterns):
                yield os.path.relpath(os.path.join(folder, file), root).replace(os.sep, "/")  # noqa: PTH118


def _complain(root: str, name: str, error: ParseError) -> None:
    """One line for an error, and below it the line of the template."""
    place = os.path.join(root, error.filename or name)  # noqa: PTH118 - as above
    through = f" (in {name})" if error.filename not in {None, name} else ""
    sys.stdout.write(f"{place}:{error.lineno}: {error.message}{through}\n")
    if error.line and error.line.strip():
        sys.stdout.write(f"    {error.line.strip()}\n")


def _render(options: argparse.Namespace) -> int:
    path = Path(options.file)
    root = Path(options.root) if options.root else path.parent
    if not path.is_file():
        raise _CommandError(f"no such file: {path}")
    namespace = _data(options.data)
    loader = _loader(str(root), options)
    try:
        template = loader.load(os.path.relpath(path, root).replace(os.sep, "/"))
        if template.is_async:
            import asyncio  # only templates that await need it

            page = asyncio.run(template.generate_async(**namespace))
        else:
            page = template.generate(**namespace)
    except TemplateNotFound as error:
        raise _CommandError(str(error)) from error
    except ParseError as error:
        hint = isinstance(error.__cause__, TemplateNotFound) and not options.root
        sys.stderr.write(f"{error}\n{_ROOT_HINT if hint else ''}")
        return _WRONG_TEMPLATE
    except Exception:  # noqa: BLE001 - a template runs code of its own; this shows what came of it
        sys.stderr.write(traceback.format_exc())
        return _WRONG_TEMPLATE
    sys.stdout.buffer.write(page)
    return 0


def _data(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        data = json.loads(sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _CommandError(f"can't read {path}: {error}") from error
    if not isinstance(data, dict):
        raise _CommandError(f"expected a JSON object in {path}, not {type(data).__name__}")
    return cast("dict[str, Any]", data)


if __name__ == "__main__":
    sys.exit(main())
