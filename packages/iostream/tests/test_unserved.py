from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio
from halny.ioloop import IOLoop
from halny.iostream.netutil import bind_sockets
from halny.iostream.tcpserver import TCPServer

server = TCPServer()

async def main():
    pass

async def listen():
    server.listen(0, "127.0.0.1")

"""

TELLS = """server.listen(0, "127.0.0.1")
asyncio.run(main())"""

TELLS_NOTHING = [
    'server.listen(0, "127.0.0.1")\nIOLoop.current().run_sync(main)',
    'server.listen(0, "127.0.0.1")\nIOLoop.current().add_callback(IOLoop.current().stop)\nIOLoop.current().start()',
    'server.listen(0, "127.0.0.1")\nserver.stop()\nasyncio.run(main())',
    'server.bind(0, "127.0.0.1")\nasyncio.run(main())',
    "asyncio.run(listen())",
]


def run(program: str) -> str:
    ended = subprocess.run([sys.executable, "-c", PROGRAM + program], capture_output=True, text=True, check=True)
    assert ended.stdout == ""
    return ended.stderr


def test_a_server_whose_loop_never_ran_is_named_at_the_end() -> None:
    told = run(TELLS)
    assert told.startswith("nobody was served on ('127.0.0.1', ")
    assert "asyncio.run() makes a loop of its own" in told


@pytest.mark.parametrize("program", TELLS_NOTHING)
def test_nothing_is_said_of_servers_that_are_served_or_stopped(program: str) -> None:
    assert "nobody was served" not in run(program)
