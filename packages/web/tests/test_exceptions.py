from __future__ import annotations

from http import HTTPStatus

import pytest

from halny.web import Finish, HTTPError, MissingArgumentError


class Silent:
    def __repr__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("error", "message", "log_message", "text"),
    [
        (HTTPError(), None, None, "HTTP 500: Internal Server Error"),
        (HTTPError(404), None, None, "HTTP 404: Not Found"),
        (HTTPError(777), None, None, "HTTP 777: Unknown"),
        (HTTPError(404, "why"), "why", "why", "HTTP 404: Not Found (why)"),
        (HTTPError(404, "50%"), "50%", "50%%", "HTTP 404: Not Found (50%)"),
        (HTTPError(404, "%d%%", 50), "50%", "%d%%", "HTTP 404: Not Found (50%)"),
        (HTTPError(404, reason="Gone"), None, None, "HTTP 404: Gone"),
        (HTTPError(400, "a %s %s", "b"), "'a %s %s' % ('b',)", "a %s %s", "HTTP 400: Bad Request ('a %s %s' % ('b',))"),
        (HTTPError(400, "a %d", "b"), "'a %d' % ('b',)", "a %d", "HTTP 400: Bad Request ('a %d' % ('b',))"),
        (HTTPError(400, "100%", "b"), "'100%' % ('b',)", "100%", "HTTP 400: Bad Request ('100%' % ('b',))"),
        (HTTPError(400, "a %s", Silent(), 5), "'a %s' % (Silent, int)", "a %s",
         "HTTP 400: Bad Request ('a %s' % (Silent, int))"),
        (HTTPError(404.0), None, None, "HTTP 404: Not Found"),  # type: ignore[arg-type]
        (HTTPError(HTTPStatus.NOT_FOUND), None, None, "HTTP 404: Not Found"),
        (HTTPError("404"), None, None, "HTTP '404': Unknown"),  # type: ignore[arg-type]
        (HTTPError({"a": 1}), None, None, "HTTP {'a': 1}: Unknown"),  # type: ignore[arg-type]
        (MissingArgumentError("a"), "Missing argument a", "Missing argument a",
         "HTTP 400: Bad Request (Missing argument a)"),
    ],
)  # fmt: skip
def test_http_errors(error: HTTPError, message: str | None, log_message: str | None, text: str) -> None:
    assert (error.get_message(), error.log_message, str(error)) == (message, log_message, text)


def test_relations() -> None:
    assert issubclass(MissingArgumentError, HTTPError)
    assert issubclass(HTTPError, Exception)
    assert issubclass(Finish, Exception)
    assert not issubclass(Finish, HTTPError)
    assert Finish("x").args == ("x",)
    assert HTTPError(404, "%s", "x").args == ("x",)
