"""What a handler's class offers: names, signatures and relations, as literals; what they do is tested elsewhere."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

import halny.web
from halny.http import HTTPServerRequest
from halny.web import Application, HTTPError, RequestHandler, TemplateModule, UIModule

from ._helpers import handler, serving

if TYPE_CHECKING:
    from tools.strict_tests.logs import ExpectLog

METHODS = {
    "add_header": "(self, name, value)",
    "check_etag_header": "(self)",
    "check_trusted_origin": "(self, origin)",
    "check_xsrf_cookie": "(self)",
    "clear": "(self)",
    "clear_all_cookies": "(self, **kwargs)",
    "clear_cookie": "(self, name, **kwargs)",
    "clear_header": "(self, name)",
    "compute_etag": "(self)",
    "create_signed_value": "(self, name, value, version=None)",
    "create_template_loader": "(self, template_path)",
    "data_received": "(self, chunk)",
    "decode_argument": "(self, value, name=None)",
    "delete": "(self, *args, **kwargs)",
    "detach": "(self)",
    "finish": "(self, chunk=None)",
    "flush": "(self, include_footers=False)",
    "get": "(self, *args, **kwargs)",
    "get_argument": "(self, name, default=..., strip=True)",
    "get_arguments": "(self, name, strip=True)",
    "get_body_argument": "(self, name, default=..., strip=True)",
    "get_body_arguments": "(self, name, strip=True)",
    "get_browser_locale": "(self, default='en_US')",
    "get_cookie": "(self, name, default=None)",
    "get_current_user": "(self)",
    "get_login_url": "(self)",
    "get_query_argument": "(self, name, default=..., strip=True)",
    "get_query_arguments": "(self, name, strip=True)",
    "get_secure_cookie": "(self, name, value=None, max_age_days=31, min_version=None)",
    "get_secure_cookie_key_version": "(self, name, value=None)",
    "get_signed_cookie": "(self, name, value=None, max_age_days=31, min_version=None)",
    "get_signed_cookie_key_version": "(self, name, value=None)",
    "get_status": "(self)",
    "get_template_namespace": "(self)",
    "get_template_path": "(self)",
    "get_user_locale": "(self)",
    "head": "(self, *args, **kwargs)",
    "initialize": "(self)",
    "log_exception": "(self, typ, value, tb)",
    "on_connection_close": "(self)",
    "on_finish": "(self)",
    "options": "(self, *args, **kwargs)",
    "patch": "(self, *args, **kwargs)",
    "post": "(self, *args, **kwargs)",
    "prepare": "(self)",
    "put": "(self, *args, **kwargs)",
    "redirect": "(self, url, permanent=False, status=None)",
    "render": "(self, template_name, **kwargs)",
    "render_embed_css": "(self, css_embed)",
    "render_embed_js": "(self, js_embed)",
    "render_linked_css": "(self, css_files)",
    "render_linked_js": "(self, js_files)",
    "render_string": "(self, template_name, **kwargs)",
    "require_setting": "(self, name, feature='this feature')",
    "reverse_url": "(self, name, *args)",
    "send_error": "(self, status_code=500, **kwargs)",
    "set_cookie": "(self, name, value, domain=None, expires=None, path='/', expires_days=None, *, max_age=None, "
    "httponly=False, secure=False, samesite=None, **kwargs)",
    "set_default_headers": "(self)",
    "set_etag_header": "(self)",
    "set_header": "(self, name, value)",
    "set_secure_cookie": "(self, name, value, expires_days=30, version=None, **kwargs)",
    "set_signed_cookie": "(self, name, value, expires_days=30, version=None, **kwargs)",
    "set_status": "(self, status_code, reason=None)",
    "static_url": "(self, path, include_host=None, **kwargs)",
    "write": "(self, chunk)",
    "write_error": "(self, status_code, **kwargs)",
    "xsrf_form_html": "(self)",
}
MODULE_METHODS = {
    "css_files": "(self)",
    "embedded_css": "(self)",
    "embedded_javascript": "(self)",
    "html_body": "(self)",
    "html_head": "(self)",
    "javascript_files": "(self)",
    "render": "(self, *args, **kwargs)",
    "render_string": "(self, path, **kwargs)",
}
FUNCTIONS = {
    "authenticated": "(method)",
    "create_signed_value": "(secret, name, value, version=None, clock=None, key_version=None)",
    "decode_signed_value": "(secret, name, value, max_age_days=31, clock=None, min_version=None)",
    "get_signature_key_version": "(value)",
    "is_absolute": "(path)",
    "stream_request_body": "(cls)",
}


def spelled(function: Any) -> str:
    """A signature without annotations; a default that nobody can write is `...`."""
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        default = parameter.default
        if not (default is parameter.empty or default is None or isinstance(default, (str, int, bool))):
            default = ...
        parameters.append(parameter.replace(annotation=parameter.empty, default=default))
    return str(inspect.Signature(parameters)).replace("Ellipsis", "...")


@pytest.mark.parametrize(("name", "signature"), METHODS.items())
def test_the_methods_of_handlers(name: str, signature: str) -> None:
    assert spelled(getattr(RequestHandler, name)) == signature


@pytest.mark.parametrize(("name", "signature"), MODULE_METHODS.items())
def test_the_methods_of_ui_modules(name: str, signature: str) -> None:
    assert spelled(getattr(UIModule, name)) == signature


@pytest.mark.parametrize(("name", "signature"), FUNCTIONS.items())
def test_the_functions(name: str, signature: str) -> None:
    assert spelled(getattr(halny.web, name)) == signature


def test_properties_attributes_and_relations() -> None:
    for name in ("cookies", "current_user", "locale", "settings", "xsrf_token"):
        assert isinstance(inspect.getattr_static(RequestHandler, name), property)
    assert isinstance(inspect.getattr_static(UIModule, "current_user"), property)
    assert RequestHandler.SUPPORTED_METHODS == ("GET", "HEAD", "POST", "DELETE", "PATCH", "PUT", "OPTIONS")
    assert issubclass(TemplateModule, UIModule)
    assert spelled(RequestHandler) == "(application, request, **kwargs)"
    assert spelled(UIModule) == spelled(TemplateModule) == "(handler)"
    assert spelled(HTTPError) == "(status_code=500, log_message=None, *args, **kwargs)"


def test_state_bears_the_names_that_programs_know() -> None:
    made = RequestHandler(Application(), HTTPServerRequest("GET", "/"))
    assert (made._finished, made._auto_finish, made._reason) == (False, True, "OK")  # pyright: ignore[reportPrivateUsage]
    assert "Server" in made._headers  # pyright: ignore[reportPrivateUsage]
    assert callable(made._log)  # pyright: ignore[reportPrivateUsage]
    assert inspect.iscoroutinefunction(RequestHandler._execute)  # pyright: ignore[reportPrivateUsage]
    made.anything = 1  # type: ignore[attr-defined]


def test_loggers_are_there_for_programs_that_import_them() -> None:
    names = [halny.web.access_log.name, halny.web.app_log.name, halny.web.gen_log.name]
    assert names == ["halny.access", "halny.application", "halny.general"]


async def test_arguments_of_a_route_reach_initialize(expect_log: ExpectLog) -> None:
    class Needs(RequestHandler):
        def initialize(self, needed: str) -> None:
            self.needed = needed

        def get(self) -> None:
            self.write(self.needed)

    async with serving(Application([("/a", Needs, {"needed": "x"}), ("/b", Needs, {"other": "x"})])) as server:
        assert (await server.get("/a")).text == "x"
        with expect_log("halny.application", "exception in", count=1):
            assert (await server.get("/b")).status == 500


async def test_settings_and_those_that_are_required(expect_log: ExpectLog) -> None:
    def get(self: RequestHandler) -> None:
        assert self.settings is self.application.settings
        self.require_setting("there", "tests")
        self.require_setting("missing", "tests")

    async with serving(Application([("/", handler(get))], there=1)) as server:
        with expect_log("halny.application", "uncaught exception", count=1) as records:
            assert (await server.get("/")).status == 500
    assert records[0].exc_info is not None
    assert str(records[0].exc_info[1]) == "you must define the 'missing' setting in your application to use tests"


async def test_what_can_not_be_detached(expect_log: ExpectLog) -> None:
    made = RequestHandler(Application(), HTTPServerRequest("GET", "/"))
    with pytest.raises(RuntimeError, match="can't be detached"):
        made.detach()
