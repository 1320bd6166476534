"""Things that are parsed: a JSON answer to a path group and a query argument, and uploads."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from tools.bench._load import Load
from tools.bench._requests import Request

if TYPE_CHECKING:
    from tools.bench._requests import Answer

MIB = 1 << 20
UPLOAD_CONNECTIONS = 16
UPLOAD = Request("/upload?n={n}", "POST", os.urandom(MIB))


def is_item(answer: Answer, number: int) -> bool:
    """Whether this is the item that was asked for."""
    expected = {"id": 42, "query": f"word-{number}", "tags": ["red", "green"], "price": 12.5, "stock": None}
    return bool(json.loads(answer.body) == expected)


def is_size(answer: Answer, number: int) -> bool:
    """Whether the whole upload was seen."""
    return answer.body == str(MIB).encode("ascii")


CASES = (
    Load("json", "JSON, with a path group and a query argument", "json", Request("/items/42?q=word-{n}"), is_item),
    Load("upload", "An upload of 1 MiB, read whole", "upload", UPLOAD, is_size, UPLOAD_CONNECTIONS, MIB),
    Load("upload-stream", "An upload of 1 MiB, streamed", "upload-stream", UPLOAD, is_size, UPLOAD_CONNECTIONS, MIB),
)
