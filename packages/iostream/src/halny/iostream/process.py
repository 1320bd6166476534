"""Several processes: workers that share listening sockets, and child programs.

process = Subprocess(["sort"], stdin=Subprocess.STREAM, stdout=Subprocess.STREAM)
"""

from __future__ import annotations

from binascii import hexlify  # not of this package, but found here by those who know Tornado
from subprocess import CalledProcessError

from ._core import general_log as gen_log
from ._fork import DEFAULT_MAX_RESTARTS, cpu_count, fork_processes, task_id
from ._subprocess import Subprocess

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
