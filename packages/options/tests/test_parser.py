from __future__ import annotations

import copy
import datetime as dt
import io
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest

import halny.options
from halny.options import Error, OptionParser

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def options() -> OptionParser:
    parser = OptionParser()
    parser.define("port", default=80, help="the port", group="net")
    parser.define("log_file", type=str)
    parser.define("debug", default=False)
    parser.define("workers", type=int, multiple=True)
    parser.define("names", default=["a"], multiple=True)
    parser.define("timeout", type=dt.timedelta)
    return parser


def parse(options: OptionParser, *words: str) -> list[str]:
    return options.parse_command_line(["program", *words])


# --- definition and values ---


def test_values_are_attributes_and_items(options: OptionParser) -> None:
    assert options.port == options["port"] == 80
    assert options.log_file is None
    assert options["log-file"] is None
    assert options.workers == []
    assert options.names == ["a"]
    options.port = 81
    options["log-file"] = "x"
    changed: tuple[Any, Any] = (options["port"], options.log_file)
    assert changed == (81, "x")
    assert "log_file" in options
    assert "log-file" in options
    assert "other" not in options
    assert 5 not in options
    assert list(options) == ["help", "port", "log_file", "debug", "workers", "names", "timeout"]
    assert dict(options.items()) == options.as_dict()
    assert options.as_dict()["port"] == 81
    options.port = None
    assert options.port is None


def test_groups(options: OptionParser) -> None:
    assert options.groups() == {"", "net", __file__}
    assert options.group_dict("net") == {"port": 80}
    assert options.group_dict("") == options.as_dict()
    assert options.group_dict("other") == {}


def test_an_option_is_defined_once(options: OptionParser) -> None:
    with pytest.raises(Error, match=r"Option 'log-file' already defined in .*test_parser\.py"):
        options.define("log-file")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("port", "80", "required to be a int"),
        ("port", 8.0, "required to be a int"),
        ("workers", 3, "required to be a list of int"),
        ("workers", ["x"], "required to be a list of int"),
        ("timeout", 5, "required to be a timedelta"),
    ],
)
def test_a_value_of_another_type_is_refused(options: OptionParser, name: str, value: Any, expected: str) -> None:
    before = options[name]
    with pytest.raises(Error, match=expected):
        setattr(options, name, value)
    assert options[name] == before


def test_unknown_names(options: OptionParser) -> None:
    for use in (
        lambda: options.other,
        lambda: options["other"],
        lambda: setattr(options, "other", 1),
        lambda: options.__setitem__("other", 1),
    ):
        with pytest.raises(AttributeError, match="Unrecognized option 'other'"):
            use()


def test_a_parser_can_be_copied(options: OptionParser) -> None:
    duplicate = copy.deepcopy(options)
    duplicate.port = 1
    assert options.port == 80


# --- the command line ---


@pytest.mark.parametrize(
    ("words", "remaining", "changed"),
    [
        ([], [], {}),
        (["--port=5", "x", "--port=6"], ["x", "--port=6"], {"port": 5}),
        (["-port=5"], [], {"port": 5}),
        (["--debug"], [], {"debug": True}),
        (["--debug=false"], [], {}),
        (["--log-file=a=b"], [], {"log_file": "a=b"}),
        (["--log_file="], [], {"log_file": ""}),
        (["--workers=1:3,7"], [], {"workers": [1, 2, 3, 7]}),
        (["--timeout=1m"], [], {"timeout": dt.timedelta(minutes=1)}),
        (["--", "--port=1"], ["--port=1"], {}),
        (["--port=1", "--"], [], {"port": 1}),
        (["x"], ["x"], {}),
    ],
)
def test_command_lines(options: OptionParser, words: list[str], remaining: list[str], changed: dict[str, Any]) -> None:
    before = options.as_dict()
    assert parse(options, *words) == remaining
    assert {name: value for name, value in options.items() if value != before[name]} == changed


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("--port", "Option 'port' requires a value"),
        ("--port=x", "Option 'port': expected a whole number, got 'x'"),
        ("--debug=maybe", "Option 'debug': expected true or false, got 'maybe'"),
        ("--workers=1,x", "Option 'workers': expected a whole number, got 'x'"),
        ("--timeout=long", "Option 'timeout': expected a length of time"),
    ],
)
def test_bad_values(options: OptionParser, word: str, expected: str) -> None:
    before = options.as_dict()
    with pytest.raises(Error, match=expected):
        parse(options, word)
    assert options.as_dict() == before


@pytest.mark.parametrize("word", ["--other=1", "--", "-", "--=5"])
def test_unknown_options_show_the_help(options: OptionParser, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    if word == "--":
        assert parse(options, word) == []
        return
    with pytest.raises(Error, match="Unrecognized command line option"):
        parse(options, word)
    assert "Usage:" in capsys.readouterr().err


def test_sys_argv_is_the_default(options: OptionParser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["program", "--port=5", "rest"])
    assert options.parse_command_line() == ["rest"]
    assert options.port == 5
    assert options.parse_command_line([]) == []


def test_callbacks(options: OptionParser) -> None:
    seen: list[Any] = []
    options.define("config", type=str, callback=lambda value: seen.append(value))
    options.add_parse_callback(lambda: seen.append("parsed"))
    options.parse_command_line(["program", "--config=x"], final=False)
    assert seen == ["x"]
    options.config = "y"
    parse(options)
    options.run_parse_callbacks()
    assert seen == ["x", "y", "parsed", "parsed"]


# --- configuration files ---


def test_config_file(options: OptionParser, tmp_path: Path) -> None:
    file = tmp_path / "server.conf"
    file.write_text(
        "import os\nport = 40 * 2 + 1\nlog_file = __file__\nworkers = '1:2'\n"
        "names = ['é']\ntimeout = '5m'\nother = 1\n",
        encoding="utf-8",
    )
    seen: list[str] = []
    options.add_parse_callback(lambda: seen.append("parsed"))
    options.parse_config_file(str(file), final=False)
    assert not seen
    options.parse_config_file(file)
    assert seen == ["parsed"]
    assert options.port == 81
    assert options.log_file == str(file)
    assert options.workers == [1, 2]
    assert options.names == ["é"]
    assert options.timeout == dt.timedelta(minutes=5)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("port = 'x'", "expected a whole number"),
        ("port = 1.5", "required to be a int"),
        ("workers = 5", "required to be a list of int or a comma-separated string"),
        ("workers = [1, 'b']", "required to be a list of int"),
        ("debug = 1", "required to be a bool"),
    ],
)
def test_bad_config_files(options: OptionParser, tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "server.conf"
    file.write_text(text)
    with pytest.raises(Error, match=expected):
        options.parse_config_file(file)
    with pytest.raises(FileNotFoundError):
        options.parse_config_file(tmp_path / "missing.conf")


def test_a_config_file_that_the_command_line_names(options: OptionParser, tmp_path: Path) -> None:
    file = tmp_path / "server.conf"
    file.write_text("port = 1\ndebug = True\n")
    options.define("config", type=str, callback=lambda path: options.parse_config_file(path, final=False))
    parse(options, f"--config={file}", "--port=2")
    assert (options.port, options.debug) == (2, True)


# --- help ---


def test_help_fits_the_terminal(options: OptionParser, monkeypatch: pytest.MonkeyPatch) -> None:
    options.define("a-very-long-name-for-an-option", default="x", help="words " * 40, metavar="NAME", group="net")
    monkeypatch.setattr(sys, "argv", ["program"])
    for columns in (20, 60, 80, 200):
        monkeypatch.setenv("COLUMNS", str(columns))
        out = io.StringIO()
        options.print_help(out)
        text = out.getvalue()
        folded = [line for line in text.splitlines() if line.startswith(" ")]
        assert max(map(len, folded)) <= max(columns, 40)
        assert "  --a-very-long-name-for-an-option=NAME\n" in text
        assert "(default x)" in " ".join(text.split())


def test_help_text(options: OptionParser, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys, "argv", ["program"])
    with pytest.raises(SystemExit) as caught:
        parse(options, "--help")
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: program [OPTIONS]\n\nOptions:\n\n  --help ")
    assert "\nnet options:\n\n  --port                         the port (default 80)\n" in text
    assert "\n  --log-file\n" in text
    parse(options, "--help=false")


# --- mockable ---


def test_mockable(options: OptionParser) -> None:
    with mock.patch.object(options.mockable(), "port", 1):
        assert options.port == 1
        with mock.patch.object(options.mockable(), "port", 2):
            assert options.port == 2
        assert options.port == 1
    assert options.port == 80
    with pytest.raises(AttributeError), mock.patch.object(options.mockable(), "other", 1):
        pass


# --- the program's own ---


def test_the_shared_parser_in_a_program(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        """
import logging
from halny.options import add_parse_callback, define, options, parse_command_line, parse_config_file, print_help
import halny.log
assert not logging.getLogger().handlers
assert logging.getLogger().level == logging.WARNING
define("port", default=1)
define("config", callback=lambda path: parse_config_file(path, final=False))
add_parse_callback(lambda: print("parsed", options.port, options.groups() >= {__file__, "logging"}))
print(parse_command_line())
logging.getLogger("halny.general").info("line")
parse_command_line([])
print(len(logging.getLogger().handlers))
print_help()
"""
    )
    config = tmp_path / "server.conf"
    config.write_text("port = 5\n")
    done = subprocess.run(
        [sys.executable, str(program), f"--config={config}", "x"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines() == ["parsed 5 True", "['x']", "parsed 5 True", "1"]
    assert "[I " in done.stderr
    assert done.stderr.count("program:") == 1
    assert "--log-file-prefix=PATH" in done.stderr


def test_the_functions_are_the_shared_parsers() -> None:
    assert "logging" in halny.options.options
    assert halny.options.options.group_dict("logging").keys() == {
        "logging",
        "log_to_stderr",
        "log_file_prefix",
        "log_file_max_size",
        "log_file_num_backups",
        "log_rotate_when",
        "log_rotate_interval",
        "log_rotate_mode",
    }
