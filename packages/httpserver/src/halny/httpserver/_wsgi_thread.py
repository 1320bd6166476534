"""A WSGI application in a thread of its own: what it says goes to the loop, and it waits until the client keeps up.

A thread can't be ended from outside. So whatever it waits for is broken off when its request is over, the server is
stopped, or the loop ends: the next thing that it asks for fails, and it comes to its end by itself.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError
from contextlib import closing
from typing import TYPE_CHECKING, Any, final

from halny.iostream import StreamClosedError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

    from ._wsgi_input import RequestInput
    from ._wsgi_response import Response


@final
class ApplicationThread:
    """Runs an application for one request.

    Args:
        response: the application, and what it answers.
        body: what it reads, where that is still to come.
        loop: sends the response.
    """

    def __init__(self, response: Response, body: RequestInput | None, loop: asyncio.AbstractEventLoop) -> None:
        self._response = response
        self._body = body
        self._loop = loop
        self._lock = threading.Lock()
        self._pending: Future[None] | None = None
        self._is_over = False

    def run(self) -> None:
        """Run the application from its call to the end of its iterable; called in its thread.

        Raises:
            StreamClosedError: the client has gone, or the response is over for another reason.
            RuntimeError: the application wants to end more than this request, as `sys.exit()` does; its own fault.
        """
        if self._body is not None and self._body.is_broken:
            raise StreamClosedError  # while all threads were busy
        response = self._response
        response.emit = self._emit
        try:
            with closing(response.blocks()) as blocks:
                for block in blocks:
                    self._emit(block)
        except Exception:
            raise
        except BaseException as error:
            # Out of a thread this ends nothing; but what hands it on to the loop would end that, and the server.
            raise RuntimeError(f"the application ended with {error!r}") from error

    def break_off(self) -> None:
        """Let whatever the application waits for fail; called by the loop."""
        with self._lock:
            self._is_over = True
            pending = self._pending
        if pending is not None:
            pending.cancel()

    def _emit(self, block: bytes) -> None:
        self._wait_for(self._response.send, block)

    def _wait_for(self, function: Callable[[bytes], Coroutine[Any, Any, None]], block: bytes) -> None:
        with self._lock:
            if self._is_over:
                raise StreamClosedError
            pending = self._pending = asyncio.run_coroutine_threadsafe(function(block), self._loop)
        try:
            pending.result()
        except CancelledError as error:
            raise StreamClosedError(error) from error
