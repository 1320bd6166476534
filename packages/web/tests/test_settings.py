"""The page of settings has what the framework reads, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from halny import web

PAGE = Path(__file__).parents[3] / "docs/web/settings.md"

_READ = re.compile(r"""settings(?:\.get\(|\[)"(\w+)"|require_setting\("(\w+)"|"(\w+)" in (?:self\.)?settings""")


@pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not here")
def test_each_setting_is_on_the_page() -> None:
    read = set(web.Application(debug=True).settings)
    for path in Path(web.__file__).parent.glob("*.py"):
        read.update(name for match in _READ.findall(path.read_text(encoding="utf-8")) for name in match if name)
    told = re.findall(r"^\| `(\w+)`", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(read) > 20
    assert sorted(told) == sorted(read)
