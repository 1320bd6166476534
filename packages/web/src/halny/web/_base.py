"""What all parts of `RequestHandler` share: the request, the application, and the state of the response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from halny.http import HTTPServerRequest

    from ._application import Application
    from ._transforms import OutputTransform


class HandlerBase:
    """The ground on which the parts of `RequestHandler` stand; each part is one concern and one file.

    Subclasses use whatever names they like. So what is not a name of Tornado's handlers, or documented, begins with
    `_halny_`.
    """

    application: Application
    """The application that this handler belongs to."""
    request: HTTPServerRequest
    """The request that is being answered."""
    path_args: list[Any]
    """The positional arguments from the path."""
    path_kwargs: dict[str, Any]
    """The keyword arguments from the path."""

    # All is set for each object, and nothing is a default of the class: what an object may or may not have is slow to
    # set and to find.
    _finished: bool
    _headers_written: bool
    _auto_finish: bool
    _transforms: list[OutputTransform]
    _halny_ui: Any
    """What templates see of UI modules and methods, once one has asked."""

    @property
    def settings(self) -> dict[str, Any]:
        """The application's settings."""
        return self.application.settings

    def require_setting(self, name: str, feature: str = "this feature") -> None:
        """Raise an exception that names a setting, unless the application has it.

        Args:
            name: the setting.
            feature: what needs it, for the message.

        Raises:
            RuntimeError: the application lacks it.
        """
        if not self.application.settings.get(name):
            raise RuntimeError(f"you must define the {name!r} setting in your application to use {feature}")
