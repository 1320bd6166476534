"""The process in which atheris chooses the inputs of `tools.fuzz`, which starts it.

What coverage is to be measured of must be imported while atheris looks on: the two packages, and nothing that they
need, for to count what that does would only cost time. The process ends without coming back from `Fuzz`, so whatever is
to be cleaned up is not made here. The arguments are libFuzzer's.
"""

from __future__ import annotations

import asyncio
import importlib
import random
import sys
from typing import Any

MEASURED = ("halny.http", "halny.httpserver")


def main() -> None:
    atheris: Any = importlib.import_module("atheris")
    importlib.import_module("halny.iostream")  # with halny.ioloop, before anything is looked at
    with atheris.instrument_imports(include=list(MEASURED)):
        fuzz = importlib.import_module("tools.fuzz")
    with asyncio.Runner() as runner:

        def target(data: bytes) -> None:
            try:
                fuzz.one(data, random.Random(len(data)), runner)
            except BaseException:
                print(f"input {data!r}", file=sys.stderr)
                raise

        atheris.Setup(sys.argv, target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
