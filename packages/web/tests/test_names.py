"""What a handler is called by: subclasses use any other name for what is theirs."""

from __future__ import annotations

from halny.web import Application, RequestHandler

from ._helpers import serving

KNOWN = """
    SUPPORTED_METHODS _check_cross_origin _convert_header_value _execute _handle_request_exception _headers
    _initialize _log _new_cookie _prepared_future _request_summary _stream_request_body _template_loaders
    _unimplemented_method add_header check_etag_header check_trusted_origin check_xsrf_cookie clear
    clear_all_cookies clear_cookie clear_header compute_etag cookies create_signed_value create_template_loader
    current_user data_received decode_argument delete detach finish flush get get_argument get_arguments
    get_body_argument get_body_arguments get_browser_locale get_cookie get_current_user get_login_url
    get_query_argument get_query_arguments get_secure_cookie get_secure_cookie_key_version get_signed_cookie
    get_signed_cookie_key_version get_status get_template_namespace get_template_path get_user_locale head
    initialize locale log_exception max_body_size on_connection_close on_finish options patch post prepare put
    redirect render render_embed_css render_embed_js render_linked_css render_linked_js render_string
    require_setting reverse_url send_error set_cookie set_default_headers set_etag_header set_header
    set_secure_cookie set_signed_cookie set_status settings static_url ui write write_error xsrf_form_html
    xsrf_token
"""
"""The names that Tornado's handlers have, and `max_body_size`, which is documented."""

OF_INSTANCES = {
    "_auto_finish", "_finished", "_headers_written", "_reason", "_status_code", "_transforms",
    "_write_buffer", "application", "path_args", "path_kwargs", "request",
}  # fmt: skip


def test_the_class_has_no_names_of_its_own() -> None:
    names = {name for name in dir(RequestHandler) if not name.startswith(("_halny_", "__"))}
    assert names == set(KNOWN.split())


async def test_an_object_has_no_names_of_its_own() -> None:
    found: set[str] = set()

    class Busy(RequestHandler):
        async def get(self) -> None:
            self.set_cookie("a", "b")
            self.write({"user": self.current_user, "locale": self.locale.code, "argument": self.get_argument("a", "")})
            await self.flush()
            found.update(name for name in vars(self) if not name.startswith("_halny_"))

    async with serving(Application([("/", Busy)])) as server:
        await server.get("/")
    assert "request" in found
    assert found <= OF_INSTANCES | {"_current_user", "_locale"}


async def test_users_names_are_theirs() -> None:
    class Own(RequestHandler):
        _connection = "database"
        _token = "token"
        _content_type = "image/png"

        def initialize(self) -> None:
            self.start = self.prepared = self.fallback = 1

        def _finish(self) -> None:
            raise AssertionError("nobody calls this")

        _call_method = _decode = _last = _write_json = connection_closed = _finish

        def get(self) -> None:
            self.write({"ok": self.get_argument("a")})

    async with serving(Application([("/", Own)])) as server:
        assert (await server.get("/?a=b")).body == b'{"ok": "b"}'
