"""Routers, rules and matchers: how a request finds what answers it.

    from halny.httpserver import HTTPServer
    from halny.routing import HostMatches, PathMatches, Rule, RuleRouter

    router = RuleRouter([
        Rule(HostMatches("api.example.org"), api_application),
        Rule(PathMatches("/admin.*"), admin_application),
    ])
    HTTPServer(router).listen(8888)

A target is a handler class inside an `Application`; anywhere else a router, an application, any
`HTTPServerConnectionDelegate`, or a callable that takes the request. The module is `halny.routing` too.
"""

import logging

from ._routing import (
    AnyMatches,
    DefaultHostMatches,
    HostMatches,
    Matcher,
    PathMatches,
    ReversibleRouter,
    ReversibleRuleRouter,
    Router,
    Rule,
    RuleRouter,
    URLSpec,
)

app_log = logging.getLogger("halny.application")

__all__ = [
    "AnyMatches",
    "DefaultHostMatches",
    "HostMatches",
    "Matcher",
    "PathMatches",
    "ReversibleRouter",
    "ReversibleRuleRouter",
    "Router",
    "Rule",
    "RuleRouter",
    "URLSpec",
    "app_log",
]
