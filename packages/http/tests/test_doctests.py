from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import halny.http

MODULES = [module.name for module in pkgutil.iter_modules(halny.http.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name: str) -> None:
    module = importlib.import_module(f"halny.http.{name}")
    assert doctest.testmod(module).failed == 0
