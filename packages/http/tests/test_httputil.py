from __future__ import annotations

import halny.http
import halny.httputil


def test_every_name_is_the_same_object() -> None:
    for name in halny.httputil.__all__:
        if name != "urlencode":
            assert getattr(halny.httputil, name) is getattr(halny.http, name)


def test_names_that_programs_lean_on_though_they_are_private() -> None:
    names = vars(halny.httputil)
    assert list(names["_parseparam"](';a="b;c"; d')) == ['a="b;c"', "d"]
    assert names["_parse_header"]('form-data; name="a"') == ("form-data", {"name": "a"})
    assert names["_encode_header"]("a", {"b": "c", "d": None}) == "a; b=c; d"
