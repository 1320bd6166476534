"""Benchmarks for the project's developers; nothing here is part of a package."""
