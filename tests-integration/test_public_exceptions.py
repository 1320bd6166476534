"""Exceptions are shown by the name that users catch them by, and survive the way to another process."""

from __future__ import annotations

import copy
import importlib
import pickle
import traceback
from typing import Any

import pytest

import halny.http
import halny.iostream
import halny.template
import halny.web
from tools.workspace import packages


def _public() -> dict[type[BaseException], set[str]]:
    """Each exception of ours that a public module offers, and the modules that do."""
    found: dict[type[BaseException], set[str]] = {}
    for package in packages():
        for name in package.modules:
            if "._" not in name:
                module = importlib.import_module(name)
                for each in (getattr(module, public) for public in getattr(module, "__all__", ())):
                    if isinstance(each, type) and issubclass(each, BaseException) and "halny" in each.__module__:
                        found.setdefault(each, set()).add(name)
    return found


PUBLIC = _public()


def test_there_are_exceptions_of_each_package() -> None:
    owners = {exception.__module__.split(".")[1] for exception in PUBLIC}
    assert owners == {"http", "ioloop", "iostream", "options", "template", "web"}


@pytest.mark.parametrize("exception", PUBLIC, ids=lambda exception: exception.__qualname__)
def test_an_exception_is_named_by_where_it_is_imported_from(exception: type[BaseException]) -> None:
    assert exception.__module__ in PUBLIC[exception]
    assert pickle.loads(pickle.dumps(exception)) is exception


def test_what_a_traceback_shows() -> None:
    (line,) = traceback.format_exception_only(halny.web.HTTPError(404, "no %s", "page"))
    assert line == "halny.web.HTTPError: HTTP 404: Not Found (no page)\n"


class Teapot(halny.web.HTTPError):
    """What an application adds: it is not called with what it hands on."""

    def __init__(self, *, tea: str) -> None:
        super().__init__(418, "no coffee but %s", tea, reason="Teapot")
        self.tea = tea


@pytest.mark.parametrize(
    "error",
    [
        halny.web.HTTPError(),
        halny.web.HTTPError(404, "no %s", "page", reason="Gone astray"),
        halny.web.HTTPError(400, "100%"),
        halny.web.MissingArgumentError("q"),
        halny.web.Finish("chunk"),
        Teapot(tea="mint"),
        halny.http.HTTPInputError("bad"),
        halny.http.HTTPRefusal(431, "too much"),
        halny.http.HTTPOutputError("bad"),
        halny.http.CookieFormatError("bad"),
        halny.iostream.StreamClosedError(),
        halny.iostream.StreamClosedError(ConnectionResetError(104, "reset")),
        halny.iostream.StreamBufferFullError("full"),
        halny.template.ParseError("bad", "page.html", 3, line="{% if"),
        halny.template.TemplateNotFound("page.html", "leads out"),
    ],
    ids=repr,
)
def test_an_exception_survives_pickling_and_copying(error: BaseException) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        _assert_same(pickle.loads(pickle.dumps(error, protocol)), error)
    _assert_same(copy.copy(error), error)


def _assert_same(other: Any, error: BaseException) -> None:
    assert type(other) is type(error)
    assert (str(other), repr(other), other.args) == (str(error), repr(error), error.args)
    assert repr(vars(other)) == repr(vars(error))
