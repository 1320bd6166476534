"""`RequestHandler`, put together from its parts."""

# What handlers have for the framework, and not for those who write them, has a name with an underscore.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeVar

from ._exceptions import HTTPError
from ._execute import Execution
from ._templates import Templates

if TYPE_CHECKING:
    from halny.http import HTTPServerRequest

    from ._application import Application

HandlerT = TypeVar("HandlerT", bound="RequestHandler")


class RequestHandler(Execution, Templates):
    """Answers one request; subclass it and define a method for each HTTP method that you serve.

        class MainHandler(RequestHandler):
            def get(self):
                self.write("Hello, world")

    The methods may be coroutines; what these return is not looked at, it is `write` and `finish` that answer. An object
    is made for each request: first `initialize` is called, then `prepare`, then the method, then `on_finish`.

    Args:
        application: the application.
        request: the request.
        **kwargs: the arguments of `initialize`.
    """

    max_body_size: int | None = None
    """How many bytes a request's body may have for this handler, or None for the server's limit."""

    def __init__(self, application: Application, request: HTTPServerRequest, **kwargs: Any) -> None:
        # In one piece, as it is on every request's way: what the parts of a handler begin with.
        self.application = application
        self.request = request
        self._finished = False
        self._headers_written = False
        self._auto_finish = True
        self._transforms = []
        self._halny_cookies = None
        self._halny_ui = None
        self.clear()
        result: object = self.initialize(**kwargs) if kwargs else self.initialize()
        if result is not None and inspect.isawaitable(result):
            if inspect.iscoroutine(result):
                result.close()
            raise TypeError(f"{type(self).__name__}.initialize() must not be a coroutine: do in prepare() what waits")

    def _initialize(self) -> None:
        pass

    initialize: Any = _initialize
    """Called with the arguments that the route gives; for subclasses. It must not be a coroutine."""

    def _unimplemented_method(self, *args: str, **kwargs: str) -> None:
        raise HTTPError(405)

    head: Any = _unimplemented_method
    get: Any = _unimplemented_method
    post: Any = _unimplemented_method
    delete: Any = _unimplemented_method
    patch: Any = _unimplemented_method
    put: Any = _unimplemented_method
    options: Any = _unimplemented_method


def stream_request_body(cls: type[HandlerT]) -> type[HandlerT]:
    """Decorate a handler class so that it takes its request's body as it comes, by `data_received`.

    `prepare` is called when the head of the request is there, the method when the body has ended.

    Args:
        cls: the class.

    Raises:
        TypeError: it is none of a handler.
    """
    if not isinstance(cls, type) or not issubclass(cls, RequestHandler):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"expected a subclass of RequestHandler, got {cls!r}")
    cls._stream_request_body = True
    return cls
