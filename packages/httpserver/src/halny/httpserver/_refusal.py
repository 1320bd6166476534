"""The whole response to a message that no application gets to see."""

from __future__ import annotations

from halny.http import responses, status_line


def refusal_response(status: int, *, head_only: bool = False) -> bytes:
    """Return a complete response that closes the connection.

    It says nothing of what was wrong: that is in the log, and may hold what the peer sent.

    Args:
        status: the status code.
        head_only: whether to leave the body out, as a HEAD request wants it.
    """
    reason = responses.get(status, "Unknown")
    page = f"<html><title>{status}: {reason}</title><body>{status}: {reason}</body></html>".encode()
    headers = (
        f"Content-Type: text/html; charset=UTF-8\r\nContent-Length: {len(page)}\r\nConnection: close\r\n\r\n"
    ).encode()
    return status_line(status, reason) + headers + (b"" if head_only else page)
