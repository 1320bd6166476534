from __future__ import annotations

import datetime as dt
import gzip
import os.path
import re
import sys
import unittest
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from halny.ioloop import util
from halny.ioloop.util import (
    ArgReplacer,
    Configurable,
    GzipDecompressor,
    ObjectDict,
    doctests,
    errno_from_exception,
    exec_in,
    import_object,
    raise_exc_info,
    re_unescape,
    timedelta_to_seconds,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_object_dict() -> None:
    settings = ObjectDict(debug=True)
    settings.port = 80
    assert settings.debug
    assert settings["port"] == 80
    assert not hasattr(settings, "missing")
    with pytest.raises(AttributeError, match="missing"):
        _ = settings.missing


def test_import_object() -> None:
    assert import_object("os") is os
    assert import_object("os.path") is os.path
    assert import_object("os.path.join") is os.path.join
    assert import_object("xml.etree.ElementTree").__name__ == "xml.etree.ElementTree"
    with pytest.raises(ImportError, match="no attribute 'nothing'"):
        import_object("os.path.nothing")
    with pytest.raises(ImportError):
        import_object("halny_has_no_such_module")
    with pytest.raises(ImportError):
        import_object("halny_has_no_such_module.name")


def test_the_failure_of_a_module_that_exists_is_not_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    package = tmp_path / "halny_test_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "broken.py").write_text("import halny_has_no_such_module\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    with pytest.raises(ModuleNotFoundError, match="halny_has_no_such_module"):
        import_object("halny_test_package.broken")


def test_exec_in() -> None:
    names: dict[str, Any] = {}
    exec_in("x = 1", names)
    local: dict[str, Any] = {}
    exec_in(compile("y = x + 1", "<test>", "exec"), names, local)
    assert names["x"] == 1
    assert local == {"y": 2}


def test_raise_exc_info_keeps_the_traceback() -> None:
    try:
        raise KeyError("x")
    except KeyError:
        exc_info = sys.exc_info()
    with pytest.raises(KeyError) as caught:
        raise_exc_info(exc_info)
    assert exc_info[2] is not None
    assert exc_info[2].tb_lineno in [entry.lineno + 1 for entry in caught.traceback]
    with pytest.raises(TypeError, match="no exception"):
        raise_exc_info((None, None, None))


def test_errno_from_exception() -> None:
    assert errno_from_exception(OSError(5, "text")) == 5
    assert errno_from_exception(ValueError(7)) == 7
    assert errno_from_exception(ValueError()) is None


@given(st.text())
def test_re_unescape_is_the_reverse_of_re_escape(text: str) -> None:
    assert re_unescape(re.escape(text)) == text


def test_re_unescape_refuses_what_re_escape_never_makes() -> None:
    for pattern in (r"\d", r"x\b", r"\0"):
        with pytest.raises(ValueError, match="cannot unescape"):
            re_unescape(pattern)


def test_timedelta_to_seconds() -> None:
    assert timedelta_to_seconds(dt.timedelta(minutes=1, milliseconds=500)) == 60.5


def test_old_names() -> None:
    assert (util.bytes_type, util.unicode_type, util.basestring_type) == (bytes, str, str)
    assert util.TimeoutError is TimeoutError
    assert isinstance(doctests(), unittest.TestSuite)


# --- GzipDecompressor ---


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_gzip_in_pieces(size: int) -> None:
    body = b"hello " * 1000
    packed = gzip.compress(body)
    decompressor = GzipDecompressor()
    pieces = [decompressor.decompress(packed[i : i + size]) for i in range(0, len(packed), size)]
    assert b"".join(pieces) + decompressor.flush() == body


def test_gzip_is_bounded() -> None:
    decompressor = GzipDecompressor()
    packed = gzip.compress(b"\0" * 100_000)
    found = 0
    while packed:
        piece = decompressor.decompress(packed, 1000)
        assert len(piece) <= 1000
        found += len(piece)
        packed = decompressor.unconsumed_tail
    assert found + len(decompressor.flush()) == 100_000


def test_gzip_refuses_other_bytes() -> None:
    with pytest.raises(zlib.error):
        GzipDecompressor().decompress(b"not gzip at all")


# --- ArgReplacer ---


def function(first: int, second: int = 2, *rest: int, third: int = 3) -> None:
    pass


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "old", "new_args", "new_kwargs"),
    [
        ("first", (1,), {}, 1, [9], {}),
        ("second", (1, 5), {}, 5, [1, 9], {}),
        ("second", (1,), {"second": 5}, 5, (1,), {"second": 9}),
        ("second", (1,), {}, None, (1,), {"second": 9}),
        ("third", (1, 2, 4), {"third": 5}, 5, (1, 2, 4), {"third": 9}),
    ],
)
def test_arg_replacer(name: str, args: Any, kwargs: Any, old: Any, new_args: Any, new_kwargs: Any) -> None:
    replacer = ArgReplacer(function, name)
    assert replacer.get_old_value(args, kwargs, "none") == (old if old is not None else "none")
    assert replacer.replace(9, args, dict(kwargs)) == (old, new_args, new_kwargs)


# --- Configurable ---


class Store(Configurable):
    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return Store

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        return MemoryStore

    def initialize(self, size: int = 1) -> None:
        self.size = size


class MemoryStore(Store):
    pass


class FileStore(Store):
    def initialize(self, size: int = 1, *, path: str = "default") -> None:
        super().initialize(size)
        self.path = path


class RemoteStore(Store):
    """An implementation that is an interface of its own."""

    @classmethod
    def configurable_base(cls) -> type[Configurable]:
        return RemoteStore

    @classmethod
    def configurable_default(cls) -> type[Configurable]:
        return FastRemoteStore


class FastRemoteStore(RemoteStore):
    pass


@pytest.fixture(autouse=True)
def _reset() -> Iterator[None]:
    yield
    Store.configure(None)
    RemoteStore.configure(None)


def test_the_default_implementation() -> None:
    store: Any = Store(3)
    assert type(store) is MemoryStore
    assert store.size == 3
    assert Store.configured_class() is MemoryStore


def test_configure_with_default_arguments() -> None:
    Store.configure(FileStore, path="configured", size=5)
    store: Any = Store()
    assert (type(store), store.path, store.size) == (FileStore, "configured", 5)
    given_path: Any = Store(path="given")
    assert given_path.path == "given"
    assert MemoryStore().size == 1, "the arguments are the interface's"


def test_an_implementation_may_be_configured_further() -> None:
    Store.configure(RemoteStore, size=4)
    store: Any = Store()
    assert (type(store), store.size) == (FastRemoteStore, 4)
    assert RemoteStore().size == 1


def test_saving_and_restoring() -> None:
    saved = Store._save_configuration()  # pyright: ignore[reportPrivateUsage]
    Store.configure(FileStore)
    Store._restore_configuration(saved)  # pyright: ignore[reportPrivateUsage]
    assert type(Store()) is MemoryStore


def test_configure_refuses_what_is_no_subclass() -> None:
    for bad in (dict, "builtins.dict", "builtins.len"):
        with pytest.raises(ValueError, match="expected a subclass of Store"):
            Store.configure(bad)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]


def test_an_interface_must_say_what_it_is() -> None:
    class Unsaid(Configurable):
        pass

    with pytest.raises(NotImplementedError, match="configurable_base"):
        Unsaid()
    with pytest.raises(NotImplementedError, match="configurable_default"):
        Configurable.configurable_default()
