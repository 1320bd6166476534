"""Versions of files: hashes of their content, which make URLs and entity tags.

Strategy: a hash is kept as long as the file is the same, which its inode, size and times tell. A file that was changed
within the last moments may be changed again without a trace in its times, so its hash is not kept.
"""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Final, TypeAlias, final

if TYPE_CHECKING:
    import os

SETTLING_TIME: Final = 2_000_000_000
"""Nanoseconds in which a file may change twice and bear the same times: the coarsest clock of a file system, FAT's."""

HASH_SIZE: Final = 256 * 1024
"""Bytes that are hashed in the loop's thread, in less than half a millisecond; more go to another thread."""

Mark: TypeAlias = "tuple[int, ...]"
"""What tells one state of a file from another."""


def mark_of(stat: os.stat_result) -> Mark:
    """Return what tells this state of a file from any other."""
    return (stat.st_ino, stat.st_dev, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def is_settled(stat: os.stat_result) -> bool:
    """Return whether a further change of a file would show in its times."""
    return time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) >= SETTLING_TIME


def version_of_metadata(stat: os.stat_result) -> str:
    """Return a version that follows from a file's size and time of change, for files too large to be hashed."""
    return hashlib.sha1(f"{stat.st_size}-{stat.st_mtime_ns}".encode(), usedforsecurity=False).hexdigest()


@final
class VersionCache(dict[str, "str | None"]):
    """Versions by absolute path, each with the state of its file. The oldest are forgotten first."""

    def __init__(self) -> None:
        super().__init__()
        self._marks: dict[str, Mark] = {}

    def find(self, path: str, mark: Mark) -> str | None:
        """Return the version of a file, or None where it is not known for this state."""
        return self.get(path) if self._marks.get(path) == mark else None

    def keep(self, path: str, stat: os.stat_result, version: str, limit: int) -> None:
        """Remember the version of a file, unless it has just been changed.

        Args:
            path: the absolute path.
            stat: the state in which it was hashed.
            version: the version.
            limit: how many versions are remembered.
        """
        if not is_settled(stat):
            return
        self._make_room(path, limit)
        self[path] = version
        self._marks[path] = mark_of(stat)

    def keep_failure(self, path: str, limit: int) -> bool:
        """Remember that a file has no version, and return whether that is news, which is worth a line in the log.

        Args:
            path: the absolute path.
            limit: how many versions are remembered.
        """
        if path in self and self[path] is None:
            return False
        self._make_room(path, limit)
        self[path] = None
        self._marks.pop(path, None)
        return True

    def _make_room(self, path: str, limit: int) -> None:
        if path not in self:
            while self and len(self) >= limit:
                oldest = next(iter(self))
                del self[oldest]
                self._marks.pop(oldest, None)

    def clear(self) -> None:
        """Forget all."""
        super().clear()
        self._marks.clear()
