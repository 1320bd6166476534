"""The bytes of a file: how they are chosen, hashed and sent, without blocking the loop.

Strategy: what is small is read at once and leaves with the head in one write. What is larger is sent by the connection
where it can (see `HTTPConnection.send_file`), or else read in pieces by a thread, each of which waits for the client.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from halny.http import choose_coding

from ._exceptions import HTTPError
from ._static_paths import OpenedFile
from ._static_versions import is_settled, mark_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from halny.http import ByteRange

    from ._handler import RequestHandler

WHOLE_SIZE: Final = 128 * 1024
"""Bytes that are read at once by the loop's thread: what a disk reads ahead anyway."""

PIECE_SIZE: Final = 256 * 1024
"""Bytes that another thread reads at once, so that its start costs little beside the reading."""

SIBLINGS: Final = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""The files beside a file that hold it in a content coding, the usually smallest first."""

_T = TypeVar("_T")


async def in_thread(function: Callable[..., _T], *args: Any) -> _T:
    """Call a function that uses an open file in a thread, and wait for it even when cancelled.

    The file may be closed as soon as this ends; a thread that still read from its descriptor would read another file.
    """
    future = asyncio.get_running_loop().run_in_executor(None, function, *args)
    try:
        return await asyncio.shield(future)
    finally:
        while not future.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([future])


def hash_file(file: OpenedFile) -> str:
    """Return the hash of a file's content; it blocks."""
    digest = hashlib.sha512(usedforsecurity=False)
    position = 0
    while piece := file.read(position, PIECE_SIZE):
        digest.update(piece)
        position += len(piece)
    return digest.hexdigest()


@final
class SharedHashes:
    """Hashes of large files that threads are about to find. Who asks for one that is under way waits for that one."""

    def __init__(self) -> None:
        self._under_way: dict[tuple[object, ...], asyncio.Future[str]] = {}

    async def find(self, file: OpenedFile) -> str:
        """Return the hash of a file's content.

        Args:
            file: the file, which may be closed as soon as this ends, or is cancelled.

        Raises:
            HTTPError: there is no descriptor for it (503).
            OSError: it can't be read.
        """
        loop = asyncio.get_running_loop()
        if not is_settled(file.stat):  # it may have changed since the other hash was begun, without a trace
            return await asyncio.shield(self._begin(loop, file))
        key = (loop, file.path, mark_of(file.stat))
        future = self._under_way.get(key)
        if future is None:
            future = self._under_way[key] = self._begin(loop, file)
            future.add_done_callback(lambda _: self._under_way.pop(key))
        return await asyncio.shield(future)

    def _begin(self, loop: asyncio.AbstractEventLoop, file: OpenedFile) -> asyncio.Future[str]:
        twin = file.duplicate()  # the request that is the first to ask may be the first to end
        try:
            future = loop.run_in_executor(None, _hash_and_close, twin)
        except BaseException:
            twin.close()
            raise
        future.add_done_callback(_look_at)
        return future


def _hash_and_close(file: OpenedFile) -> str:
    with file:
        return hash_file(file)


def _look_at(future: asyncio.Future[str]) -> None:
    """See that an error which nobody waits for any more is not logged as forgotten."""
    if not future.cancelled():
        future.exception()


def find_sibling(file: OpenedFile, accept_encoding: str) -> tuple[str, OpenedFile] | None:
    """Return the content coding and the open file that suit a client best, or None where the file itself does.

    A sibling that is older than the file holds what the file was once, and one that is no regular file of its own
    place may be a way out of the root; neither is used.

    Args:
        file: the file.
        accept_encoding: what the client says it takes.
    """
    codings = list(SIBLINGS)
    while codings:
        coding = choose_coding(accept_encoding, codings)
        if coding is None:
            return None
        with contextlib.suppress(HTTPError):
            sibling = OpenedFile(file.path + SIBLINGS[coding])
            newer = sibling.stat.st_mtime_ns >= file.stat.st_mtime_ns
            if sibling.is_file and newer and sibling.real_path() == sibling.path:
                return coding, sibling
            sibling.close()
        codings.remove(coding)
    return None


def guess_type(path: str) -> str:
    """Return the media type of a file by its name."""
    import mimetypes  # reads the system's tables

    extension = os.path.splitext(path)[1]  # noqa: PTH122 - `Path` would cost more than the rest
    known = mimetypes.types_map.get(extension)
    if known is not None and extension not in mimetypes.encodings_map:
        return known
    mime_type, encoding = mimetypes.guess_type(path)
    if encoding == "gzip":
        return "application/gzip"  # RFC 6713; what is inside is not what the client gets
    if encoding is not None or mime_type is None:
        return "application/octet-stream"
    return mime_type


def read_small(file: OpenedFile, part: ByteRange) -> bytes:
    """Return a part of a file that is no larger than `WHOLE_SIZE`.

    Args:
        file: the file.
        part: the part.

    Raises:
        HTTPError: the file has become shorter (500).
    """
    count = part.stop - part.start
    data = file.read(part.start, count) if count else b""
    _require(len(data), count)
    return data


async def send(handler: RequestHandler, file: OpenedFile, part: ByteRange, *, may_bypass: Callable[[], bool]) -> None:
    """Write a large part of a file as a handler's body, whose headers are set.

    Args:
        handler: answers with the file.
        file: the file.
        part: the part.
        may_bypass: whether the body may go to the connection without the handler's `write`; asked when the head is
            sent.

    Raises:
        HTTPError: the file has become shorter (500).
        StreamClosedError: the client is gone.
    """
    start, count = part.start, part.stop - part.start
    await handler.flush()
    if may_bypass():
        connection = handler.request.connection
        sending = None if connection is None else connection.send_file(file.fileno(), start, count)
        if sending is not None:
            await sending
            return
    while count:
        piece = await in_thread(file.read, start, min(PIECE_SIZE, count))
        _require(len(piece), min(PIECE_SIZE, count))
        handler.write(piece)
        await handler.flush()
        start += len(piece)
        count -= len(piece)


def _require(size: int, expected: int) -> None:
    if size != expected:
        raise HTTPError(500, "the file was cut while it was sent: %d bytes where %d were expected", size, expected)
