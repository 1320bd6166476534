"""From the path of a URL to a file that may be served.

Strategy: a path is joined with the root as text, and whatever leaves the root that way is refused before the disk is
asked. What is there is opened once, and everything else (whether it is a file, where it really is, its size, its
times, its content) is asked of the open file, so that nobody can put another in its place meanwhile. A symbolic link
may lead anywhere below the root, or below a directory that is allowed by name.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from typing import TYPE_CHECKING, Final, TypeAlias, final

from ._exceptions import HTTPError

if TYPE_CHECKING:
    from collections.abc import Iterable

AllowedDirectories: TypeAlias = "str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None"
"""Where symbolic links may lead besides the root: a directory, several, or none."""

_OPEN_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO must not block the loop until somebody writes to it
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_DESCRIPTORS: Final = "/proc/self/fd" if sys.platform == "linux" and os.path.isdir("/proc/self/fd") else None  # noqa: PTH112
_HAS_PREAD: Final = hasattr(os, "pread")
_WINDOWS: Final = sys.platform == "win32"


def join_paths(root: str, path: str) -> str:
    """Return the absolute path of what a client asks for.

    Args:
        root: the directory from which files are served.
        path: what the client asks for, decoded, with the system's separators.

    Raises:
        HTTPError: the path leaves the root (403), or can't be a path (404).
    """
    if "\0" in path or (_WINDOWS and ":" in path):
        raise HTTPError(404)  # no file system has such names; on NTFS what follows a colon names another stream
    root = os.path.abspath(root)  # noqa: PTH100
    joined = os.path.abspath(os.path.join(root, path))  # noqa: PTH100, PTH118 - `Path` would cost more than the rest
    if not is_below(joined, root):
        raise HTTPError(403, "%s is not in root static directory", path)
    return joined


def is_below(path: str, directory: str) -> bool:
    """Return whether an absolute path is that of a directory, or of something in it; `/a/bc` is not in `/a/b`."""
    return path == directory or path.startswith(directory if directory.endswith(os.sep) else directory + os.sep)


@final
class OpenedFile:
    """A regular file or a directory, open for reading.

    Args:
        path: its absolute path.

    Raises:
        HTTPError: there is nothing (404), or it can't be read (403).
    """

    __slots__ = ("_descriptor", "path", "stat")

    path: str
    """The absolute path, by which it was opened."""
    stat: os.stat_result
    """What the system says of it."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, _OPEN_FLAGS)
        except OSError as error:
            raise _refusal(error, path) from None
        except ValueError:
            raise HTTPError(404) from None  # a name with a NUL, or one that can't be encoded
        try:
            self.stat = os.fstat(self._descriptor)
        except BaseException:
            self.close()
            raise

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.stat.st_mode)

    @property
    def is_directory(self) -> bool:
        """Whether it is a directory."""
        return stat.S_ISDIR(self.stat.st_mode)

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def real_path(self) -> str:
        """Return where it really is: an absolute path without symbolic links."""
        if _DESCRIPTORS is not None:
            try:
                return os.readlink(f"{_DESCRIPTORS}/{self._descriptor}")  # noqa: PTH115
            except OSError:  # /proc has gone
                pass
        return os.path.realpath(self.path)

    def read(self, start: int, size: int) -> bytes:
        """Return a part of the content, shorter where the file ends; it blocks while the disk is read.

        Args:
            start: where the part begins, in bytes.
            size: its length in bytes.
        """
        if _HAS_PREAD:
            return os.pread(self._descriptor, size, start)
        os.lseek(self._descriptor, start, os.SEEK_SET)
        return os.read(self._descriptor, size)

    def duplicate(self) -> OpenedFile:
        """Return the same file, open once more, to be closed by itself.

        Raises:
            HTTPError: there is no descriptor for it (503).
        """
        twin = object.__new__(OpenedFile)
        twin.path, twin.stat = self.path, self.stat
        try:
            twin._descriptor = os.dup(self._descriptor)
        except OSError as error:
            raise _refusal(error, self.path) from None
        return twin

    def close(self) -> None:
        """Close it. Calling it again does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> OpenedFile:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def require_allowed_place(file: OpenedFile, root: str, allowed: AllowedDirectories) -> str:
    """Return where a file really is, if symbolic links have not led it out of the root.

    Args:
        file: the file.
        root: the directory from which files are served.
        allowed: further directories in which it may be.

    Raises:
        HTTPError: it is elsewhere (403).
    """
    place = file.real_path()
    if place == file.path:
        return place  # no symbolic link on the whole way, so it is where its path says: in the root
    for directory in (root, *_as_list(allowed)):
        if is_below(place, os.path.realpath(directory)):
            return place
    raise HTTPError(403, "%s is a symbolic link that leads out of the root static directory", file.path)


def _as_list(allowed: AllowedDirectories) -> Iterable[str | os.PathLike[str]]:
    if allowed is None:
        return ()
    return (allowed,) if isinstance(allowed, (str, os.PathLike)) else allowed


def _refusal(error: OSError, path: str) -> HTTPError:
    if error.errno in (errno.EACCES, errno.EPERM):
        return HTTPError(403, "%s may not be read", path)
    if error.errno == errno.ENXIO:
        return HTTPError(403, "%s is not a file", path)  # a socket
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM):
        return HTTPError(503, "no descriptor for %s: %s", path, error)
    return HTTPError(404)
