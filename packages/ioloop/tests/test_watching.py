from __future__ import annotations

import os
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

import pytest

from halny.ioloop import _watching
from halny.ioloop._watching import Snapshot, stamp, wait_for_change, watch, watched_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def touch(path: Path, text: str = "changed") -> None:
    path.write_text(text)
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))


def test_modules_and_extra_files_are_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_watching, "_extra", set[str]())
    monkeypatch.chdir(tmp_path)
    watch("template.html")
    watch(tmp_path / "other.html")

    class Lazy:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError("asked")

    monkeypatch.setitem(sys.modules, "halny_test_lazy", Lazy())
    files = watched_files()
    assert {str(tmp_path / "template.html"), str(tmp_path / "other.html"), os.__file__} <= files


def test_a_change_is_one_of_time_or_size(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("one")
    snapshot = Snapshot(lambda: [str(file)])
    assert snapshot.changed() is None
    assert snapshot.changed() is None
    touch(file)
    assert snapshot.changed() == str(file)


def test_a_file_that_goes_is_no_change_but_its_return_is(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    snapshot = Snapshot(lambda: [str(file)])
    assert snapshot.changed() is None
    file.write_text("one")
    assert snapshot.changed() is None
    file.unlink()
    assert stamp(str(file)) is None
    assert snapshot.changed() is None
    file.write_text("another")
    assert snapshot.changed() == str(file)


def test_what_is_known_beforehand_is_compared_with(tmp_path: Path) -> None:
    file = tmp_path / "a.py"
    file.write_text("one")
    assert Snapshot(lambda: [str(file)], {str(file): (1, 1)}).changed() == str(file)


def test_polling(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    file = tmp_path / "a.py"
    file.write_text("one")
    looks = 0

    def files() -> list[str]:
        nonlocal looks
        looks += 1
        if looks == 3:
            touch(file)
        return [str(file)]

    assert wait_for_change(Snapshot(files), threading.Event(), 0.001) == str(file)
    assert looks == 3


def test_stopping(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    stop = threading.Event()
    stop.set()
    assert wait_for_change(Snapshot(list), stop) is None
    stop.clear()

    def files() -> list[str]:
        stop.set()
        return []

    assert wait_for_change(Snapshot(files), stop, 60) is None


@pytest.mark.parametrize("failing", [False, True])
def test_watchfiles_tells_when_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: bool) -> None:
    file = tmp_path / "a.py"
    file.write_text("one")
    asked: list[tuple[tuple[str, ...], dict[str, Any]]] = []

    def events(*paths: str, **options: Any) -> Iterator[set[Any]]:
        asked.append((paths, options))
        touch(file)
        if failing:
            raise OSError("inotify watch limit reached")
        yield {("modified", str(file))}

    module = types.ModuleType("watchfiles")
    vars(module)["watch"] = events
    monkeypatch.setitem(sys.modules, "watchfiles", module)
    assert wait_for_change(Snapshot(lambda: [str(file)]), threading.Event(), 0.01) == str(file)
    paths, options = asked[0]
    assert paths == (str(tmp_path),)
    assert options["recursive"] is False
    assert options["rust_timeout"] == 10
