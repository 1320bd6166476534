"""Where the files of a `StaticFileHandler` are, what they hold, and which version of them there is.

These are the methods by which an application serves what is not in files, or files by rules of its own. As long as
`get_content` is not overridden the others answer from one open file (see `_static_paths`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import os
import threading
from typing import TYPE_CHECKING, Any, ClassVar, cast

from ._exceptions import HTTPError
from ._handler import RequestHandler
from ._static_content import PIECE_SIZE, SharedHashes, find_sibling, guess_type, hash_file
from ._static_memory import SmallFiles
from ._static_paths import OpenedFile, is_below, join_paths, require_allowed_place
from ._static_versions import HASH_SIZE, VersionCache, mark_of

if TYPE_CHECKING:
    from collections.abc import Generator

    from ._static_paths import AllowedDirectories

general_log = logging.getLogger("halny.general")


class FileSource(RequestHandler):
    """The part of `StaticFileHandler` that finds files and knows them."""

    CACHE_MAX_AGE = 86400 * 365 * 10
    """Seconds for which clients may keep what they asked for with a version: ten years."""

    MAX_VERSION_CONTENT_SIZE = 64 * 1024 * 1024
    """Bytes of content that are hashed for a version, a fifth of a second of work; larger files have none."""

    MAX_CACHED_VERSIONS = 10_000
    """Versions that are remembered, some 3 MiB."""

    MAX_CACHED_CONTENT = 16 * 1024 * 1024
    """Bytes of small files that are kept in memory; each is looked at on disk before it is served. 0 keeps none."""

    allowed_symlink_directory: AllowedDirectories = None
    """Where symbolic links may lead besides the root: a directory, or several."""

    precompressed = False
    """Whether the files `x.br`, `x.zst` and `x.gz` are sent for `x` to clients that take these codings."""

    _static_hashes: ClassVar[VersionCache] = VersionCache()
    _halny_shared_hashes: ClassVar[SharedHashes] = SharedHashes()
    _halny_small_files: ClassVar[SmallFiles] = SmallFiles()
    _lock: ClassVar[threading.Lock] = threading.Lock()

    # A subclass may have an `initialize` that knows nothing of these.
    root: str
    """The directory from which files are served."""
    default_filename: str | None = None
    """The file that is sent for a directory."""
    path: str
    """The path that is asked for, below the root."""
    absolute_path: str
    """The path of the file that is sent."""
    modified: dt.datetime | None = None
    """When that file was changed."""
    _halny_file: OpenedFile | None = None
    _halny_coding: str | None = None
    _halny_version: str | None = None

    def initialize(
        self,
        path: str | os.PathLike[str],
        default_filename: str | None = None,
        allowed_symlink_directory: AllowedDirectories = None,
        precompressed: bool | None = None,
    ) -> None:
        """Take the arguments of the route.

        Args:
            path: the directory from which files are served.
            default_filename: the file that is sent for a directory, such as `index.html`.
            allowed_symlink_directory: a directory, or several, below which symbolic links may lead out of `path`.
            precompressed: whether files in a content coding beside the files are used.
        """
        # A subclass that has its own `get_absolute_path` may be given something else, such as several directories.
        given: Any = path
        self.root = os.fspath(given) if hasattr(given, "__fspath__") else given
        self.default_filename = default_filename
        if allowed_symlink_directory is not None:
            self.allowed_symlink_directory = allowed_symlink_directory
        if precompressed is not None:
            self.precompressed = precompressed

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give a subclass that makes versions in its own way versions of its own."""
        super().__init_subclass__(**kwargs)
        if not _MAKES_VERSIONS.isdisjoint(vars(cls)):
            cls._static_hashes = VersionCache()

    @classmethod
    def reset(cls) -> None:
        """Forget what this class and its subclasses know of files."""
        with cls._lock:
            cls._static_hashes.clear()
            cls._halny_small_files.clear()
        for subclass in cls.__subclasses__():
            subclass.reset()

    # The file

    def _halny_keep_open(self, file: OpenedFile | None) -> None:
        """Take a file to be sent in place of the one before, which is closed."""
        if self._halny_file is not None:
            self._halny_file.close()
        self._halny_file = file

    def _halny_open_what_is_sent(self) -> None:
        """See that the open file is the one that is sent, if its content is sent at all and not something else."""
        if not self._halny_overrides_nothing("get_content", "get_content_size"):
            self._halny_keep_open(None)
            return
        if self._halny_file is None or self._halny_file.path != self.absolute_path:
            self._halny_keep_open(
                file := OpenedFile(self.absolute_path)
            )  # a subclass has chosen it by rules of its own
            if not file.is_file:
                raise HTTPError(403, "%s is not a file", self.path)
        if self.precompressed and self._halny_file is not None:
            sibling = find_sibling(self._halny_file, self.request.headers.get("Accept-Encoding", ""))
            if sibling is not None:
                self._halny_coding, file = sibling
                self._halny_keep_open(file)

    def _halny_overrides_nothing(self, *names: str) -> bool:
        cls, own = type(self), vars(self)
        return all(name not in own and _function_of(cls, name) is _ORIGINALS[name] for name in names)

    def _halny_leaves_body_alone(self) -> bool:
        """Return whether the body leaves as it is: nothing changes it, and no subclass sees it."""
        if any(getattr(transform, "is_active", True) for transform in self._transforms):
            return False
        return self._halny_overrides_nothing("write", "flush")

    def _stat(self) -> os.stat_result:
        return self._halny_file.stat if self._halny_file is not None else os.stat(self.absolute_path)  # noqa: PTH116

    # Where files are

    def parse_url_path(self, url_path: str) -> str:
        """Return the path of a file below the root, with the system's separators.

        Args:
            url_path: the path from the URL, decoded.
        """
        return url_path if os.path.sep == "/" else url_path.replace("/", os.path.sep)

    @classmethod
    def get_absolute_path(cls, root: str, path: str) -> str:
        """Return the absolute path of a file; it need not exist.

        Args:
            root: the directory from which files are served.
            path: the path below it.

        Raises:
            HTTPError: the path leaves the root (403).
        """
        return join_paths(root, path)

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """Return the path of the file that is to be sent, or None where the response is already finished.

        Args:
            root: the directory from which files are served.
            absolute_path: what `get_absolute_path` returned.

        Raises:
            HTTPError: there is no such file (404), or it may not be served (403).
        """
        root = os.path.abspath(root)  # noqa: PTH100
        if not is_below(absolute_path, root):
            raise HTTPError(403, "%s is not in root static directory", self.path)
        self._halny_keep_open(file := OpenedFile(absolute_path))
        if file.is_directory and self.default_filename is not None:
            require_allowed_place(file, root, self.allowed_symlink_directory)
            if not self.request.path.endswith("/"):
                self._halny_redirect_to_directory()
                return None
            self._halny_keep_open(file := OpenedFile(os.path.join(absolute_path, self.default_filename)))  # noqa: PTH118
        if not file.is_file:
            raise HTTPError(403, "%s is not a file", self.path)
        file.path = require_allowed_place(file, root, self.allowed_symlink_directory)
        return file.path

    def _halny_redirect_to_directory(self) -> None:
        path = self.request.path
        if path.startswith(("//", "/\\")):
            raise HTTPError(403, "cannot redirect path with two initial slashes")  # a browser takes it for a host
        self.redirect(path + "/", permanent=True)

    # What files hold

    @classmethod
    def get_content(
        cls, abspath: str, start: int | None = None, end: int | None = None
    ) -> Generator[bytes, None, None] | bytes:
        """Return the content of a file, whole or in pieces; a subclass may get it from elsewhere.

        Args:
            abspath: the absolute path.
            start: where the part begins, in bytes.
            end: where it ends: the first byte that is not sent.
        """
        return _read_pieces(abspath, start or 0, end)

    @classmethod
    def get_content_version(cls, abspath: str) -> str:
        """Return the version of a file, which changes when its content does: a hash.

        Args:
            abspath: the absolute path.

        Raises:
            ValueError: the content has more than `MAX_VERSION_CONTENT_SIZE` bytes.
        """
        content = cls.get_content(abspath)
        digest = hashlib.sha512(usedforsecurity=False)
        size = 0
        for chunk in [content] if isinstance(content, bytes) else content:
            size += len(chunk)
            if size > cls.MAX_VERSION_CONTENT_SIZE:
                raise ValueError(f"content is larger than MAX_VERSION_CONTENT_SIZE ({cls.MAX_VERSION_CONTENT_SIZE})")
            digest.update(chunk)
        return digest.hexdigest()

    def get_content_size(self) -> int:
        """Return the size of the file in bytes; a subclass that gets its content from elsewhere overrides this."""
        return self._stat().st_size

    def get_modified_time(self) -> dt.datetime | None:
        """Return when the file was changed, in UTC and whole seconds, or None where that is not known."""
        return dt.datetime.fromtimestamp(int(self._stat().st_mtime), dt.UTC)

    def get_content_type(self) -> str:
        """Return the media type of the file; a subclass may know better than its name tells."""
        return guess_type(self.absolute_path)

    # Versions

    @classmethod
    def make_static_url(cls, settings: dict[str, Any], path: str, include_version: bool = True) -> str:
        """Return the URL of a static file; `RequestHandler.static_url` is the usual way to get it.

        Args:
            settings: the application's settings.
            path: the path of the file below `static_path`.
            include_version: whether the URL changes when the file does.

        Raises:
            HTTPError: the path leaves `static_path` (403).
        """
        url: str = settings.get("static_url_prefix", "/static/") + path
        version = cls.get_version(settings, path) if include_version else None
        return url if not version else f"{url}?v={version}"

    @classmethod
    def get_version(cls, settings: dict[str, Any], path: str) -> str | None:
        """Return the version of a static file for its URL, or None where there is none.

        Args:
            settings: the application's settings.
            path: the path of the file below `static_path`.
        """
        return cls._get_cached_version(cls.get_absolute_path(settings["static_path"], path))

    @classmethod
    def _get_cached_version(cls, abs_path: str) -> str | None:
        try:
            stat = os.stat(abs_path)  # noqa: PTH116
        except (OSError, ValueError):
            stat = None
        if stat is not None:
            with cls._lock:
                version = cls._static_hashes.find(abs_path, mark_of(stat))
            if version is not None:
                return version
        try:
            version = cls.get_content_version(abs_path)
        except (OSError, ValueError, HTTPError) as error:
            with cls._lock:
                is_news = cls._static_hashes.keep_failure(abs_path, cls.MAX_CACHED_VERSIONS)
            if is_news:  # a page that links it would say so at each request
                general_log.error("could not open static file %r: %s", abs_path, error)
            return None
        if stat is not None:
            cls._halny_remember(abs_path, stat, version)
        return version

    @classmethod
    def _halny_remember(cls, path: str, stat: os.stat_result, version: str) -> None:
        with cls._lock:
            cls._static_hashes.keep(path, stat, version, cls.MAX_CACHED_VERSIONS)

    def _halny_find_version(self) -> str | None:
        """Return the version of what is sent, or None where it is too large to have one."""
        if self._halny_version is not None:
            return self._halny_version
        file = self._halny_file
        if file is None or not self._halny_overrides_nothing("get_content_version", "_get_cached_version"):
            return self._get_cached_version(self.absolute_path)
        version = self._static_hashes.find(file.path, mark_of(file.stat))
        if version is None and file.stat.st_size <= min(HASH_SIZE, self.MAX_VERSION_CONTENT_SIZE):
            version = hash_file(file)
            self._halny_remember(file.path, file.stat, version)
        self._halny_version = version
        return version

    async def _halny_hash_large_file(self, file: OpenedFile) -> None:
        """Find the version of a large file without blocking the loop."""
        if not self._halny_overrides_nothing("get_content_version", "_get_cached_version"):
            return
        self._halny_version = self._static_hashes.find(file.path, mark_of(file.stat))
        if self._halny_version is None and file.stat.st_size <= self.MAX_VERSION_CONTENT_SIZE:
            self._halny_version = await self._halny_shared_hashes.find(file)
            self._halny_remember(file.path, file.stat, self._halny_version)


_MAKES_VERSIONS = frozenset(("MAX_VERSION_CONTENT_SIZE", "get_content", "get_content_version"))


def _read_pieces(path: str, start: int, end: int | None) -> Generator[bytes, None, None]:
    with OpenedFile(path) as file:
        while piece := file.read(start, PIECE_SIZE if end is None else min(PIECE_SIZE, end - start)):
            yield piece
            start += len(piece)


def _function_of(cls: type, name: str) -> object:
    method: Any = getattr(cls, name)
    return cast("object", getattr(method, "__func__", method))


_ORIGINALS = {
    name: _function_of(FileSource, name)
    for name in ("get_content", "get_content_size", "get_content_version", "_get_cached_version", "write", "flush")
}
