"""Handlers that come with the framework and answer without any code of an application's."""

from __future__ import annotations

from ._exceptions import HTTPError
from ._handler import RequestHandler


class ErrorHandler(RequestHandler):
    """Answers every request with an error page."""

    def initialize(self, status_code: int) -> None:
        """Take the status.

        Args:
            status_code: the status of the page.
        """
        self.set_status(status_code)

    def prepare(self) -> None:
        """See `RequestHandler.prepare`."""
        raise HTTPError(self._status_code)
