"""Workers and child programs: `halny.iostream.process` under the name that users of Tornado know."""

from halny.iostream.process import (
    DEFAULT_MAX_RESTARTS,
    CalledProcessError,
    Subprocess,
    cpu_count,
    fork_processes,
    gen_log,
    hexlify,
    task_id,
)

__all__ = [
    "DEFAULT_MAX_RESTARTS",
    "CalledProcessError",
    "Subprocess",
    "cpu_count",
    "fork_processes",
    "gen_log",
    "hexlify",
    "task_id",
]
