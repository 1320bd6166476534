"""Serving WSGI applications: `halny.httpserver.wsgi` under the name that users of Tornado know."""

from halny.httpserver.wsgi import WSGIContainer, access_log, dummy_executor, to_wsgi_str

__all__ = ["WSGIContainer", "access_log", "dummy_executor", "to_wsgi_str"]
