"""Every public name that users of Tornado 6.6 know of these modules, and how it is called."""

from __future__ import annotations

import importlib
import inspect
import subprocess
import sys
from typing import Any

import pytest

# Names and signatures, without annotations; None where only the name matters.
MODULES = ["halny.options", "halny.log", "halny.options.log"]

API: dict[str, dict[str, str | None]] = {
    "halny.options": {
        "options": None,
        "add_parse_callback": "(callback)",
        "define": "(name, default=None, type=None, help=None, metavar=None, multiple=False, group=None, callback=None)",
        "parse_command_line": "(args=None, final=True)",
        "parse_config_file": "(path, final=True)",
        "print_help": "(file=None)",
        "Error": None,
        "OptionParser": "(self)",
        "OptionParser.add_parse_callback": "(self, callback)",
        "OptionParser.as_dict": "(self)",
        "OptionParser.define": (
            "(self, name, default=None, type=None, help=None, metavar=None, multiple=False, group=None, callback=None)"
        ),
        "OptionParser.group_dict": "(self, group)",
        "OptionParser.groups": "(self)",
        "OptionParser.items": "(self)",
        "OptionParser.mockable": "(self)",
        "OptionParser.parse_command_line": "(self, args=None, final=True)",
        "OptionParser.parse_config_file": "(self, path, final=True)",
        "OptionParser.print_help": "(self, file=None)",
        "OptionParser.run_parse_callbacks": "(self)",
    },
    "halny.log": {
        "access_log": None,
        "app_log": None,
        "colorama": None,
        "gen_log": None,
        "define_logging_options": "(options=None)",
        "enable_pretty_logging": "(options=None, logger=None)",
        "LogFormatter": "...",
        "LogFormatter.DEFAULT_COLORS": None,
        "LogFormatter.DEFAULT_DATE_FORMAT": None,
        "LogFormatter.DEFAULT_FORMAT": None,
        "LogFormatter.format": "(self, record)",
    },
}

# Where Halny takes more than that, or says the same in another way.
EXTRA = {
    ("halny.log", "LogFormatter"): (
        "(self, fmt='%(color)s[%(levelname)1.1s %(asctime)s %(module)s:%(lineno)d]%(end_color)s %(message)s', "
        "datefmt='%y%m%d %H:%M:%S', style='%', color=True, colors={10: 4, 20: 2, 30: 3, 40: 1, 50: 5})"
    ),
}


def plain(function: Any) -> str:
    """Return a signature without annotations, and with the constructor's `self`."""
    signature = inspect.signature(function)
    parameters = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()]
    return str(signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


CASES = [(module, name, expected) for module, names in API.items() for name, expected in names.items()]


@pytest.mark.parametrize(("module", "name", "expected"), CASES)
def test_every_name_is_there_and_is_called_the_same(module: str, name: str, expected: str | None) -> None:
    holder: Any = importlib.import_module(module)
    *path, last = name.split(".")
    for part in path:
        holder = getattr(holder, part)
    found = getattr(holder, last)
    if expected is None:
        return
    if inspect.isclass(found):
        found = found.__init__
    elif inspect.ismethod(found):
        found = found.__func__
    expected = EXTRA.get((module, name), expected)
    assert plain(found) == expected


@pytest.mark.parametrize("module", MODULES)
def test_each_module_can_be_imported_alone(module: str) -> None:
    program = (
        f"import sys, {module} as module\n"
        "assert len(set(module.__all__)) == len(module.__all__)\n"
        "for name in module.__all__: getattr(module, name)\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=60)
