"""Forms with files of any size: read as they arrive, with the files on disk and not in memory.

Strategy: the handler takes its body in a stream and feeds it to `halny.http.FormDataReader`. Small files never leave
the memory; as soon as a body is larger than what may stay there, it is fed by a thread, so that a slow disk holds up
this upload and nothing else. When the body has ended, the method finds the whole form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from halny.http import FormData, FormDataReader, HTTPInputError, HTTPRefusal, parse_header_parameters

from ._exceptions import HTTPError
from ._handler import RequestHandler
from ._static_content import in_thread

if TYPE_CHECKING:
    from collections.abc import Awaitable


class UploadHandler(RequestHandler):
    r"""Takes `multipart/form-data` bodies in a stream, with files on disk; subclass it, or mix it in.

        class PhotoHandler(UploadHandler):
            max_body_size = 4 * 1024**3

            async def post(self):
                for photo in self.form.files["photo"]:
                    self.write(f"{photo.filename}: {photo.size} bytes\n")

    Fields are arguments as always. Bodies of other types are refused with 415. `prepare` runs before the body is
    taken, so that is where to refuse who may not upload. The files are dropped when the request is over: copy what is
    to be kept, from `SpooledFile.file`.
    """

    _stream_request_body = True

    max_fields_size = 2 * 1024 * 1024
    """Bytes of all fields together that are not files; more are answered with 413. They stay in memory."""

    max_file_size: int | None = None
    """Bytes of each file; more are answered with 413. None leaves it to `max_body_size`, which limits all together."""

    spool_size = 256 * 1024
    """Bytes of each file that stay in memory; what is larger goes to disk."""

    upload_directory: str | None = None
    """Where temporary files are made; by default where `tempfile` makes them."""

    form: FormData
    """The form, when the method is called."""

    _halny_reader: FormDataReader | None = None
    _halny_received = 0
    _halny_is_feeding = False
    _halny_is_dropped = False

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """See `RequestHandler.data_received`."""
        self._halny_received += len(chunk)
        if self._halny_received > self.spool_size:
            return self._halny_feed_in_thread(chunk)
        self._halny_feed(chunk)
        return None

    async def _halny_feed_in_thread(self, chunk: bytes) -> None:
        if self._halny_is_dropped:
            return
        self._halny_is_feeding = True
        try:
            await in_thread(self._halny_feed, chunk)
        finally:
            self._halny_is_feeding = False
            self._halny_drop_if_put_off()

    def _halny_feed(self, chunk: bytes) -> None:
        try:
            if self._halny_reader is None:
                self._halny_reader = self._halny_make_reader()
            self._halny_reader.feed(chunk)
        except HTTPInputError as error:
            raise _as_page(error) from error

    def _halny_make_reader(self) -> FormDataReader:
        content_type = self.request.headers.get("Content-Type", "")
        kind, parameters = parse_header_parameters(content_type, strict=True)
        if kind.lower() != "multipart/form-data":
            raise HTTPError(415, "expected multipart/form-data, got %r", content_type[:100])
        if self.request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise HTTPError(415, "the body of an upload must not have a content coding")
        boundary = parameters.get("boundary", "")
        if not boundary.isascii():
            raise HTTPError(400, "multipart boundary missing or invalid")
        return FormDataReader(
            boundary.encode("ascii"),
            max_fields_size=self.max_fields_size,
            max_file_size=self.max_file_size,
            spool_size=self.spool_size,
            directory=self.upload_directory,
        )

    async def _halny_receive_body(self) -> None:
        await super()._halny_receive_body()
        if self._finished:
            return
        try:
            reader = self._halny_reader
            self.form = FormData() if reader is None else reader.finish()
        except HTTPInputError as error:
            raise _as_page(error) from error
        for name, values in self.form.arguments.items():
            self.request.body_arguments.setdefault(name, []).extend(values)
        self.request.arguments = None  # it is put together from both when it is asked for

    def _halny_connection_closed(self) -> None:
        """Drop what was received of a body that will never be whole."""
        if not hasattr(self, "form"):
            self._halny_drop()
        super()._halny_connection_closed()

    def _halny_end_request(self) -> None:
        super()._halny_end_request()
        self._halny_drop()

    def _halny_drop_if_put_off(self) -> None:
        if self._halny_is_dropped:
            self._halny_drop()

    def _halny_drop(self) -> None:
        """Close all files, as soon as no thread writes to one."""
        self._halny_is_dropped = True
        if self._halny_is_feeding:
            return
        if self._halny_reader is not None:
            self._halny_reader.close()
        form: FormData | None = getattr(self, "form", None)
        if form is not None:
            form.close()


def _as_page(error: HTTPInputError) -> HTTPError:
    status = error.status if isinstance(error, HTTPRefusal) else 400
    return HTTPError(status, "%s", error)
