"""`StaticFileHandler`: files of a directory over HTTP.

Strategy: `get` asks the handler's own methods for everything, in the order that subclasses know, and each of them may
be overridden: where a file is, what it holds, how large, how old and of which type it is. As long as the content is
not overridden, the default methods answer from one open file (see `_static_paths`), whose bytes `_static_content`
sends without blocking.
"""

from __future__ import annotations

import os
import time
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

from halny.http import format_content_range, format_timestamp

from ._static_content import WHOLE_SIZE, read_small, send
from ._static_memory import SmallFile
from ._static_paths import OpenedFile, join_paths
from ._static_ranges import find_part, is_unmodified
from ._static_source import FileSource
from ._static_versions import HASH_SIZE, mark_of, version_of_metadata

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Coroutine

    from halny.http import ByteRange


class StaticFileHandler(FileSource):
    """Serves the files of a directory.

        Application([(r"/content/(.*)", StaticFileHandler, {"path": "/var/www"})])

    The group of the pattern is the path of the file. Setting `static_path` makes such a route for an application.
    An application that keeps its files elsewhere overrides `get_content`, `get_content_size`, `get_modified_time`
    and `validate_absolute_path`.
    """

    _halny_decided = False

    async def head(self, path: str) -> None:
        """Answer without the content."""
        await self.get(path, include_body=False)

    async def get(self, path: str, include_body: bool = True) -> None:
        """Answer with a file, or a part of it.

        Args:
            path: the path from the URL.
            include_body: whether the content is sent.
        """
        self.path = self.parse_url_path(path)
        absolute_path = self.get_absolute_path(self.root, self.path)
        try:
            validated = self.validate_absolute_path(self.root, absolute_path)
            if validated is not None:
                self.absolute_path = validated
                await self._halny_answer(include_body)
        finally:
            self._halny_keep_open(None)

    async def _halny_answer(self, include_body: bool) -> None:
        self._halny_open_what_is_sent()
        self.modified = self.get_modified_time()
        if self._halny_file is not None and self._halny_file.stat.st_size > HASH_SIZE:
            await self._halny_hash_large_file(self._halny_file)
        self.set_headers()
        if self.should_return_304():
            self.set_status(304)
            return
        self._halny_decided = True
        size = self.get_content_size()
        part = find_part(self.request.headers, size, self._headers.get("Etag"), self.modified)
        if part is None:
            self.set_status(416)
            self.set_header("Content-Type", "text/plain")  # there is nothing of the file in it
            self.clear_header("Content-Encoding")
            self.set_header("Content-Range", format_content_range(None, size))
            return
        is_whole = part.start == 0 and part.stop == size
        if not is_whole:
            self.set_status(206)
            self.set_header("Content-Range", format_content_range(part, size))
        self.set_header("Content-Length", part.stop - part.start)
        if include_body:
            await self._halny_write_part(part, is_whole)

    async def _halny_write_part(self, part: ByteRange, is_whole: bool) -> None:
        if self._halny_file is not None:
            await self._halny_write_part_of_file(self._halny_file, part, is_whole)
            return
        start, end = (None, None) if is_whole else part
        content = self.get_content(self.absolute_path, start, end)
        for chunk in [content] if isinstance(content, bytes) else content:
            self.write(chunk)
            await self.flush()

    async def _halny_write_part_of_file(self, file: OpenedFile, part: ByteRange, is_whole: bool) -> None:
        if part.stop - part.start > WHOLE_SIZE:
            await send(self, file, part, may_bypass=self._halny_leaves_body_alone)
            return
        content = read_small(file, part)
        self.write(content)  # it leaves with the head when the handler finishes
        if is_whole and self._halny_is_plain():
            self._halny_keep_small_file(file, content)

    # Small files

    def _halny_is_plain(self) -> bool:
        """Return whether neither a subclass, nor a patch, nor this handler has anything to say in the answer."""
        if not self.MAX_CACHED_CONTENT or self.precompressed or not _HOOK_NAMES.isdisjoint(vars(self)):
            return False
        try:
            plain: bool = _HOOKS(type(self)) == _PLAIN
        except AttributeError:  # a class method that has become a static one
            return False
        return plain

    def _halny_call_method(self) -> Coroutine[Any, Any, None] | None:
        if not self._finished:
            file = self._halny_find_in_memory()
            if file is not None:
                self._halny_answer_from_memory(file)
                return None
        return super()._halny_call_method()

    def _halny_find_in_memory(self) -> SmallFile | None:
        """Return a file that is in memory, where nothing but the file decides what the answer is."""
        request = self.request
        if self._halny_header_fields is not None or self._halny_cookies is not None or self._transforms:
            return None  # so does what was set before the method
        if len(self.path_args) != 1 or self._status_code != 200 or self._write_buffer or not self._auto_finish:
            return None
        root: object = getattr(self, "root", None)
        if not isinstance(root, str) or (request.method != "GET" and request.method != "HEAD"):
            return None
        file = self._halny_small_files.find(type(self), root, self.path_args[0])
        if file is None or self.application.forgets_versions or not self._halny_is_plain():
            return None
        if "v" in request.query or not request.lacks(b"range", b"if-modified-since"):
            return None
        return file

    def _halny_answer_from_memory(self, file: SmallFile) -> None:
        if self.request.is_conditional and self._halny_matches_etag(file.etag):
            self.set_status(304)
            self._halny_finish_with(self._halny_bare_head(file.validators.decode("latin-1")), b"")
            return
        head = b"%b%bContent-Length: %d\r\n" % (
            self._halny_typed_head(file.content_type),
            file.validators,
            len(file.content),
        )
        self._halny_finish_with(head, file.content)

    def _halny_keep_small_file(self, file: OpenedFile, content: bytes) -> None:
        root = self.root
        is_direct = os.path.isabs(root) and file.path == join_paths(root, self.path)  # noqa: PTH117
        if not is_direct or self._halny_coding is not None or [*self.path_args] != [self.path]:
            return  # it would not be found again, or be taken for something else
        etag, content_type, modified = map(self._headers.get, ("Etag", "Content-Type", "Last-Modified"))
        if etag is None or content_type is None or modified is None:
            return  # whoever took it away may do otherwise the next time
        validators = f"Accept-Ranges: bytes\r\nEtag: {etag}\r\nLast-Modified: {modified}\r\n".encode("latin-1")
        small = SmallFile(file.path, mark_of(file.stat), content, content_type, etag, validators, time.monotonic())
        with self._lock:
            self._halny_small_files.keep(type(self), root, self.path, small, file.stat, self.MAX_CACHED_CONTENT)

    # Headers

    def set_headers(self) -> None:
        """Set the headers of the response, before the content is looked at; a subclass may override this."""
        self.set_header("Accept-Ranges", "bytes")
        self.set_etag_header()
        if self.modified is not None:
            self.set_header("Last-Modified", self.modified)
        content_type = self.get_content_type()
        if content_type:
            self.set_header("Content-Type", content_type)
        if self._halny_coding is not None:
            self.set_header("Content-Encoding", self._halny_coding)
        if self.precompressed:
            self.add_header("Vary", "Accept-Encoding")
        cache_time = self.get_cache_time(self.path, self.modified, content_type)
        if cache_time > 0:
            self.set_header("Expires", format_timestamp(time.time() + cache_time))
            self.set_header("Cache-Control", f"max-age={cache_time}")
        self.set_extra_headers(self.path)

    def set_extra_headers(self, path: str) -> None:
        """Set further headers; for subclasses.

        Args:
            path: the path that is asked for, below the root.
        """

    def set_etag_header(self) -> None:
        """See `RequestHandler.set_etag_header`."""
        if not self._halny_decided:  # what the handler does as it finishes was done before the content was looked at
            super().set_etag_header()

    def check_etag_header(self) -> bool:
        """See `RequestHandler.check_etag_header`."""
        return not self._halny_decided and super().check_etag_header()

    def compute_etag(self) -> str | None:
        """Return the entity tag: the version of the file, or a hash of its size and time of change."""
        version = self._halny_find_version()
        if version is None:
            try:
                version = version_of_metadata(self._stat())
            except OSError:
                return None  # the content is not in a file
        return f'"{version}"'

    def should_return_304(self) -> bool:
        """Return whether the client has the file already; `If-None-Match` is asked first (RFC 9110, section 13.2.2)."""
        if self.request.is_conditional:
            return self.check_etag_header()
        return is_unmodified(self.request.headers, self.modified)

    def get_cache_time(self, path: str, modified: dt.datetime | None, mime_type: str) -> int:
        """Return for how many seconds clients may keep the file without asking; 0 lets them decide.

        Args:
            path: the path that is asked for, below the root.
            modified: when the file was changed.
            mime_type: its type.
        """
        has_version = "v" in self.request.query and "v" in self.request.query_arguments
        return self.CACHE_MAX_AGE if has_version else 0


# What its errors name is the class that users know.
StaticFileHandler.initialize.__qualname__ = "StaticFileHandler.initialize"

_OF_CLASS: Final = ("_get_cached_version", "get_absolute_path", "get_content", "get_content_version")
_OF_OBJECT: Final = (
    "_convert_header_value", "_stat", "add_header", "check_etag_header", "clear_header", "compute_etag",
    "finish", "flush", "get", "get_cache_time", "get_content_size", "get_content_type", "get_modified_time", "head",
    "parse_url_path", "set_etag_header", "set_extra_headers", "set_header", "set_headers", "set_status",
    "should_return_304", "validate_absolute_path", "write",
)  # fmt: skip
_HOOK_NAMES: Final = frozenset((*_OF_CLASS, *_OF_OBJECT, "MAX_VERSION_CONTENT_SIZE"))
"""What a subclass or a patch may override. Where none has, the answer follows from the file and the class alone."""

_HOOKS: Final = attrgetter(*[f"{name}.__func__" for name in _OF_CLASS], *_OF_OBJECT)
_PLAIN: Final = _HOOKS(StaticFileHandler)
