"""A pytest plugin: a log line at WARNING or above that a test does not expect fails the test.

A handler on the root logger sees what every logger hands up, from the first fixture's set-up to the last one's end.
A line is expected if an open `expect_log` block asks for it, or if the test uses pytest's `caplog` and so declares that
it looks at the log itself (lines after the test function has returned are not excused by that).
"""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager


class ExpectLog(Protocol):
    """The type of the fixture `expect_log`."""

    def __call__(
        self, logger: str, pattern: str, level: int | None = None, *, count: int | None = None
    ) -> AbstractContextManager[list[logging.LogRecord]]:
        """Expect lines of `logger` (or one below it) whose message `pattern` is found in, logged inside the block.

        `level` is the exact level; a level that the logger is deaf to is switched on for the block.
        At least one line must come, or exactly `count`. The block's value is the list of the records.
        """
        ...


class _Expectation:
    __slots__ = ("level", "logger", "pattern", "records")

    def __init__(self, logger: str, pattern: str, level: int | None) -> None:
        self.logger = logger
        self.pattern = re.compile(pattern, re.DOTALL)
        self.level = level
        self.records: list[logging.LogRecord] = []

    def __str__(self) -> str:
        level = "" if self.level is None else f" at {logging.getLevelName(self.level)}"
        return f"a line of {self.logger}{level} that matches {self.pattern.pattern!r}"

    def takes(self, record: logging.LogRecord) -> bool:
        return (
            (record.name == self.logger or record.name.startswith(self.logger + ".") or self.logger == "root")
            and self.level in (None, record.levelno)
            and self.pattern.search(record.getMessage()) is not None
        )


class _Watch(logging.Handler):
    """Sorts the lines of one test into expected and unexpected ones."""

    def __init__(self) -> None:
        super().__init__()
        self.expectations: list[_Expectation] = []
        self.unexpected: list[logging.LogRecord] = []
        self.seen: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(record)
        for expectation in reversed(self.expectations):
            if expectation.takes(record):
                expectation.records.append(record)
                return
        if record.levelno >= logging.WARNING:
            self.unexpected.append(record)

    def reset(self) -> None:
        self.expectations.clear()
        self.unexpected.clear()
        self.seen.clear()

    def fail_on_unexpected(self) -> None:
        lines = [_describe(record) for record in self.unexpected]
        self.unexpected.clear()
        if lines:
            pytest.fail("unexpected log lines (see expect_log):\n  " + "\n  ".join(lines), pytrace=False)


_watch = _Watch()


def _describe(record: logging.LogRecord) -> str:
    text = f"{record.levelname} {record.name}: {record.getMessage()}"
    if record.exc_info and record.exc_info[1] is not None:
        text += f" [{record.exc_info[1]!r}]"
    return text


@contextmanager
def _audible(logger: logging.Logger, level: int | None) -> Generator[None]:
    if level is None or logger.isEnabledFor(level):
        yield
        return
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _expect(
    logger: str, pattern: str, level: int | None = None, *, count: int | None = None
) -> Generator[list[logging.LogRecord]]:
    expectation = _Expectation(logger, pattern, level)
    first = len(_watch.seen)
    _watch.expectations.append(expectation)
    try:
        with _audible(logging.getLogger(logger), level):
            yield expectation.records
    finally:
        _watch.expectations.remove(expectation)
    got = len(expectation.records)
    if got == 0 or count not in (None, got):
        wanted = "at least one" if count is None else str(count)
        lines = "\n  ".join(_describe(record) for record in _watch.seen[first:]) or "nothing"
        pytest.fail(f"expected {expectation}: {wanted}, not {got}; logged in the block:\n  {lines}", pytrace=False)


@pytest.fixture
def expect_log() -> ExpectLog:
    """Expect log lines: `with expect_log("halny.general", "broken", logging.WARNING): ...`."""
    return _expect


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Generator[None, object, object]:
    root = logging.getLogger()
    _watch.reset()
    root.addHandler(_watch)
    try:
        return (yield)
    finally:
        root.removeHandler(_watch)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    try:
        result = yield
    except BaseException:
        _watch.unexpected.clear()  # the failure itself says more, and pytest shows the captured log beside it
        raise
    if "caplog" in getattr(item, "fixturenames", ()):
        _watch.unexpected.clear()
    _watch.fail_on_unexpected()
    return result


# Outermost, so that what the garbage collector brings to light in the plugin for leaks is seen here.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, object, object]:
    result = yield
    _watch.fail_on_unexpected()
    return result
