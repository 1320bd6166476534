"""An application: its handlers, its settings, and the way from a request to a handler.

Strategy: requests are found their handler by `find_endpoint`, unless a subclass has its own `find_handler`,
`get_handler_delegate`, `start_request` or `__call__`; then everything goes through those, as they expect.
"""

# What handlers have for the framework, and not for those who write them, has a name with an underscore.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
from typing import TYPE_CHECKING, Any, Final, cast, final

from halny.http import Endpoint, EndpointSource, HTTPMessageDelegate, HTTPServerRequest, RequestStartLine
from halny.httpserver import DelegateEndpoint, HTTPServer
from halny.ioloop import IOLoop

from ._delegates import HandlerDelegate, HandlerEndpoint, StreamingHandlerEndpoint
from ._handler import RequestHandler
from ._matchers import AnyMatches, DefaultHostMatches, HostMatches
from ._routing import ReversibleRouter, ReversibleRuleRouter, Rule, RuleRouter, listed_rules
from ._rule_checks import (
    require_arguments,
    require_handler_class,
    require_target,
    require_transform,
    require_transforms,
)
from ._static import StaticFileHandler
from ._stock import ErrorHandler
from ._transforms import BestContentEncoding
from ._uimodules import load_ui_methods, load_ui_modules

if TYPE_CHECKING:
    from ._routing import RuleList
    from ._transforms import OutputTransform

access_log = logging.getLogger("halny.access")
application_log = logging.getLogger("halny.application")

_DEBUG_SETTINGS: Final = {
    "autoreload": True,
    "compiled_template_cache": False,
    "static_hash_cache": False,
    "serve_traceback": True,
}
"""What the setting `debug` means, unless these settings are there themselves."""


def _default_transforms(settings: dict[str, Any]) -> list[type[OutputTransform]]:
    return [BestContentEncoding] if settings.get("compress_response") or settings.get("gzip") else []


def _is_loop_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _may_be_directory(path: Any) -> bool:
    if not isinstance(path, (str, os.PathLike)):
        return True
    return os.path.isdir(cast("str | os.PathLike[str]", path))  # noqa: PTH112 - importing pathlib takes long


class ApplicationRouter(ReversibleRuleRouter):
    """Leads to an application's handlers.

    Args:
        application: makes the delegates of handler classes.
        rules: as for `RuleRouter`.
    """

    _halny_routes_to_handlers = True

    def __init__(self, application: Application, rules: RuleList | None = None) -> None:
        self.application = application
        super().__init__(rules)

    def process_rule(self, rule: Rule) -> Rule:
        """See `RuleRouter.process_rule`: a list of rules becomes a router."""
        rule = super().process_rule(rule)
        target: object = rule.target
        if isinstance(target, (list, tuple)):
            rule.target = ApplicationRouter(self.application, cast("RuleList", target))
        return rule

    def _halny_require_usable(self, rule: Rule) -> None:
        if self.application._halny_has_own_ways() or not self._halny_keeps_the_rules():
            return
        require_target(rule.target)
        if isinstance(rule.target, type) and issubclass(rule.target, RequestHandler):
            require_arguments(rule.target, rule.target_kwargs)

    def get_target_delegate(
        self, target: Any, request: HTTPServerRequest, **target_params: Any
    ) -> HTTPMessageDelegate | None:
        """See `RuleRouter.get_target_delegate`."""
        if isinstance(target, type) and issubclass(target, RequestHandler):
            return self.application.get_handler_delegate(request, target, **target_params)
        return super().get_target_delegate(target, request, **target_params)

    _halny_usual_target_delegate = get_target_delegate


class Application(ReversibleRouter):
    """A collection of handlers that make up a web application.

    It is given to a server, or listens itself:

        application = Application([(r"/", MainHandler), (r"/user/([0-9]+)", UserHandler)])
        application.listen(8888)

    Args:
        handlers: rules, tried in order: tuples of a pattern, a handler class, and perhaps the arguments of its
            `initialize` and the name of the route; or `URLSpec` and `Rule` objects.
        default_host: the host that requests which match no host pattern are taken to be for.
        transforms: output transforms in place of the usual ones.
        **settings: what handlers see as `settings`. Some are read by the framework.

    Raises:
        TypeError: a rule, a transform or a setting is of a kind that would fail at each request. A note says in which
            rule.
    """

    def __init__(
        self,
        handlers: RuleList | None = None,
        default_host: str | None = None,
        transforms: list[type[OutputTransform]] | None = None,
        **settings: Any,
    ) -> None:
        self.settings = settings
        self.default_host = default_host
        if transforms is None:
            transforms = _default_transforms(settings)
        require_transforms(transforms)
        self.transforms = transforms
        if not self._halny_has_own_ways():
            require_handler_class(settings.get("default_handler_class"), "default_handler_class")
        if settings.get("debug"):
            for name, value in _DEBUG_SETTINGS.items():
                settings.setdefault(name, value)
        self.static_handler_class: type[StaticFileHandler] = settings.get("static_handler_class", StaticFileHandler)
        self.forgets_versions = not settings.get("static_hash_cache", True)
        self.ui_modules = load_ui_modules(settings.get("ui_modules"))
        self.ui_methods = load_ui_methods(settings.get("ui_methods"))
        self.wildcard_router = ApplicationRouter(self, [*self._halny_static_rules(), *listed_rules(handlers or ())])
        self.default_router = ApplicationRouter(self, [Rule(AnyMatches(), self.wildcard_router)])
        self._halny_starts_autoreload = bool(settings.get("autoreload"))
        if self._halny_starts_autoreload and _is_loop_running():
            self._halny_start_autoreload()

    def _halny_static_rules(self) -> RuleList:
        """Return the routes that the setting `static_path` makes."""
        settings = self.settings
        if not settings.get("static_path"):
            return []
        prefix = re.escape(settings.get("static_url_prefix", "/static/"))
        path = settings["static_path"]
        if settings.get("debug") and self.static_handler_class is StaticFileHandler and not _may_be_directory(path):
            # No error: it may be there later, or on another machine.
            application_log.warning("there is no directory %r, which the setting 'static_path' names", path)
        arguments = {**settings.get("static_handler_args", {}), "path": path}
        # Browsers and robots ask for these two at the root of every site.
        patterns = (r"/(robots\.txt)", r"/(favicon\.ico)", prefix + "(.*)")
        return [(pattern, self.static_handler_class, arguments) for pattern in patterns]

    def _halny_start_autoreload(self) -> None:
        if self._halny_starts_autoreload:
            self._halny_starts_autoreload = False
            from halny.ioloop import autoreload

            autoreload.start()

    def listen(
        self,
        port: int,
        address: str | None = None,
        *,
        family: socket.AddressFamily = socket.AF_UNSPEC,
        backlog: int = 128,
        flags: int | None = None,
        reuse_port: bool = False,
        **kwargs: Any,
    ) -> HTTPServer:
        """Start an HTTP server for this application on a port.

        Args:
            port: the port; 0 lets the system choose one.
            address: an IP address or a host name; None and the empty one mean all interfaces.
            family: restricts the addresses to IPv4 or IPv6.
            backlog: how many connections may wait to be accepted.
            flags: for `getaddrinfo`.
            reuse_port: whether several processes may listen on the port.
            **kwargs: further arguments of [`HTTPServer`][halny.httpserver.HTTPServer].

        Returns:
            The server, which can be stopped.

        Raises:
            OSError: the address can't be had, for example because the port is in use.
        """
        server = HTTPServer(self, **kwargs)
        server.listen(port, address, family=family, backlog=backlog, flags=flags, reuse_port=reuse_port)
        return server

    def __call__(self, request: HTTPServerRequest) -> None:
        """Answer a request that is complete: so an application may be another's fallback.

        Args:
            request: the request, with its body.
        """
        delegate = self.find_handler(request)
        start_line = RequestStartLine(request.method, request.uri, request.version)
        delegate.headers_received(start_line, request.headers)
        if request.body:
            delegate.data_received(request.body)
        delegate.finish()

    def add_handlers(self, host_pattern: str, host_handlers: RuleList) -> None:
        """Add handlers for the hosts that a pattern matches; patterns are tried in the order in which they came.

        Args:
            host_pattern: a regular expression for the whole host name.
            host_handlers: rules, as for the class.
        """
        matcher = HostMatches(host_pattern)
        rule = Rule(matcher, ApplicationRouter(self, host_handlers))
        self.default_router.rules.insert(-1, rule)
        if self.default_host is not None:
            default = DefaultHostMatches(self, matcher.host_pattern)
            self.wildcard_router.add_rules([Rule(default, ApplicationRouter(self, host_handlers))])

    def add_transform(self, transform_class: type[OutputTransform]) -> None:
        """Let all output go through a transform, after those that are there.

        Args:
            transform_class: is made for each request.

        Raises:
            TypeError: it can't be called.
        """
        require_transform(transform_class)
        self.transforms.append(transform_class)

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate:
        """Return what is told of a request; a subclass may override this.

        Args:
            request: the request, whose body is not there yet.
            **kwargs: passed on to `get_handler_delegate`.
        """
        if self._halny_starts_autoreload:
            self._halny_start_autoreload()  # this application is a part of another, and no server has asked it
        found = self.default_router.find_handler(request)
        if found is not None:
            return found
        handler_class, handler_kwargs = self._halny_fallback()
        return self.get_handler_delegate(request, handler_class, handler_kwargs)

    def get_handler_delegate(
        self,
        request: HTTPServerRequest,
        target_class: type[RequestHandler],
        target_kwargs: dict[str, Any] | None = None,
        path_args: list[bytes | None] | None = None,
        path_kwargs: dict[str, bytes | None] | None = None,
    ) -> HTTPMessageDelegate:
        """Return what runs a handler on a request.

        Args:
            request: the request.
            target_class: the handler class.
            target_kwargs: the arguments of its `initialize`.
            path_args: positional arguments of its methods.
            path_kwargs: keyword arguments of its methods.
        """
        return HandlerDelegate(self, request, target_class, target_kwargs or {}, path_args or [], path_kwargs or {})

    def reverse_url(self, name: str, *args: Any) -> str:
        """Return the path of a named route.

        Args:
            name: the name that its rule gives.
            *args: what takes the places of the pattern's groups: text, bytes, or what `str` makes text of.

        Raises:
            KeyError: there is no route of that name.
            ValueError: its pattern can't be reversed, or the number of arguments is wrong.
        """
        url = self.default_router.reverse_url(name, *args)
        if url is None:
            raise KeyError(f"{name} not found in named urls")
        return url

    def log_request(self, handler: RequestHandler) -> None:
        """Write a request to the access log; the setting `log_function` does it in its place.

        Args:
            handler: the handler, which has finished.
        """
        if "log_function" in self.settings:
            self.settings["log_function"](handler)
            return
        status = handler._status_code
        level = logging.INFO if status < 400 else logging.WARNING if status < 500 else logging.ERROR
        if access_log.isEnabledFor(level):
            milliseconds = 1000.0 * handler.request.request_time()
            access_log.log(level, "%d %s %.2fms", status, handler._request_summary(), milliseconds)

    # The endpoint way

    def endpoint_source(self) -> EndpointSource | None:
        """Return the source of this application's endpoints, or None where a subclass finds handlers in its own way."""
        if self._halny_starts_autoreload:
            IOLoop.current().add_callback(self._halny_start_autoreload)  # a server was made before its loop runs
        if not isinstance(cast("object", self.default_router), RuleRouter):
            return None  # some programs put one of their own in its place
        return None if self._halny_has_own_ways() else _ApplicationEndpoints(self)

    def _halny_has_own_ways(self) -> bool:
        """Return whether a subclass, or a patch, finds handlers by other rules."""
        if not _WAYS.keys().isdisjoint(vars(self)):
            return True
        return any(getattr(type(self), name) is not way for name, way in _WAYS.items())

    def _halny_fallback(self) -> tuple[type[RequestHandler], dict[str, Any]]:
        """Return the handler for what no rule matches, and the arguments of its `initialize`."""
        handler_class = self.settings.get("default_handler_class")
        if handler_class:
            return handler_class, self.settings.get("default_handler_args", {})
        return ErrorHandler, {"status_code": 404}


_WAYS: Final = {
    name: getattr(Application, name) for name in ("find_handler", "get_handler_delegate", "start_request", "__call__")
}
"""What is overridden, or patched, to find handlers by other rules."""


@final
class _ApplicationEndpoints(EndpointSource):
    """Finds the handler of each request."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def find_endpoint(self, request: HTTPServerRequest) -> Endpoint:
        application = self._application
        router: object = application.default_router
        if not isinstance(router, RuleRouter):  # pyright: ignore[reportUnnecessaryIsInstance] - a program has put it there
            return DelegateEndpoint(application.find_handler(request), request)
        found = router._halny_find(request)
        if isinstance(found, tuple):
            rule, args, kwargs = found
            handler_class, handler_kwargs = rule.target, rule.target_kwargs
        elif found is None:
            handler_class, handler_kwargs = application._halny_fallback()
            args, kwargs = [], {}
        elif isinstance(found, HandlerDelegate):
            return found.endpoint()
        else:
            return DelegateEndpoint(found, request)
        kind = StreamingHandlerEndpoint if handler_class._stream_request_body else HandlerEndpoint
        return kind(application, request, handler_class, handler_kwargs, args, kwargs)
