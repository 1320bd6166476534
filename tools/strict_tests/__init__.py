"""The rules that the root `conftest.py` puts on every test, one concern a module: logs, leaks, outside programs."""
