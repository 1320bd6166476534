"""Queues for coroutines: `Queue`, `PriorityQueue`, `LifoQueue`.

They look like those of `asyncio`, except that every wait can have a deadline, that `get` and `put` return futures
and have begun when they return, and that a queue can be iterated over. They are for one event loop, not for threads.

```python
queue = queues.Queue(maxsize=2)

async def consumer():
    async for item in queue:
        try:
            await work(item)
        finally:
            queue.task_done()
```

A deadline is a time as `IOLoop.time` gives it, a timedelta from now, or a datetime. One that is past, such as 0,
tries once and does not wait.
"""

from __future__ import annotations

import asyncio
import collections
import heapq
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ._waiters import Line, new_waiter
from .concurrent import current_asyncio_loop, new_future
from .locks import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ._deadlines import Deadline
    from ._waiters import Waiter

__all__ = ["LifoQueue", "PriorityQueue", "Queue", "QueueEmpty", "QueueFull"]

_T = TypeVar("_T")


class QueueEmpty(Exception):
    """Raised by `Queue.get_nowait` when the queue has no items."""


class QueueFull(Exception):
    """Raised by `Queue.put_nowait` when the queue has `maxsize` items."""


class _Items(Generic[_T]):
    __slots__ = ("_queue",)

    def __init__(self, queue: Queue[_T]) -> None:
        self._queue = queue

    def __aiter__(self) -> AsyncIterator[_T]:
        return self

    def __anext__(self) -> asyncio.Future[_T]:
        return self._queue.get()


class _Putter(asyncio.Future[None], Generic[_T]):
    """A place in the line of those who put. One that is cancelled as its item goes in has put it."""

    __slots__ = ("item",)

    item: _T


class Queue(Generic[_T]):
    """A line of items between coroutines, first in first out, with an optional bound.

    A subclass that keeps its items otherwise defines `_init`, `_get` and `_put`, over a container in `self._queue`.
    """

    _queue: Any

    def __init__(self, maxsize: int = 0) -> None:
        """Make an empty queue.

        Args:
            maxsize: how many items `put` lets in before it waits; 0 for no bound.

        Raises:
            TypeError: `maxsize` is `None`.
            ValueError: `maxsize` is negative.
        """
        if cast("object", maxsize) is None:
            raise TypeError("maxsize can't be None")
        if maxsize < 0:
            raise ValueError("maxsize can't be negative")
        self._maxsize = maxsize
        self._init()
        self._getters: Line[Waiter[_T]] = Line()
        self._putters: Line[_Putter[_T]] = Line()
        self._unfinished_tasks = 0
        self._finished = Event()
        self._finished.set()

    @property
    def maxsize(self) -> int:
        """How many items `put` lets in before it waits; 0 for no bound."""
        return self._maxsize

    def qsize(self) -> int:
        """Return how many items there are."""
        return len(self._queue)

    def empty(self) -> bool:
        """Return whether there are no items."""
        return not self._queue

    def full(self) -> bool:
        """Return whether there are `maxsize` items."""
        return 0 < self._maxsize <= self.qsize()

    def put(self, item: _T, timeout: Deadline | None = None) -> asyncio.Future[None]:
        """Put an item in, and wait until there is room for it. It is in line when this returns.

        Args:
            item: the item.
            timeout: until when to wait; `None` waits forever.

        Raises:
            TimeoutError: (from the future) the deadline has passed, and the item is not in the queue.
        """
        if 0 < self._maxsize <= len(self._queue):
            putter: _Putter[_T] = _Putter(loop=current_asyncio_loop())
            putter.item = item
            return self._putters.enter(putter, timeout)
        self._add(item)
        future = new_future()
        future.set_result(None)
        return future

    def put_nowait(self, item: _T) -> None:
        """Put an item in without waiting.

        Args:
            item: the item.

        Raises:
            QueueFull: there is no room.
        """
        if self.full():
            raise QueueFull
        self._add(item)

    def get(self, timeout: Deadline | None = None) -> asyncio.Future[_T]:
        """Take an item out, and wait until there is one.

        Args:
            timeout: until when to wait; `None` waits forever.

        Raises:
            TimeoutError: (from the future) the deadline has passed.
        """
        if not self._queue:
            return self._getters.enter(new_waiter(self._take_back), timeout)
        future = new_future()
        future.set_result(self.get_nowait())
        return future

    def get_nowait(self) -> _T:
        """Take an item out without waiting.

        Raises:
            QueueEmpty: there is none.
        """
        if not self._queue:
            raise QueueEmpty
        item = self._get()
        if self._putters.waiters and (putter := self._putters.first()) is not None:
            self._add(putter.item)
            putter.set_result(None)
        return item

    def task_done(self) -> None:
        """Tell that the work on one item is done. Consumers call it once for each item, and `join` waits for them.

        Raises:
            ValueError: it was called more often than there were items.
        """
        if self._unfinished_tasks <= 0:
            raise ValueError("task_done() called too many times")
        self._unfinished_tasks -= 1
        if not self._unfinished_tasks:
            self._finished.set()

    def join(self, timeout: Deadline | None = None) -> asyncio.Future[None]:
        """Wait until the work on all items is done.

        Args:
            timeout: until when to wait; `None` waits forever.

        Raises:
            TimeoutError: (from the future) the deadline has passed.
        """
        return self._finished.wait(timeout)

    def __aiter__(self) -> AsyncIterator[_T]:
        return _Items(self)

    def _init(self) -> None:
        self._queue = collections.deque()

    def _get(self) -> _T:
        return cast("_T", self._queue.popleft())

    def _put(self, item: _T) -> None:
        self._queue.append(item)

    def _add(self, item: _T) -> None:
        if not self._unfinished_tasks:
            self._finished.clear()
        self._unfinished_tasks += 1
        self._put(item)
        if self._getters.waiters and (getter := self._getters.first()) is not None:
            getter.set_result(self._get())  # somebody has waited, so this is the only item

    def _take_back(self, item: _T) -> None:
        """Take an item that its consumer was cancelled too early to see; the next one gets it."""
        items: Any = self._queue
        if (getter := self._getters.first()) is not None:
            getter.set_result(item)
        elif isinstance(items, collections.deque):
            items.appendleft(item)  # pyright: ignore[reportUnknownMemberType]
        else:
            self._put(item)  # a heap or stack gives it out next by itself

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} {self._state()}>"

    def __str__(self) -> str:
        return f"<{type(self).__name__} {self._state()}>"

    def _state(self) -> str:
        parts = [f"maxsize={self._maxsize!r}"]
        if self._queue:
            parts.append(f"queue={self._queue!r}")
        if getters := len(self._getters):
            parts.append(f"getters[{getters}]")
        if putters := len(self._putters):
            parts.append(f"putters[{putters}]")
        if self._unfinished_tasks:
            parts.append(f"tasks={self._unfinished_tasks}")
        return " ".join(parts)


class PriorityQueue(Queue[_T]):
    """A queue that gives out its smallest item first. Items are often tuples `(priority, item)`."""

    def _init(self) -> None:
        self._queue: list[_T] = []

    def _put(self, item: _T) -> None:
        heapq.heappush(cast("list[Any]", self._queue), item)

    def _get(self) -> _T:
        return cast("_T", heapq.heappop(cast("list[Any]", self._queue)))


class LifoQueue(Queue[_T]):
    """A queue that gives out its newest item first: a stack."""

    def _init(self) -> None:
        self._queue: list[_T] = []

    def _put(self, item: _T) -> None:
        self._queue.append(item)

    def _get(self) -> _T:
        return self._queue.pop()
