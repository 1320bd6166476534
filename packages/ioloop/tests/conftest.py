"""What the tests of this package share."""

from __future__ import annotations

import contextlib


def pytest_configure() -> None:
    # libuv opens one pipe for the whole process when its first loop runs, and keeps it; no test has leaked that.
    with contextlib.suppress(ImportError):
        import uvloop

        loop = uvloop.new_event_loop()
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
