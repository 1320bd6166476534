"""A part of a file, sent from the loop's thread without blocking it.

Strategy: on a plain connection the kernel copies from the file to the socket (`os.sendfile`). That happens on a
descriptor of our own, a duplicate of the transport's, and only while the transport's buffer is empty, so it is never
interleaved with what the transport writes; it works on every loop that can watch a descriptor, uvloop among them, and
unlike `loop.sendfile` it leaves reading on, so that a peer that goes away is noticed. Before each piece the kernel is
asked whether it has it in memory; what it would have to fetch from the disk is sent by a thread.

Over TLS, and where there is no `os.sendfile`, a thread reads pieces, and the transport writes them one after another.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from halny.http import HTTPOutputError
from halny.iostream import StreamClosedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._writing import WritingConnection

SENDFILE_SIZE: Final = 512 * 1024
"""Bytes that the kernel copies in one call, some 100 microseconds: then other connections have their turn."""

READ_SIZE: Final = 256 * 1024
"""Bytes that a thread reads at once, so that its start costs little beside what it does."""

_NOWAIT: Final[int | None] = getattr(os, "RWF_NOWAIT", None)
_T = TypeVar("_T")


@final
class FileSender:
    """Sends parts of files over one connection.

    Args:
        loop: runs the connection.
        transport: the connection's transport.
        protocol: tells when the transport has sent what it holds, and when the peer is gone.
    """

    __slots__ = ("_loop", "_protocol", "_transport")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, protocol: WritingConnection
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._protocol = protocol

    async def send(self, file: int, offset: int, count: int) -> None:
        """Send a part of a file, and return when the kernel or the transport has all of it.

        Args:
            file: a descriptor, open for reading until this returns.
            offset: where the part begins, in bytes.
            count: its length in bytes.

        Raises:
            StreamClosedError: the peer is gone.
            HTTPOutputError: the file ends before the part does, because somebody has cut it.
        """
        transport = self._transport
        sock = transport.get_extra_info("socket")
        if sock is None or transport.get_extra_info("ssl_object") is not None or not hasattr(os, "sendfile"):
            await self._send_pieces(file, offset, count)
            return
        await self._drain()
        descriptor = os.dup(sock.fileno())
        try:
            await self._send_by_kernel(descriptor, file, offset, count)
        finally:
            os.close(descriptor)

    async def _drain(self) -> None:
        """Wait until the transport has handed all that it holds to the kernel."""
        transport, protocol = self._transport, self._protocol
        if protocol.is_gone:
            raise StreamClosedError
        if not transport.get_write_buffer_size():
            return
        transport.set_write_buffer_limits(0)
        try:
            while transport.get_write_buffer_size():
                await protocol.add_waiter()
        finally:
            transport.set_write_buffer_limits()

    async def _send_by_kernel(self, descriptor: int, file: int, offset: int, count: int) -> None:
        while count:
            size = min(count, SENDFILE_SIZE)
            try:
                if _is_in_memory(file, offset, size):
                    sent = os.sendfile(descriptor, file, offset, size)
                else:
                    sent = await in_thread(self._loop, os.sendfile, descriptor, file, offset, size)
            except (BlockingIOError, InterruptedError):
                await self._wait_until_writable(descriptor)
                continue
            except OSError as error:
                self._protocol.abort()
                raise StreamClosedError(real_error=error) from error
            if not sent:
                raise _cut(count)
            offset += sent
            count -= sent
            await asyncio.sleep(0)
            if self._protocol.is_gone:
                raise StreamClosedError

    async def _wait_until_writable(self, descriptor: int) -> None:
        """Wait until the kernel takes more. The transport holds nothing and can't tell that the peer is behind: so this
        does, and the connection is looked at as if the transport had said it.
        """
        protocol = self._protocol
        waiter = protocol.add_waiter()
        protocol.pause_writing()
        self._loop.add_writer(descriptor, _wake, waiter)
        try:
            await waiter
        finally:
            self._loop.remove_writer(descriptor)
            protocol.remove_waiter(waiter)
            protocol.resume_writing()

    async def _send_pieces(self, file: int, offset: int, count: int) -> None:
        while count:
            piece = await in_thread(self._loop, _read, file, offset, min(count, READ_SIZE))
            if not piece:
                raise _cut(count)
            offset += len(piece)
            count -= len(piece)
            await self._protocol.send_and_wait(piece)


def _is_in_memory(file: int, offset: int, size: int) -> bool:
    """Return whether the kernel has the first and the last byte of a part at hand; in between it has read ahead."""
    if _NOWAIT is None:
        return False
    buffer = bytearray(1)
    try:
        return (
            os.preadv(file, [buffer], offset + size - 1, _NOWAIT) >= 0
            and os.preadv(file, [buffer], offset, _NOWAIT) >= 0
        )
    except BlockingIOError:
        return False
    except OSError:
        return True  # the file system can't tell, as those that are in memory


def _read(file: int, offset: int, size: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(file, size, offset)
    os.lseek(file, offset, os.SEEK_SET)
    return os.read(file, size)


async def in_thread(loop: asyncio.AbstractEventLoop, function: Callable[..., _T], *args: Any) -> _T:
    """Call a function that uses descriptors in a thread; even a cancelled caller does not close them under it."""
    future = loop.run_in_executor(None, function, *args)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                continue
        if not future.cancelled():
            future.exception()  # what it says is of no use any more, and must not be logged as forgotten
        raise


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _cut(missing: int) -> HTTPOutputError:
    return HTTPOutputError(f"the file ends {missing} bytes short of what was announced")
