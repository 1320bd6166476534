from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from halny.ioloop import IOLoop, PeriodicCallback
from halny.ioloop.concurrent import dummy_executor

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tools.strict_tests.logs import ExpectLog


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time is set by hand: timers are due when `advance` has passed them, to the microsecond."""

    now = 0.0
    slow_callback_duration = float("inf")  # asyncio's debug mode takes the leaps for slow callbacks

    def time(self) -> float:
        return self.now

    async def advance_to(self, when: float) -> None:
        self.now = when
        for _ in range(5):  # due timers, what they start, and its callbacks
            await asyncio.sleep(0)


@pytest.fixture
def clock() -> Generator[Clock]:
    loop = Clock()
    adopted = IOLoop(asyncio_loop=loop)
    yield loop
    adopted.close()


def run_at(clock: Clock, callback: Callable[[], object], period: Any, times: list[float], jitter: float = 0) -> None:
    async def main() -> None:
        periodic = PeriodicCallback(callback, period, jitter)
        periodic.start()
        for when in times:
            await clock.advance_to(when)
        periodic.stop()

    clock.run_until_complete(main())


def test_calls_come_at_multiples_of_the_period_whatever_each_delay(clock: Clock) -> None:
    seen: list[float] = []
    # Each time the loop gets to it late, by up to a third of the period: the next call does not come later for that.
    run_at(clock, lambda: seen.append(clock.now), 1000, [0.9, 1.3, 1.9, 2.0, 2.99, 3.25, 4.0])
    assert seen == [1.3, 2.0, 3.25, 4.0]


def test_calls_that_were_missed_fall_out(clock: Clock) -> None:
    seen: list[float] = []
    run_at(clock, lambda: seen.append(clock.now), dt.timedelta(seconds=1), [1.0, 5.5, 5.9, 6.0, 7.0])
    assert seen == [1.0, 5.5, 6.0, 7.0]


def test_a_coroutine_never_overlaps_itself(clock: Clock) -> None:
    starts: list[float] = []
    running = 0

    async def slow() -> None:
        nonlocal running
        assert not running
        running += 1
        starts.append(clock.now)
        while clock.now < starts[-1] + 2.5:
            await asyncio.sleep(0)
        running -= 1

    run_at(clock, slow, 1000, [1.0, 2.0, 3.0, 3.6, 4.0, 5.0, 6.6, 7.0, 9.6])
    assert starts == [1.0, 4.0, 7.0]
    assert not running


@pytest.mark.parametrize(("dice", "expected"), [(0.0, 0.75), (0.5, 1.0), (0.999999, 1.25)])
def test_jitter(clock: Clock, monkeypatch: pytest.MonkeyPatch, dice: float, expected: float) -> None:
    monkeypatch.setattr("random.random", lambda: dice)
    seen: list[float] = []
    run_at(clock, lambda: seen.append(clock.now), 1000, [expected - 0.01, expected], jitter=0.5)
    assert seen == [expected]


def test_what_it_raises_is_logged_and_the_calls_go_on(clock: Clock, expect_log: ExpectLog) -> None:
    calls = 0

    def fail() -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise KeyError("x")
        if calls == 2:
            return dummy_executor.submit(divmod, 1, 0)
        if calls == 3:
            raise asyncio.CancelledError
        return None

    with expect_log("halny.application", "Exception in callback", count=2):
        run_at(clock, fail, 1000, [1.0, 2.0, 3.0, 4.0])
    assert calls == 4


def test_stop_and_start_again(clock: Clock) -> None:
    seen: list[float] = []

    async def main() -> None:
        periodic = PeriodicCallback(lambda: seen.append(clock.now), 1000)
        assert not periodic.is_running()
        periodic.start()
        periodic.start()
        assert periodic.is_running()
        await clock.advance_to(1.0)
        periodic.stop()
        periodic.stop()
        assert not periodic.is_running()
        await clock.advance_to(3.0)
        periodic.start()
        await clock.advance_to(3.5)
        await clock.advance_to(4.0)
        periodic.stop()

    clock.run_until_complete(main())
    assert seen == [1.0, 4.0]


def test_a_restart_while_a_call_is_under_way_waits_for_it(clock: Clock) -> None:
    starts: list[float] = []
    gate = asyncio.Event()

    async def slow() -> None:
        starts.append(clock.now)
        await gate.wait()

    async def main() -> None:
        periodic = PeriodicCallback(slow, 1000)
        periodic.start()
        await clock.advance_to(1.0)
        periodic.stop()
        periodic.start()
        await clock.advance_to(2.5)
        assert starts == [1.0]
        gate.set()
        await clock.advance_to(2.6)
        await clock.advance_to(3.0)
        periodic.stop()

    clock.run_until_complete(main())
    assert starts == [1.0, 3.0]


def test_stopping_itself(clock: Clock) -> None:
    calls: list[float] = []

    def once() -> None:
        calls.append(clock.now)
        periodic.stop()

    periodic = PeriodicCallback(once, 1000)

    async def main() -> None:
        periodic.start()
        await clock.advance_to(1.0)
        await clock.advance_to(2.0)

    clock.run_until_complete(main())
    assert calls == [1.0]


@pytest.mark.parametrize("period", [0, -1, float("nan"), dt.timedelta(0)])
def test_a_period_must_be_positive(period: Any) -> None:
    with pytest.raises(ValueError, match="positive"):
        PeriodicCallback(print, period)


def test_a_timedelta_is_kept_in_milliseconds() -> None:
    assert PeriodicCallback(print, dt.timedelta(seconds=1.5)).callback_time == 1500


def test_what_ends_the_program_does_not_end_the_calls(clock: Clock) -> None:
    calls: list[float] = []

    def interrupt() -> None:
        calls.append(clock.now)
        if len(calls) == 1:
            raise KeyboardInterrupt

    async def main() -> None:
        await clock.advance_to(clock.now + 1.0)

    async def start() -> PeriodicCallback:
        periodic = PeriodicCallback(interrupt, 1000)
        periodic.start()
        return periodic

    periodic = clock.run_until_complete(start())
    with pytest.raises(KeyboardInterrupt):
        clock.run_until_complete(main())
    periodic.stop()
    clock.run_until_complete(asyncio.wait(asyncio.all_tasks(clock)))
    clock.run_until_complete(asyncio.sleep(0))
    periodic.start()
    clock.run_until_complete(main())
    periodic.stop()
    assert calls == [1.0, 2.0]
