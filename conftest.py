"""What holds for every test of every package, whether run from the sources or against an installed wheel.

A test fails if, from its first fixture's set-up to its last one's tear-down, it

- logs a line at WARNING or above, on any logger, that it does not expect,
- causes a warning (`filterwarnings = ["error"]`), or an exception in a finaliser,
- leaves a task pending when its loop closes, or a socket, pipe or selector open.

What a test can ask for:

`expect_log(logger, pattern, level=None, *, count=None)`, a fixture
:   A context manager. Lines of `logger` (and of loggers below it) whose message `pattern` (a regular expression) is
    found in are expected inside the block: at least one, or exactly `count`. With `level` they must have just that
    level, and a level that is off (INFO for `halny.access`) is switched on inside the block. Its value is the list of
    records, to look at `exc_info` and so on:

        async def test_a_handler_that_raises(expect_log: ExpectLog) -> None:
            with expect_log("halny.application", "uncaught exception", logging.ERROR, count=1) as records:
                ...

    The line must come before the block ends, so the block waits for whatever logs it.

`caplog`, pytest's own fixture
:   A test that uses it looks at the log itself: lines logged before the test function returns are not counted.

`@pytest.mark.leaves_tasks("why")`
:   For a test of what happens to tasks that are pending when a loop is closed.

`@pytest.mark.needs("nginx", ...)` and the fixture `program("nginx")`
:   The test needs an outside program, and gets its path. Where that is missing the test is skipped and counted at the
    end; with `HALNY_REQUIRE_PEERS=1` it fails. The known programs are in `tools/strict_tests/programs.py`.

For annotations: `if TYPE_CHECKING: from tools.strict_tests.logs import ExpectLog`.
"""

from hypothesis import settings

# Hypothesis fails an example that takes longer than 200 ms, which says more of the machine than of what is tested.
settings.register_profile("halny", deadline=None)
settings.load_profile("halny")

pytest_plugins = [
    "tools.strict_tests.leaks",
    "tools.strict_tests.logs",
    "tools.strict_tests.programs",
]
