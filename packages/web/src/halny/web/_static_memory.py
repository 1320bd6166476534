"""Small files kept in memory, with the heads of their responses.

Strategy: a file is served from here only after the system was asked whether it is still the same file in the same
state, and only for a moment after it was opened and found to be in its place: then it is opened again. What has just
been changed, is reached through symbolic links, or is large, is never kept.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Final, final

from ._static_versions import is_settled, mark_of

if TYPE_CHECKING:
    from ._static_versions import Mark

TRUSTED_TIME: Final = 1.0
"""Seconds for which a file is taken to be where it was. A folder above it may be moved meanwhile, which the file's own
state does not tell; what is then served is what was served a second ago."""


@final
class SmallFile:
    """A file, and what is said of it."""

    __slots__ = ("content", "content_type", "etag", "mark", "opened_at", "path", "validators")

    path: str
    """The absolute path."""
    mark: Mark
    """The state of the file when it was read."""
    content: bytes
    """The whole of it."""
    content_type: str
    """Its media type."""
    etag: str
    """Its entity tag."""
    validators: bytes
    """The header lines that say which state of the file this is."""
    opened_at: float
    """When it was opened, on the monotonic clock."""

    def __init__(
        self,
        path: str,
        mark: Mark,
        content: bytes,
        content_type: str,
        etag: str,
        validators: bytes,
        opened_at: float,
    ) -> None:
        self.path = path
        self.mark = mark
        self.content = content
        self.content_type = content_type
        self.etag = etag
        self.validators = validators
        self.opened_at = opened_at

    def is_current(self) -> bool:
        """Return whether the file is still there, in the same state."""
        if time.monotonic() - self.opened_at > TRUSTED_TIME:
            return False
        try:
            return mark_of(os.stat(self.path)) == self.mark  # noqa: PTH116 - `Path` would cost more than the rest
        except OSError:
            return False


@final
class SmallFiles:
    """Small files by the class that serves them, the root and the path that were asked for.

    The oldest are forgotten first. What a file is said to be may follow from attributes of the class, such as a limit,
    so what one class has found is nothing for another.
    """

    def __init__(self) -> None:
        self._files: dict[tuple[type, str, str], SmallFile] = {}
        self._size = 0

    def find(self, cls: type, root: str, path: str) -> SmallFile | None:
        """Return a file that may be served.

        Args:
            cls: the class of the handler.
            root: the directory from which files are served.
            path: the path below it, as it was asked for.
        """
        file = self._files.get((cls, root, path))
        if file is None:
            return None
        if file.is_current():
            return file
        self._forget((cls, root, path))
        return None

    def keep(self, cls: type, root: str, path: str, file: SmallFile, stat: os.stat_result, limit: int) -> None:
        """Keep a file, unless it has just been changed.

        Args:
            cls: the class of the handler.
            root: the directory from which files are served.
            path: the path below it, as it was asked for.
            file: the file.
            stat: the state in which it was read.
            limit: bytes that all files together may have.
        """
        if len(file.content) > limit or not is_settled(stat):
            return
        self._forget((cls, root, path))
        self._files[cls, root, path] = file
        self._size += len(file.content)
        while self._size > limit or len(self._files) * _ENTRY_SIZE > limit:
            self._forget(next(iter(self._files)))

    def clear(self) -> None:
        """Forget all."""
        self._files.clear()
        self._size = 0

    def _forget(self, key: tuple[type, str, str]) -> None:
        file = self._files.pop(key, None)
        if file is not None:
            self._size -= len(file.content)


_ENTRY_SIZE: Final = 1024
"""Bytes that a file costs at least, however little is in it."""
