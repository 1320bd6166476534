"""What a rule asks of a request: its path, its host, or nothing.

A matcher says which arguments the handler gets. `PathMatches` also makes paths, the reverse of matching, and knows
when its pattern is only a literal text, so that a router finds it without a regular expression.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote

from halny.http import percent_decode
from halny.ioloop.util import re_unescape

if TYPE_CHECKING:
    from halny.http import HTTPServerRequest

    from ._application import Application

_UNIT: Final = r"(?:[A-Za-z0-9/_~:@!,;=&'% -]|\\[^A-Za-z0-9])"
_LITERAL: Final = re.compile(f"{_UNIT}*")
_PREFIX: Final = re.compile(f"(?:{_UNIT}(?![*?{{]))*")
"""What a pattern begins with that stands for itself; what may be missing does not."""

PathArguments: TypeAlias = "tuple[list[bytes | None], dict[str, bytes | None]]"
"""What the groups of a path's pattern matched, percent-decoded: positional and keyword arguments of the handler."""


class Matcher:
    """Asks something of a request."""

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return what the target gets besides the request, or None where the request does not match.

        Args:
            request: the request, whose body is not there yet.

        Returns:
            A dict, which may be empty. A handler's positional and keyword arguments are its `path_args` and
            `path_kwargs`; other keys go to the target's `find_handler` or `start_request`.
        """
        raise NotImplementedError

    def reverse(self, *args: Any) -> str | None:
        """Return the path that this matcher matches with these arguments, or None where it does not know it."""
        return None


class AnyMatches(Matcher):
    """Matches every request."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """See `Matcher.match`."""
        return {}


class HostMatches(Matcher):
    """Matches requests by the host that they ask for.

    Args:
        host_pattern: a regular expression for the whole host name, without the port.

    Raises:
        re.error: it is no regular expression. A note says which.
    """

    def __init__(self, host_pattern: str | re.Pattern[str]) -> None:
        if isinstance(host_pattern, str):
            if not host_pattern.endswith("$"):
                host_pattern += "$"
            host_pattern = _compiled(host_pattern)
        self.host_pattern = host_pattern

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.host_pattern.pattern!r})"

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """See `Matcher.match`."""
        return {} if self.host_pattern.match(request.host_name) else None


class DefaultHostMatches(Matcher):
    """Matches requests of an application's `default_host` that do not come through a proxy.

    Args:
        application: has the `default_host`.
        host_pattern: a regular expression for it.
    """

    def __init__(self, application: Application, host_pattern: re.Pattern[str]) -> None:
        self.application = application
        self.host_pattern = host_pattern

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.application!r}, {self.host_pattern.pattern!r})"

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """See `Matcher.match`."""
        # A proxy says which host was asked for, so the default is not for its requests.
        if "X-Real-Ip" in request.headers:
            return None
        default = self.application.default_host
        return {} if default is not None and self.host_pattern.match(default) else None


class PathMatches(Matcher):
    """Matches requests by their path.

    Args:
        path_pattern: a regular expression for the whole path. Its groups, all named or all unnamed, become the
            handler's arguments.

    Raises:
        ValueError: some groups are named and some are not.
        TypeError: it is neither text nor a compiled pattern.
        re.error: it is no regular expression. A note says which, as the message doesn't.
    """

    def __init__(self, path_pattern: str | re.Pattern[str]) -> None:
        if isinstance(path_pattern, str):
            if not path_pattern.endswith("$"):
                path_pattern += "$"
            path_pattern = _compiled(path_pattern)
        elif not isinstance(path_pattern, re.Pattern) or not isinstance(path_pattern.pattern, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"a path's pattern is text, or compiled from text, not {path_pattern!r}")
        self.regex = path_pattern
        if len(self.regex.groupindex) not in (0, self.regex.groups):
            raise ValueError(
                f"groups in url regexes must either be all named or all positional: {self.regex.pattern!r}"
            )
        self._is_named = bool(self.regex.groupindex)
        self._path, self._group_count = self._find_groups()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.regex.pattern!r})"

    @property
    def literal(self) -> str | None:
        """The one path that the pattern matches, or None where there may be several."""
        pattern = self.regex.pattern.removeprefix("^")
        if not pattern.endswith("$"):
            return None  # a compiled pattern that matches whatever begins so
        pattern = pattern.removesuffix("$")
        if self.regex.flags & (re.IGNORECASE | re.VERBOSE) or _LITERAL.fullmatch(pattern) is None:
            return None
        return re_unescape(pattern)

    @property
    def prefix(self) -> str:
        """What every path that the pattern matches begins with; perhaps nothing."""
        pattern = self.regex.pattern.removeprefix("^")
        if self.regex.flags & (re.IGNORECASE | re.VERBOSE) or "|" in pattern:
            return ""
        found = _PREFIX.match(pattern)
        return "" if found is None else re_unescape(found[0])

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """See `Matcher.match`."""
        arguments = self.match_path(request.path)
        if arguments is None or not self.regex.groups:
            return None if arguments is None else {}
        path_args, path_kwargs = arguments
        return {"path_args": path_args, "path_kwargs": path_kwargs}

    def match_path(self, path: str) -> PathArguments | None:
        """Return the positional and the keyword arguments in a path, or None where the pattern does not match it."""
        match = self.regex.match(path)
        if match is None:
            return None
        if self._is_named:
            return [], {name: _unquote(group) for name, group in match.groupdict().items()}
        if "%" in path:
            return [_unquote(group) for group in match.groups()], {}
        return [None if group is None else group.encode("latin-1") for group in match.groups()], {}

    def reverse(self, *args: Any) -> str | None:
        """Return the path with these arguments in the places of the groups, percent-encoded.

        Raises:
            ValueError: the pattern is too complicated to be reversed, or the number of arguments is wrong.
        """
        if self._path is None:
            raise ValueError(f"cannot reverse url regex {self.regex.pattern}")
        if len(args) != self._group_count:
            raise ValueError(f"url {self.regex.pattern} takes {self._group_count} arguments, not {len(args)}")
        encoded = [quote(arg if isinstance(arg, bytes) else str(arg)) for arg in args]
        return self._path % tuple(encoded)

    def _find_groups(self) -> tuple[str | None, int | None]:
        """Return a `%` format that makes a path, and its number of places; (None, None) where there is none."""
        pattern = self.regex.pattern.removeprefix("^").removesuffix("$")
        if self.regex.groups != pattern.count("("):
            return None, None  # nested or non-capturing groups, or escaped parentheses
        pieces: list[str] = []
        for fragment in pattern.split("("):
            group, parenthesis, literal = fragment.rpartition(")") if ")" in fragment else ("", "", fragment)
            if parenthesis and ")" in group:
                return None, None
            try:
                unescaped = re_unescape(literal)
            except ValueError:
                return None, None  # a class such as \d outside any group
            pieces.append(("%s" if parenthesis else "") + unescaped.replace("%", "%%"))
        return "".join(pieces), self.regex.groups


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        error.add_note(f"in the pattern {pattern!r} of a route")
        raise


def _unquote(group: str | None) -> bytes | None:
    """Undo percent-encoding of a group; one that took no part stays None."""
    return None if group is None else percent_decode(group)
