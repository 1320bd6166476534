"""The smallest answer: alone, with logs, after one `await`, over TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.bench._load import Load
from tools.bench._requests import Request

if TYPE_CHECKING:
    from tools.bench._requests import Answer

REQUEST = Request("/?n={n}")


def is_hello(answer: Answer, number: int) -> bool:
    """Whether this says hello."""
    return answer.body == b"Hello, world"


CASES = (
    Load("hello", 'A `RequestHandler` that writes "Hello, world"', "hello", REQUEST, is_hello),
    Load("hello-log", "The same, with access logs on for all", "hello", REQUEST, is_hello, access_log=True),
    Load("await", "A handler that awaits `asyncio.sleep(0)` first", "await", REQUEST, is_hello),
    Load("tls", '"Hello, world" over TLS', "hello", REQUEST, is_hello, tls=True),
)
