"""What changes a response on its way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from halny.http import HTTPHeaders, HTTPServerRequest


class OutputTransform:
    """Changes the response of a request; this one leaves it as it is.

    Args:
        request: the request that is answered.
    """

    def __init__(self, request: HTTPServerRequest) -> None:
        pass

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """Return what becomes of the head and the first part of the body.

        Args:
            status_code: the status.
            headers: the headers, which may be changed.
            chunk: the first part of the body.
            finishing: whether it is the last one too.
        """
        return status_code, headers, chunk

    def transform_chunk(self, chunk: bytes, finishing: bool) -> bytes:
        """Return what becomes of a further part of the body.

        Args:
            chunk: the part.
            finishing: whether it is the last one.
        """
        return chunk
