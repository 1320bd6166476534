"""What joins Halny's loops to asyncio's: the concrete `IOLoop` classes, and descriptors on Proactor loops."""

from ._asyncio_loops import AsyncIOLoop, AsyncIOMainLoop, BaseAsyncIOLoop, to_asyncio_future, to_tornado_future
from ._selector_thread import AddThreadSelectorEventLoop, SelectorThread

__all__ = [
    "AddThreadSelectorEventLoop",
    "AsyncIOLoop",
    "AsyncIOMainLoop",
    "BaseAsyncIOLoop",
    "SelectorThread",
    "to_asyncio_future",
    "to_tornado_future",
]
