"""Small files in memory: how many, how long, and never in another state than on disk."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from halny.web._static_memory import SmallFile, SmallFiles
from halny.web._static_versions import SETTLING_TIME, VersionCache, is_settled, mark_of, version_of_metadata

if TYPE_CHECKING:
    from pathlib import Path


class Handler:
    """Stands for the class of a handler."""


class Other(Handler):
    """Another one."""


@pytest.fixture(autouse=True)
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    time_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: time_ns() + SETTLING_TIME)


def make(path: Path, content: bytes = b"0123456789") -> tuple[SmallFile, os.stat_result]:
    path.write_bytes(content)
    stat = path.stat()
    return SmallFile(str(path), mark_of(stat), content, "text/plain", '"x"', b"", time.monotonic()), stat


def test_a_file_is_found_by_class_root_and_path(tmp_path: Path) -> None:
    files = SmallFiles()
    file, stat = make(tmp_path / "a")
    files.keep(Handler, "/root", "a", file, stat, 100_000)
    assert files.find(Handler, "/root", "a") is file
    assert files.find(Other, "/root", "a") is None
    assert files.find(Handler, "/other", "a") is None
    assert files.find(Handler, "/root", "b") is None
    files.clear()
    assert files.find(Handler, "/root", "a") is None


def test_a_file_that_is_changed_or_gone_is_not_found(tmp_path: Path) -> None:
    files = SmallFiles()
    for change in ("write", "touch", "replace", "remove"):
        file, stat = make(tmp_path / "a")
        files.keep(Handler, "/root", "a", file, stat, 100_000)
        if change == "write":
            (tmp_path / "a").write_bytes(b"9876543210!")
        elif change == "touch":
            os.utime(tmp_path / "a", (1, 1))
        elif change == "replace":
            make(tmp_path / "b")
            (tmp_path / "b").replace(tmp_path / "a")
        else:
            (tmp_path / "a").unlink()
        assert files.find(Handler, "/root", "a") is None, change
        assert files.find(Handler, "/root", "a") is None, "it is forgotten"


def test_a_file_is_trusted_only_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = SmallFiles()
    file, stat = make(tmp_path / "a")
    files.keep(Handler, "/root", "a", file, stat, 100_000)
    for seconds, is_found in ((0.9, True), (1.1, False), (0.9, False)):  # once it is not, it is forgotten
        monkeypatch.setattr(time, "monotonic", lambda: file.opened_at + seconds)  # noqa: B023
        assert (files.find(Handler, "/root", "a") is file) == is_found


def test_a_file_that_has_just_been_changed_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, stat = make(tmp_path / "a")
    monkeypatch.setattr(time, "time_ns", lambda: stat.st_ctime_ns + SETTLING_TIME - 1)
    assert not is_settled(stat)
    files, versions = SmallFiles(), VersionCache()
    files.keep(Handler, "/root", "a", file, stat, 100_000)
    versions.keep("a", stat, "1", 10)
    assert files.find(Handler, "/root", "a") is None
    assert versions.find("a", mark_of(stat)) is None


def test_a_file_that_was_copied_with_its_time_has_been_changed_just_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path / "a")
    os.utime(tmp_path / "a", (1, 1))
    stat = (tmp_path / "a").stat()
    monkeypatch.setattr(time, "time_ns", lambda: stat.st_ctime_ns + SETTLING_TIME - 1)
    assert not is_settled(stat)
    monkeypatch.setattr(time, "time_ns", lambda: stat.st_ctime_ns + SETTLING_TIME)
    assert is_settled(stat)


def test_each_sign_of_a_change_counts() -> None:
    signs = {"st_ino": 1, "st_dev": 2, "st_size": 3, "st_mtime_ns": 4, "st_ctime_ns": 5}
    before: Any = SimpleNamespace(**signs)
    for name in signs:
        after: Any = SimpleNamespace(**{**signs, name: 9})
        assert mark_of(after) != mark_of(before), name


def test_the_oldest_files_are_forgotten_when_there_are_too_many(tmp_path: Path) -> None:
    files = SmallFiles()
    for name in "abc":
        file, stat = make(tmp_path / name, bytes(5000))
        files.keep(Handler, "/root", name, file, stat, 12_000)
    assert [files.find(Handler, "/root", name) is None for name in "abc"] == [True, False, False]
    large, stat = make(tmp_path / "d", bytes(12_001))
    files.keep(Handler, "/root", "d", large, stat, 12_000)
    assert files.find(Handler, "/root", "d") is None
    file, stat = make(tmp_path / "e", b"")
    for number in range(30):  # small ones count too, whoever makes up their names
        files.keep(Handler, "/root", f"./{number}", file, stat, 12_000)
    assert sum(files.find(Handler, "/root", f"./{number}") is not None for number in range(30)) == 11


def test_files_may_have_as_many_bytes_as_the_limit_says(tmp_path: Path) -> None:
    files = SmallFiles()
    for _ in range(2):
        file, stat = make(tmp_path / "a", bytes(12_000))
        files.keep(Handler, "/root", "a", file, stat, 12_000)
        assert files.find(Handler, "/root", "a") is file
        too_large, stat = make(tmp_path / "b", bytes(12_001))
        files.keep(Handler, "/root", "b", too_large, stat, 12_000)
        assert files.find(Handler, "/root", "b") is None
        assert files.find(Handler, "/root", "a") is file, "what is too large takes nobody's place"
        files.clear()


def test_each_file_counts_as_a_kibibyte_at_least(tmp_path: Path) -> None:
    files = SmallFiles()
    file, stat = make(tmp_path / "a", b"")
    for name in "abcd":
        files.keep(Handler, "/root", name, file, stat, 3 * 1024)
        assert files.find(Handler, "/root", "a") is (None if name == "d" else file)


def test_a_file_that_is_kept_again_counts_once(tmp_path: Path) -> None:
    files = SmallFiles()
    for _ in range(5):
        file, stat = make(tmp_path / "a", bytes(5000))
        files.keep(Handler, "/root", "a", file, stat, 6000)
        assert files.find(Handler, "/root", "a") is file


def test_versions_belong_to_one_state(tmp_path: Path) -> None:
    versions = VersionCache()
    _, stat = make(tmp_path / "a")
    versions.keep("a", stat, "1", 2)
    assert versions.find("a", mark_of(stat)) == "1"
    os.utime(tmp_path / "a", (1, 1))
    changed = (tmp_path / "a").stat()
    assert versions.find("a", mark_of(changed)) is None
    versions.keep("a", changed, "2", 2)
    assert (versions["a"], versions.find("a", mark_of(changed))) == ("2", "2")
    for name in "bc":
        versions.keep(name, changed, name, 2)
    assert list(versions) == ["b", "c"]
    versions.clear()
    assert versions.find("b", mark_of(changed)) is None
    assert version_of_metadata(stat) != version_of_metadata(changed)
