"""Hashes of large files: found by threads, once for all who ask for them at the same time."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from halny.web import StaticFileHandler, _static_content
from halny.web._static_content import SharedHashes
from halny.web._static_paths import OpenedFile

from ._helpers import serving
from ._static_site import LARGE, application, forget, needs_refusals, refusals, root

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["forget", "refusals", "root"]  # the fixtures

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="made with symbolic links and POSIX names")

HASH = hashlib.sha512(LARGE).hexdigest()
PATIENCE = 10.0


class Gate:
    """Stands before the hashing, in the thread that does it, and counts who comes there."""

    def __init__(self, hash_file: Callable[[OpenedFile], str]) -> None:
        self.open = threading.Event()
        self.files: list[OpenedFile] = []
        self.error: OSError | None = None
        self._hash_file = hash_file

    def __call__(self, file: OpenedFile) -> str:
        self.files.append(file)
        assert self.open.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        return self._hash_file(file)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(_static_content.hash_file)
    monkeypatch.setattr(_static_content, "hash_file", gate)
    yield gate
    assert all(file.fileno() == -1 for file in gate.files), "a file is left open"


async def test_first_requests_for_a_large_file_read_it_once(root: Path, gate: Gate) -> None:
    arrived: list[object] = []

    class Files(StaticFileHandler):
        def get_modified_time(self) -> dt.datetime | None:  # called just before the version is asked for
            arrived.append(self)
            if len(arrived) == 5:
                asyncio.get_running_loop().call_soon(gate.open.set)
            return super().get_modified_time()

    async with serving(application(root, Files)) as server:
        answers = await asyncio.gather(*[server.get("/s/large.bin") for _ in range(5)])
        assert {(answer.header("Etag"), answer.body) for answer in answers} == {(f'"{HASH}"', LARGE)}
        assert (await server.get("/s/large.bin")).header("Etag") == f'"{HASH}"'
    assert len(gate.files) == 1


async def test_who_is_first_may_leave(root: Path, gate: Gate) -> None:
    hashes = SharedHashes()
    with OpenedFile(str(root / "large.bin")) as first, OpenedFile(str(root / "large.bin")) as second:
        one, two = asyncio.create_task(hashes.find(first)), asyncio.create_task(hashes.find(second))
        await asyncio.sleep(0)
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        first.close()
        gate.open.set()
        assert await two == HASH
        assert len(gate.files) == 1
        assert await hashes.find(second) == HASH  # what has been found is for others to remember
        assert len(gate.files) == 2


async def test_a_file_in_another_state_is_another_file(root: Path, gate: Gate) -> None:
    hashes, path = SharedHashes(), root / "large.bin"
    with OpenedFile(str(path)) as before:
        finding = asyncio.create_task(hashes.find(before))
        await asyncio.sleep(0)
        os.utime(path, (1_500_000_000, 1_500_000_000))
        with OpenedFile(str(path)) as after:
            other = asyncio.create_task(hashes.find(after))
            await asyncio.sleep(0)
            gate.open.set()
            assert await finding == await other == HASH
    assert len(gate.files) == 2


async def test_a_file_that_has_just_been_changed_is_read_by_each(root: Path, gate: Gate) -> None:
    """It may have been changed again, within the same tick of the file system's clock."""
    hashes, path = SharedHashes(), root / "large.bin"
    os.utime(path, (4_000_000_000, 4_000_000_000))
    with OpenedFile(str(path)) as file:
        finding = asyncio.gather(hashes.find(file), hashes.find(file))
        gate.open.set()
        assert [*await finding] == [HASH, HASH]
    assert len(gate.files) == 2


async def test_an_error_is_told_to_all_who_wait(root: Path, gate: Gate) -> None:
    hashes = SharedHashes()
    gate.error = OSError(errno.EIO, "the disk is broken")
    with OpenedFile(str(root / "large.bin")) as file:
        finding = [asyncio.create_task(hashes.find(file)) for _ in range(3)]
        await asyncio.sleep(0)
        finding[0].cancel()
        gate.open.set()
        outcomes = await asyncio.gather(*finding, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, OSError, OSError]
    assert len(gate.files) == 1


async def test_an_error_that_nobody_waits_for_is_no_noise(root: Path, gate: Gate) -> None:
    gate.error = OSError(errno.EIO, "the disk is broken")
    with OpenedFile(str(root / "large.bin")) as file:
        finding = asyncio.create_task(SharedHashes().find(file))
        await asyncio.sleep(0)
        finding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await finding
    gate.open.set()
    await asyncio.get_running_loop().shutdown_default_executor()


@needs_refusals
async def test_without_descriptors_the_answer_is_503(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dup(descriptor: int) -> int:
        raise OSError(errno.EMFILE, "too many open files")

    async with serving(application(root)) as server:
        with monkeypatch.context() as patched:
            patched.setattr(os, "dup", dup)
            assert (await server.get("/s/large.bin")).status == 503
        assert (await server.get("/s/large.bin")).body == LARGE


async def test_an_executor_that_is_gone_leaves_no_file_open(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twins: list[OpenedFile] = []
    duplicate = OpenedFile.duplicate

    def keep(file: OpenedFile) -> OpenedFile:
        twins.append(duplicate(file))
        return twins[-1]

    def run_in_executor(*args: Any) -> asyncio.Future[Any]:
        raise RuntimeError("shut down")

    monkeypatch.setattr(OpenedFile, "duplicate", keep)
    monkeypatch.setattr(asyncio.get_running_loop(), "run_in_executor", run_in_executor)
    with OpenedFile(str(root / "large.bin")) as file:
        with pytest.raises(RuntimeError, match="shut down"):
            await SharedHashes().find(file)
        assert [twin.fileno() for twin in twins] == [-1]
        assert file.read(0, 2) == LARGE[:2]


def test_a_duplicate_is_the_same_file(root: Path) -> None:
    with OpenedFile(str(root / "a.txt")) as file, file.duplicate() as twin:
        file.close()
        assert (twin.path, twin.stat, twin.read(3, 4)) == (file.path, file.stat, b"3456")
