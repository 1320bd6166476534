from __future__ import annotations

import pytest

from halny.web import Finish, HTTPError, MissingArgumentError


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
