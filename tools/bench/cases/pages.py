"""Applications of some size: a thousand routes, and a page with a thousand rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.bench._load import Load
from tools.bench._requests import Request
from tools.bench._site import ROUTES, TABLE_ROWS

from .hello import is_hello

if TYPE_CHECKING:
    from tools.bench._requests import Answer

LAST = ROUTES - 1


def is_table(answer: Answer, number: int) -> bool:
    """Whether the page has all rows, escaped."""
    row = b"Person &lt;999&gt; &amp; family</td>"
    return answer.body.count(b"<tr>") == TABLE_ROWS and row in answer.body


CASES = (
    Load("routes-first", f"The first of {ROUTES:,} literal routes", "routes", Request("/route/0?n={n}"), is_hello),
    Load(
        "routes-last", f"The last of {ROUTES:,} literal routes", "routes", Request(f"/route/{LAST}?n={{n}}"), is_hello
    ),
    Load("table", f"A rendered table of {TABLE_ROWS:,} rows", "table", Request("/?n={n}"), is_table, 16),
)
