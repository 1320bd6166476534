"""Which target answers a request: rules, and the routers that try them in order.

Strategy: a `RuleRouter` asks its rules one after another, as its users expect. For the usual case it keeps a table of
the literal paths: each leads to the first of all rules that matches it, which is known beforehand as long as the rules
before it depend on nothing but the path. What the table does not have is looked for among the patterns, without those
whose first segment is another.
"""

# What routers have for the framework has a name with an underscore, so that no subclass uses it.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from halny.http import HTTPMessageDelegate, HTTPServerConnectionDelegate
from halny.httpserver import CallableDelegate
from halny.ioloop.util import import_object

from ._matchers import AnyMatches, DefaultHostMatches, HostMatches, Matcher, PathMatches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from halny.http import HTTPConnection, HTTPServerRequest

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
]

application_log = logging.getLogger("halny.application")

RuleList: TypeAlias = "Sequence[Rule | list[Any] | tuple[Any, ...]]"
"""What an application takes as its handlers."""


class Rule:
    """Leads the requests that a matcher matches to a target.

    Args:
        matcher: asks something of the request.
        target: what answers: a handler class, a router, an `HTTPServerConnectionDelegate`, a callable that takes
            the request, or a list of further rules.
        target_kwargs: arguments for the target; a handler's `initialize` gets them.
        name: the name by which `reverse_url` finds it.
    """

    def __init__(
        self, matcher: Matcher, target: Any, target_kwargs: dict[str, Any] | None = None, name: str | None = None
    ) -> None:
        if isinstance(target, str):
            target = _imported(target, matcher)
        self.matcher = matcher
        self.target = target
        self.target_kwargs: dict[str, Any] = target_kwargs or {}
        self.name = name

    _halny_changes = 0
    """How often any rule, or any list of rules, has been changed; routers look at it, for they keep tables."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("matcher", "target") and name in self.__dict__:
            Rule._halny_changes += 1
        super().__setattr__(name, value)

    def reverse(self, *args: Any) -> str | None:
        """Return the path that leads here with these arguments; see `Matcher.reverse`."""
        return self.matcher.reverse(*args)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.matcher!r}, {self.target!r}, kwargs={self.target_kwargs!r},"
            f" name={self.name!r})"
        )


def _imported(target: str, matcher: Matcher) -> Any:
    try:
        return import_object(target)
    except Exception as error:  # whatever that module raises
        error.add_note(f"on the import of {target!r}, the target of the rule for {matcher!r}")
        raise


class URLSpec(Rule):
    """Leads requests to a handler by their path.

    Args:
        pattern: a regular expression for the whole path; its groups become the arguments of the handler's methods.
        handler: a `RequestHandler` subclass, or its full name.
        kwargs: arguments for the handler's `initialize`.
        name: the name by which `reverse_url` finds it.
    """

    matcher: PathMatches

    def __init__(
        self, pattern: Any, handler: Any, kwargs: dict[str, Any] | None = None, name: str | None = None
    ) -> None:
        super().__init__(PathMatches(pattern), handler, kwargs, name)
        self.regex = self.matcher.regex
        self.handler_class = self.target
        self.kwargs = kwargs

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.regex.pattern!r}, {self.handler_class}, kwargs={self.kwargs!r},"
            f" name={self.name!r})"
        )


class Router(HTTPServerConnectionDelegate):
    """Finds what is told of a request."""

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """Return what is told of a request, or None where this router has nothing for it.

        Args:
            request: the request, whose body is not there yet.
            **kwargs: what the matcher found.
        """
        raise NotImplementedError

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """See `HTTPServerConnectionDelegate.start_request`: routes the request when its head is there."""
        from ._delegates import RoutingDelegate

        return RoutingDelegate(self, server_conn, request_conn)


class ReversibleRouter(Router):
    """A router that makes the paths of named routes."""

    def reverse_url(self, name: str, *args: Any) -> str | None:
        """Return the path of a route, or None where there is none of that name.

        Args:
            name: the route's name.
            *args: what takes the places of its pattern's groups.
        """
        raise NotImplementedError


Found: TypeAlias = "tuple[Rule, list[bytes | None], dict[str, bytes | None]] | HTTPMessageDelegate"
"""What answers a request: a rule whose target is a handler class, with the handler's positional and keyword arguments,
or what is told of the request. A plain tuple, for one is made or taken apart for every request."""


class Rules(list[Rule]):
    """A router's rules, which may be changed at any time."""

    def _changing(name: str) -> Any:  # type: ignore[misc]  # noqa: N805 - runs while the class is made
        change = getattr(list, name)

        def method(self: Rules, *args: Any, **kwargs: Any) -> Any:
            Rule._halny_changes += 1
            return change(self, *args, **kwargs)

        return method

    for _name in (
        "append", "extend", "insert", "remove", "pop", "clear", "sort", "reverse",
        "__setitem__", "__delitem__", "__iadd__", "__imul__",
    ):  # fmt: skip
        vars()[_name] = _changing(_name)
    del _name, _changing


def listed_rules(rules: Any) -> Iterable[Rule | list[Any] | tuple[Any, ...]]:
    """Return rules as they are, if they can be a list of them.

    Raises:
        TypeError: they can't, for example because they are a single one.
    """
    try:
        iter(rules)
    except TypeError:
        raise TypeError(f"rules are a list, even a single one, not {rules!r}") from None
    return cast("Iterable[Rule | list[Any] | tuple[Any, ...]]", rules)


class RuleRouter(Router):
    """Tries rules in order.

    Args:
        rules: rules, or tuples of their arguments. A tuple whose first item is a string stands for a route by
            path. See [`Rule`][halny.web.routing.Rule].
    """

    def __init__(self, rules: RuleList | None = None) -> None:
        self._halny_table: _Table | None = None
        self._halny_rules = Rules()
        if rules:
            self.add_rules(rules)

    @property
    def rules(self) -> list[Rule]:
        """The rules in order; they may be changed, or others put in their place, at any time."""
        return self._halny_rules

    @rules.setter
    def rules(self, rules: Iterable[Rule]) -> None:
        self._halny_rules = Rules(rules)
        Rule._halny_changes += 1

    def add_rules(self, rules: RuleList) -> None:
        """Add rules after those that are there.

        Args:
            rules: as for the class.

        Raises:
            TypeError: something is no rule. A note says in which rule something was wrong.
            ValueError: a rule has too few or too many parts.
        """
        for given in listed_rules(rules):
            made = given if isinstance(given, Rule) else self._halny_make_rule(given)
            try:
                made = self.process_rule(made)
                self._halny_require_usable(made)
            except Exception as error:
                error.add_note(f"in the rule {given if isinstance(given, Rule) else tuple(given)!r}")
                raise
            self.rules.append(made)

    def _halny_require_usable(self, rule: Rule) -> None:
        """Raise TypeError for a rule that can't answer, as far as this router knows; others' know other targets."""

    def _halny_make_rule(self, rule: Iterable[Any]) -> Rule:
        if not isinstance(rule, (list, tuple)):
            raise TypeError(
                f"a rule is a tuple of a pattern and its target, or a Rule, not {rule!r};"
                " even a single one is in a list"
            )
        parts = list(cast("Iterable[Any]", rule))
        if len(parts) not in (2, 3, 4):
            raise ValueError(f"a rule has two to four parts, not {len(parts)}: {parts!r}")
        matcher = parts[0]
        try:
            if isinstance(matcher, Matcher):
                return Rule(*parts)
            return URLSpec(*parts) if self._halny_routes_to_handlers else Rule(PathMatches(matcher), *parts[1:])
        except Exception as error:
            error.add_note(f"in the rule {tuple(parts)!r}")
            raise

    _halny_routes_to_handlers = False

    def process_rule(self, rule: Rule) -> Rule:
        """Return the rule that is to be used in place of one that is added; a subclass may change it.

        Args:
            rule: the rule.
        """
        return rule

    def find_handler(self, request: HTTPServerRequest, **kwargs: Any) -> HTTPMessageDelegate | None:
        """See `Router.find_handler`."""
        for rule in self.rules:
            params = rule.matcher.match(request)
            if params is not None:
                if rule.target_kwargs:
                    params = {**params, "target_kwargs": rule.target_kwargs}
                delegate = self.get_target_delegate(rule.target, request, **params)
                if delegate is not None:
                    return delegate
        return None

    def get_target_delegate(
        self, target: Any, request: HTTPServerRequest, **target_params: Any
    ) -> HTTPMessageDelegate | None:
        """Return what is told of a request, for a target; a subclass may know more kinds of target.

        Args:
            target: a rule's target.
            request: the request.
            **target_params: what the matcher found, and the rule's `target_kwargs`.
        """
        if isinstance(target, Router):
            return target.find_handler(request, **target_params)
        connection = request.connection
        assert connection is not None
        if isinstance(target, HTTPServerConnectionDelegate):
            return target.start_request(request.server_connection, connection)
        if callable(target):
            handle = cast("Callable[[HTTPServerRequest], object]", target)
            return CallableDelegate(handle, request.server_connection, connection)
        return None

    # The fast way

    def _halny_find(self, request: HTTPServerRequest) -> Found | None:
        """Return what answers a request, as `find_handler` does, without making a delegate of a handler class.

        Args:
            request: the request, whose body is not there yet.
        """
        table = self._halny_table
        if table is None or table.changes != Rule._halny_changes:
            if not self._halny_keeps_the_rules():
                return self._halny_find_in_own_way(request)
            table = self._halny_table = self._halny_make_table()
        path = request.path
        found = table.literals.get(path)
        if found is not None:
            return found
        for rule, path_matcher in table.candidates(path):
            if path_matcher is not None:
                arguments = path_matcher.match_path(path)
                if arguments is not None:
                    return rule, arguments[0], arguments[1]
                continue
            params = rule.matcher.match(request)
            if params is not None:
                found = table.router._halny_found(rule, params, request)
                if found is not None:
                    return found
        return None

    def _halny_make_table(self) -> _Table:
        """Return the table that finds what this router finds: where all goes to another router, that one's own."""
        only = _only_router(self._halny_rules)
        if only is not None and only._halny_keeps_the_rules():
            return only._halny_make_table()
        return _Table(self, self._halny_rules)

    def _halny_find_in_own_way(self, request: HTTPServerRequest) -> Found | None:
        """Find what a subclass finds by its own rules."""
        return self.find_handler(request)

    def _halny_found(self, rule: Rule, params: dict[str, Any], request: HTTPServerRequest) -> Found | None:
        target = rule.target
        if _is_unconditional(target):
            if not rule.target_kwargs and "target_kwargs" in params:
                rule = Rule(rule.matcher, target, params["target_kwargs"])
            return rule, params.get("path_args", []), params.get("path_kwargs", {})
        if isinstance(target, RuleRouter) and not params and not rule.target_kwargs:
            return target._halny_find(request)
        if rule.target_kwargs:
            params = {**params, "target_kwargs": rule.target_kwargs}
        return self.get_target_delegate(target, request, **params)

    def _halny_keeps_the_rules(self) -> bool:
        """Return whether no subclass has a way of its own to find handlers or to tell them of requests."""
        cls = type(self)
        return (
            cls.find_handler is _FIND_HANDLER
            and cls.get_target_delegate is cls._halny_usual_target_delegate
            and not {"find_handler", "get_target_delegate"} & vars(self).keys()
        )

    _halny_usual_target_delegate = get_target_delegate


_FIND_HANDLER: Final = RuleRouter.find_handler
_MATCH: Final = PathMatches.match


def _matches_plainly(matcher: Matcher) -> bool:
    """Whether nothing but the pattern decides what a matcher matches: neither a subclass nor a patch."""
    return type(matcher) is PathMatches and PathMatches.match is _MATCH and "match" not in vars(matcher)


def _is_unconditional(target: Any) -> bool:
    """Whether a target answers whatever reaches it; a router may have nothing for a request."""
    return isinstance(target, type) and hasattr(target, "_stream_request_body")  # a handler class


_Candidate: TypeAlias = "tuple[Rule, PathMatches | None]"
"""A rule, and its matcher where it leads by the path alone to a handler class."""


class _Table:
    """The rules of a router at one moment, prepared for finding."""

    __slots__ = ("_anywhere", "_by_segment", "_others", "changes", "literals", "router")

    def __init__(self, router: RuleRouter, rules: Rules) -> None:
        self.router = router
        self.changes = Rule._halny_changes
        self.literals: dict[str, Found] = {}
        self._others: list[Rule] = []
        for rule in rules:
            matcher = rule.matcher
            literal = matcher.literal if isinstance(matcher, PathMatches) and _matches_plainly(matcher) else None
            if literal is None or not _is_unconditional(rule.target) or not self._add_literal(literal, rule):
                self._others.append(rule)
        segments = [_first_segment(rule) for rule in self._others]
        candidates = [_candidate(rule) for rule in self._others]
        self._anywhere = [each for each, own in zip(candidates, segments, strict=True) if own is None]
        self._by_segment = {
            segment: [each for each, own in zip(candidates, segments, strict=True) if own is None or own == segment]
            for segment in {*segments} - {None}
        }

    def candidates(self, path: str) -> list[_Candidate]:
        """Return the rules that may match a path which is not in the table, in order."""
        if not self._by_segment:
            return self._anywhere
        return self._by_segment.get(path[: path.find("/", 1) + 1], self._anywhere)

    def _add_literal(self, literal: str, rule: Rule) -> bool:
        """Put a rule into the table, if what comes before it is sure not to match, or sure to match, its path."""
        if literal in self.literals:
            return True
        found: Found = (rule, [], {})
        for earlier in self._others:
            if not isinstance(earlier.matcher, PathMatches) or not _matches_plainly(earlier.matcher):
                return False
            arguments = earlier.matcher.match_path(literal)
            if arguments is not None:
                if not _is_unconditional(earlier.target):
                    return False
                found = (earlier, *arguments)
                break
        self.literals[literal] = found
        return True


def _only_router(rules: Rules) -> RuleRouter | None:
    """Return the router to which all requests go, as in an application without handlers for hosts."""
    if len(rules) == 1 and type(rules[0].matcher) is AnyMatches and not rules[0].target_kwargs:
        target = rules[0].target
        return target if isinstance(target, RuleRouter) else None
    return None


def _candidate(rule: Rule) -> _Candidate:
    matcher = rule.matcher
    plain = isinstance(matcher, PathMatches) and _matches_plainly(matcher) and _is_unconditional(rule.target)
    return rule, matcher if plain else None  # type: ignore[return-value]


def _first_segment(rule: Rule) -> str | None:
    """Return the first segment, with both its slashes, of all paths that a rule matches, or None for any."""
    matcher = rule.matcher
    if not isinstance(matcher, PathMatches) or not _matches_plainly(matcher):
        return None
    prefix = matcher.prefix
    end = prefix.find("/", 1) + 1
    return prefix[:end] or None


class ReversibleRuleRouter(ReversibleRouter, RuleRouter):
    """Tries rules in order, and makes the paths of those that have names.

    Args:
        rules: as for `RuleRouter`.
    """

    def __init__(self, rules: RuleList | None = None) -> None:
        self.named_rules: dict[str, Rule] = {}
        super().__init__(rules)

    def process_rule(self, rule: Rule) -> Rule:
        """See `RuleRouter.process_rule`: remembers the name."""
        rule = super().process_rule(rule)
        if rule.name:
            if rule.name in self.named_rules:
                application_log.warning("multiple handlers named %s; replacing previous value", rule.name)
            self.named_rules[rule.name] = rule
        return rule

    def reverse_url(self, name: str, *args: Any) -> str | None:
        """See `ReversibleRouter.reverse_url`."""
        if name in self.named_rules:
            return self.named_rules[name].reverse(*args)
        for rule in self.rules:
            if isinstance(rule.target, ReversibleRouter):
                url = rule.target.reverse_url(name, *args)
                if url is not None:
                    return url
        return None
