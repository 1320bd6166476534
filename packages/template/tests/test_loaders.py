from __future__ import annotations

import os
import sys
import threading
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from halny.template import (
    BaseLoader,
    ChainLoader,
    DictLoader,
    Loader,
    PackageLoader,
    ParseError,
    Template,
    TemplateNotFound,
    TemplateText,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "templates"
    (root / "d").mkdir(parents=True)
    (tmp_path / "templates-other").mkdir()
    (tmp_path / "secret.html").write_text("secret")
    (tmp_path / "templates-other" / "secret.html").write_text("secret")
    (root / "a.html").write_text("A{% include 'd/b.html' %}")
    (root / "d" / "b.html").write_text("B{% include '../c.html' %}{% include 'c.html' %}", encoding="utf-8")
    (root / "c.html").write_text("C")
    (root / "d" / "c.html").write_bytes("é\r\n".encode())
    return root


# Names.


@pytest.mark.parametrize(
    ("name", "parent", "resolved"),
    [
        ("a.html", None, "a.html"),
        ("a.html", "b.html", "a.html"),
        ("a.html", "d/b.html", "d/a.html"),
        ("./a.html", "d/b.html", "d/a.html"),
        ("../a.html", "d/b.html", "a.html"),
        ("../../a.html", "d/b.html", "../a.html"),
        ("/a.html", "d/b.html", "/a.html"),
        ("a.html", "/d/b.html", "a.html"),
        ("a.html", "<string>", "a.html"),
        ("d/../a.html", "x.html", "a.html"),
        ("d//a.html", "e/x.html", "e/d/a.html"),
        ("../a.html", None, "../a.html"),
        ("d", "d/b.html", "d/d"),
    ],
)
def test_names_start_from_the_template_that_they_stand_in(name: str, parent: str | None, resolved: str) -> None:
    assert DictLoader({}).resolve_path(name, parent) == resolved
    assert Loader("/nowhere").resolve_path(name, parent_path=parent) == resolved
    assert BaseLoader().resolve_path(name, parent) == resolved


def test_absolute_names_inside_the_root() -> None:
    loader = Loader("/nowhere/templates")
    assert loader.resolve_path("/nowhere/templates/d/a.html") == "d/a.html"
    assert loader.resolve_path("b.html", "/nowhere/templates/d/a.html") == "d/b.html"
    assert loader.resolve_path("/nowhere/templates-other/a.html") == "/nowhere/templates-other/a.html"


# Files.


def test_files(root: Path) -> None:
    loader = Loader(root)
    assert loader.load("a.html").generate() == "ABCé\n".encode()
    assert loader.load(str(root / "c.html")).generate() == b"C"
    assert loader.root == str(root)
    assert repr(loader) == "<Loader 4 loaded>"
    assert loader.load("a.html").compiled.co_filename == str(root / "a.html")


def test_a_relative_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent)
    loader = Loader("templates")
    monkeypatch.chdir(root)
    assert loader.load("c.html").generate() == b"C"


@pytest.mark.parametrize(
    "name",
    [
        "../secret.html",
        "d/../../secret.html",
        "./../secret.html",
        "../templates-other/secret.html",
        "../templates",
        "..",
        ".",
        "",
        "/",
        "/etc/passwd",
        "//etc/passwd",
        "{root}/../secret.html",
        "{root}-other/secret.html",
        "d/../..//secret.html",
        "../templates/c.html",
        "d/../../templates/c.html",
    ],
)
def test_no_name_leads_out_of_the_root(root: Path, name: str) -> None:
    name = name.format(root=root)
    with pytest.raises(TemplateNotFound):
        Loader(root).load(name)
    with pytest.raises(TemplateNotFound):
        Loader(root).load(name, parent_path="d/b.html")
    with pytest.raises(TemplateNotFound):
        Loader(root).read(name)
    if name and '"' not in name:
        (root / "evil.html").write_text(f'\n{{% include "{name}" %}}')
        with pytest.raises(ParseError, match=r"can't load .* at evil.html:2"):
            Loader(root).load("evil.html")


@pytest.mark.parametrize(
    "name", ["no.html", "d", "a.html/x", "a\0b", "no/no.html", "..\\secret.html", "a" * 300, "a/" * 5000]
)
def test_what_is_not_there(root: Path, name: str) -> None:
    with pytest.raises(FileNotFoundError):
        Loader(root).load(name)
    with pytest.raises(KeyError):
        Loader(root).load(name)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_links_are_the_folders_owners_business(root: Path) -> None:
    (root / "link.html").symlink_to(root.parent / "secret.html")
    assert Loader(root).load("link.html").generate() == b"secret"


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_a_link_to_itself(root: Path) -> None:
    (root / "loop.html").symlink_to("loop.html")
    with pytest.raises(TemplateNotFound):
        Loader(root).load("loop.html")


def test_what_can_not_be_read_is_there(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr("builtins.open", refused)
    with pytest.raises(PermissionError):
        Loader(root).load("c.html")


def test_a_file_that_is_not_utf8(root: Path) -> None:
    (root / "a.html").write_bytes(b"one\ntwo \xff")
    with pytest.raises(ParseError, match=r"not UTF-8 .* at a.html:2"):
        Loader(root).load("a.html")
    (root / "b.html").write_text("\n{% include 'a.html' %}")
    with pytest.raises(ParseError, match=r"not UTF-8 .* at a.html:2"):
        Loader(root).load("b.html")


# The cache.


def test_templates_are_kept_until_reset(root: Path) -> None:
    loader = Loader(root)
    first = loader.load("c.html")
    assert loader.load("c.html") is first
    (root / "c.html").write_text("new")
    assert loader.load("c.html") is first
    loader.reset()
    assert loader.templates == {}
    assert loader.load("c.html").generate() == b"new"


def test_nothing_is_kept_of_what_is_wrong() -> None:
    templates = {"a": "{% include 'b' %}", "b": "{{ x y }}"}
    loader = DictLoader(templates)
    with pytest.raises(ParseError):
        loader.load("a")
    assert loader.templates == {}
    templates["b"] = "fine"
    assert loader.load("a").generate() == b"fine"


def test_nothing_is_left_after_a_loader_that_fails() -> None:
    class Failing(DictLoader):
        fails = True

        def read(self, name: str) -> TemplateText:
            if self.fails:
                raise RuntimeError("disk on fire")
            return super().read(name)

    loader = Failing({"a": "x"})
    for _ in range(2):
        with pytest.raises(RuntimeError):
            loader.load("a")
    loader.fails = False
    assert loader.load("a").generate() == b"x"


def test_threads_get_the_same_template() -> None:
    loader = DictLoader({f"{n}": f"{{% include '{n + 1}' %}}" for n in range(20)} | {"20": "x"})
    found: list[Template] = []
    threads = [threading.Thread(target=lambda: found.append(loader.load("0"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(map(id, found))) == 1


# Other loaders.


def test_a_dictionary_of_text_or_bytes() -> None:
    loader = DictLoader({"a": "é", "b": "é".encode()}, autoescape=None, namespace={"x": 1}, whitespace="all")
    assert loader.load("a").generate() == loader.load("b").generate()
    assert (loader.autoescape, loader.namespace, loader.whitespace) == (None, {"x": 1}, "all")
    with pytest.raises(KeyError):
        loader.load("c")


def test_the_base_has_no_templates() -> None:
    with pytest.raises(TemplateNotFound):
        BaseLoader().load("a")


def test_a_loader_of_ones_own() -> None:
    class Upper(BaseLoader):
        def read(self, name: str) -> TemplateText:
            return TemplateText(name.upper() + "{{ k }}")

    assert Upper(namespace={"k": 1}).load("abc").generate() == b"ABC1"


def test_a_loader_that_overrides_what_tornados_users_override() -> None:
    class Old(BaseLoader):
        def resolve_path(self, name: str, parent_path: str | None = None) -> str:
            return name

        def _create_template(self, name: str) -> Template:
            return Template(
                {"a": "{% include b/c %}", "b/c": "{% include d %}", "d": "D"}[name], name=name, loader=self
            )

    assert Old().load("a").generate() == b"D"
    with pytest.raises(KeyError):
        Old().load("x")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    folder = tmp_path / "halny_test_templates"
    (folder / "templates" / "d").mkdir(parents=True)
    (folder / "__init__.py").write_text("SECRET = 1")
    (folder / "templates" / "a.html").write_text("A{% include 'd/b.html' %}")
    (folder / "templates" / "d" / "b.html").write_text("B")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    yield "halny_test_templates"
    sys.modules.pop("halny_test_templates", None)


def test_resources_of_a_package(package: str) -> None:
    loader = PackageLoader(package)
    assert loader.load("a.html").generate() == b"AB"
    assert loader.load("a.html").compiled.co_filename.endswith("a.html")
    assert PackageLoader(package, "templates/d").load("b.html").generate() == b"B"
    assert PackageLoader(package, "").load("templates/d/b.html").generate() == b"B"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../__init__.py",
        "d/../../__init__.py",
        "/etc/passwd",
        "d//b.html",
        "./a.html",
        "d",
        "no.html",
        "..\\x",
        "C:x",
        "a\0",
    ],
)
def test_resources_that_are_not_there(package: str, name: str) -> None:
    with pytest.raises(TemplateNotFound):
        PackageLoader(package).load(name)


def test_resources_in_a_zip_file(package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "package.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in (tmp_path / package).rglob("*"):
            file.write(path, f"halny_zipped_package/{path.relative_to(tmp_path / package)}")
    monkeypatch.setattr(sys, "path", [*sys.path, str(archive)])
    loader = PackageLoader("halny_zipped_package")
    assert loader.load("a.html").generate() == b"AB"
    with pytest.raises(TemplateNotFound):
        loader.load("no.html")
    sys.modules.pop("halny_zipped_package", None)


def test_a_package_that_is_not_there() -> None:
    with pytest.raises(ModuleNotFoundError):
        PackageLoader("halny_no_such_package")


def test_a_chain_of_places(root: Path) -> None:
    theme = DictLoader({"c.html": "theme {{ k }}", "new.html": "{% include 'a.html' %}{% include d/c.html %}"})
    loader = ChainLoader([theme, Loader(root)], namespace={"k": 1})
    assert loader.load("a.html").generate() == "ABtheme 1é\n".encode()
    assert loader.load("new.html").generate() == "ABtheme 1é\né\n".encode()
    with pytest.raises(TemplateNotFound, match="no such template in 2 loaders"):
        loader.load("no.html")
    with pytest.raises(TemplateNotFound):
        loader.load("../secret.html")
    with pytest.raises(TemplateNotFound):
        ChainLoader([]).load("a")


def test_the_options_of_a_chain_are_its_own() -> None:
    options: dict[str, Any] = {"autoescape": None, "whitespace": "oneline"}
    loader = ChainLoader([DictLoader({"a": "{{ '<' }}  x"})], **options)
    assert loader.load("a").generate() == b"< x"
