from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from halny.template.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path


class Output:
    """What the command wrote, and its exit status."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    return Run(capfd)


class Run:
    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self.capfd = capfd

    def __call__(self, *arguments: object) -> Output:
        status = main([str(argument) for argument in arguments])
        captured = self.capfd.readouterr()
        return Output(status, captured.out, captured.err)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "templates"
    (folder / "d").mkdir(parents=True)
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "bad.html").write_text("{{")
    (folder / ".bad.html").write_text("{{")
    (folder / "base.html").write_text("<{% block a %}{% end %}>")
    (folder / "page.html").write_text("{% extends 'base.html' %}{% block a %}{{ name }}{% end %}")
    (folder / "d" / "inner.txt").write_text("{% include '../base.html' %}")
    return folder


def test_checking_a_good_folder(run: Run, folder: Path) -> None:
    output = run("check", folder)
    assert (output.status, output.out, output.err) == (0, "3 templates, 0 with errors\n", "")


def test_checking_a_bad_folder(run: Run, folder: Path) -> None:
    (folder / "bad.html").write_text("one\n  {{ a b }}\n")
    (folder / "d" / "uses.html").write_text("{% include '../bad.html' %}")
    (folder / "image.png").write_bytes(b"\x89PNG\xff")
    output = run("check", folder)
    assert output.status == 1
    assert output.out.splitlines() == [
        f"{folder}/bad.html:2: invalid syntax in 'a b'",
        "    {{ a b }}",
        f"{folder}/image.png:1: not UTF-8 (invalid start byte)",
        f"{folder}/bad.html:2: invalid syntax in 'a b' (in d/uses.html)",
        "    {{ a b }}",
        "6 templates, 3 with errors",
    ]
    output = run("check", folder, "--glob", "*.txt", "--glob", "b*.html")
    assert output.out.splitlines()[-1] == "3 templates, 1 with errors"


def test_checking_what_is_no_folder(run: Run, tmp_path: Path) -> None:
    output = run("check", tmp_path / "no")
    assert (output.status, output.err) == (2, f"halny.template: no such folder: {tmp_path / 'no'}\n")


def test_a_file_that_goes_away(run: Run, folder: Path) -> None:
    (folder / "link.html").symlink_to(folder / "nowhere.html")
    output = run("check", folder)
    assert output.status == 1
    assert output.out.startswith(f"{folder}/link.html: no such template")


def test_rendering(run: Run, folder: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.json"
    data.write_text('{"name": "é<"}', encoding="utf-8")
    output = run("render", folder / "page.html", "--data", data)
    assert (output.status, output.out, output.err) == (0, "<é&lt;>", "")
    assert run("render", folder / "page.html", "--data", data, "--autoescape", "None").out == "<é<>"
    assert run("render", folder / "base.html").out == "<>"
    assert run("render", folder / "d" / "inner.txt", "--root", folder).out == "<>"


def test_rendering_from_the_standard_input(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"name": 1}')))
    assert run("render", folder / "page.html", "--data", "-").out == "<1>"


def test_rendering_with_whitespace(run: Run, folder: Path) -> None:
    (folder / "w.html").write_text("a  b")
    assert run("render", folder / "w.html").out == "a b"
    assert run("render", folder / "w.html", "--whitespace", "all").out == "a  b"


def test_rendering_what_awaits(run: Run, folder: Path) -> None:
    (folder / "w.html").write_text("{% import asyncio %}{{ await asyncio.sleep(0, 'x') }}")
    assert run("render", folder / "w.html").out == "x"


@pytest.mark.parametrize("data", ["[1]", "{", '"x"', "\xff", "[" * 100_000])
def test_data_that_is_no_object(run: Run, folder: Path, tmp_path: Path, data: str) -> None:
    (tmp_path / "data.json").write_text(data, encoding="latin-1")
    output = run("render", folder / "page.html", "--data", tmp_path / "data.json")
    assert output.status == 2
    assert output.err.startswith("halny.template: ")
    assert output.err.count("\n") == 1


def test_files_that_are_not_there(run: Run, folder: Path) -> None:
    assert run("render", folder / "no.html").status == 2
    assert run("render", folder / "page.html", "--data", folder / "no.json").status == 2
    output = run("render", folder / "page.html", "--root", folder / "d")
    assert (output.status, output.out) == (2, "")
    assert "leads out of the loader's root" in output.err


def test_errors_in_templates(run: Run, folder: Path) -> None:
    output = run("render", folder / "page.html")
    assert output.status == 1
    assert f'File "{folder}/page.html", line 1' in output.err
    assert output.err.endswith("NameError: name 'name' is not defined\n")
    (folder / "bad.html").write_text("\n{{ a b }}")
    output = run("render", folder / "bad.html")
    assert (output.status, output.err) == (1, "invalid syntax in 'a b' at bad.html:2\n    {{ a b }}\n")


def test_usage(run: Run) -> None:
    for arguments in ([], ["check"], ["render"], ["other"], ["check", "--no"]):
        with pytest.raises(SystemExit) as info:
            run(*arguments)
        assert info.value.code == 2


def test_as_a_module(folder: Path) -> None:
    command = [sys.executable, "-m", "halny.template", "check", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "3 templates, 0 with errors\n")


def test_no_template_at_all(run: Run, folder: Path) -> None:
    output = run("check", folder, "--glob", "*.htm")
    assert (output.status, output.out, output.err) == (2, "", f"halny.template: no templates below {folder}\n")


def test_a_hint_at_the_root(run: Run, folder: Path) -> None:
    output = run("render", folder / "d" / "inner.txt")
    assert output.status == 1
    assert "leads out of the loader's root" in output.err
    assert "--root" in output.err
    assert run("render", folder / "d" / "inner.txt", "--root", folder).out == "<>"


def test_output_that_the_encoding_can_not_hold(folder: Path) -> None:
    (folder / "bad.html").write_text("{{ \u20ac }}", encoding="utf-8")
    command = [sys.executable, "-m", "halny.template", "check", str(folder)]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"{{ \\u20ac }}" in done.stdout


@pytest.mark.parametrize("page", ["x", "{% raw 'x' * 10 ** 6 %}"])
def test_output_that_nobody_reads(folder: Path, page: str) -> None:
    (folder / "page.html").write_text(page)
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "halny.template", "render", str(folder / "page.html")]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (2, b"")
