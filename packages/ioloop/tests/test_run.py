from __future__ import annotations

import asyncio
import sys

import pytest

from halny.ioloop import IOLoop, run


async def current_loop() -> asyncio.AbstractEventLoop:
    await asyncio.sleep(0)
    assert IOLoop.current().asyncio_loop is asyncio.get_running_loop()
    return asyncio.get_running_loop()


def test_run_returns_the_result_and_closes_the_loop() -> None:
    assert run(current_loop()).is_closed()


def test_run_uses_uvloop_where_it_is_installed() -> None:
    uvloop = pytest.importorskip("uvloop")
    assert isinstance(run(current_loop()), uvloop.Loop)


def test_run_does_without_uvloop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert isinstance(run(current_loop()), asyncio.BaseEventLoop)


@pytest.mark.parametrize("debug", [True, False])
def test_run_passes_debug_on(debug: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)

    async def mode() -> bool:
        return asyncio.get_running_loop().get_debug()

    assert run(mode(), debug=debug) is debug


@pytest.mark.leaves_tasks("they are to be cancelled")
def test_run_raises_what_main_raises_and_cancels_what_is_left() -> None:
    cancelled: list[bool] = []

    async def background() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def main() -> None:
        task = asyncio.create_task(background())
        await asyncio.sleep(0)
        assert not task.done()
        raise KeyError("x")

    with pytest.raises(KeyError):
        run(main())
    assert cancelled == [True]


async def test_run_is_refused_inside_a_running_loop() -> None:
    main = current_loop()
    with pytest.raises(RuntimeError, match="running event loop"):
        run(main)
    main.close()


def test_run_takes_a_coroutine_and_not_a_function() -> None:
    with pytest.raises(ValueError, match="a coroutine was expected"):
        run(current_loop)  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
