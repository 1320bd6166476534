"""Feeds HTTP/1.1's readers and the server what nobody should send, for as long as it is told to.

    tools/hatch run fuzz -- --seconds 60
    tools/hatch run fuzz -- --rounds 5000 --seed 7

Good messages are mutated, cut, repeated and run together, and three targets get the result: the reader of heads, the
reader of chunked bodies, and a server's connection on a transport in memory. What must hold is asserted:

- nothing but `HTTPRefusal` comes out of a reader, and a reader that has read other heads judges as a new one does;
- what comes in pieces means what it means in one;
- no request is answered twice, and none is handed over that the bytes do not hold;
- nothing behind a refused message is read as a request, and the refusal is a whole response, and the last.

By default a random generator leads the way. Coverage does in an environment that has
[atheris](https://github.com/google/atheris):

    tools/hatch run atheris:fuzz -- --atheris --seconds 60

A failure prints the input that caused it, and the seed that leads to it.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from halny.http import ChunkedBody, Endpoint, EndpointSource, HeadBuffer, HeadReader, HTTPRefusal, Limits
from halny.httpserver._protocol import HTTPProtocol
from halny.httpserver._settings import ServerSettings

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from halny.http import HTTPServerRequest

MESSAGES = (
    b"GET /a?b=c HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive\r\nAccept: */*\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nabcde",
    b"PUT / HTTP/1.1\r\nX: y\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nT: u\r\n\r\n",
    b"GET http://a/b HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"BREW / HTTP/1.1\r\nHost: [::1]:80\r\nProxy-Connection: close\r\nIf-None-Match: *\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
    b"3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
)

PIECES = (
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"\t", b"\0", b"\x0b", b":", b",", b";", b"#", b"/", b"*", b"%", b"\xff",
    b"0", b"-1", b"ffffffffffffffff", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"GET / ", b"Host: b\r\n", b"host :a\r\n",
    b"Content-Length: 3\r\n", b"content-length: +3\r\n", b"Transfer-Encoding: chunked\r\n", b"connection: close\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n", b" folded\r\n", b"0\r\n\r\n",
)  # fmt: skip

REFUSALS = frozenset({400, 408, 413, 414, 417, 431, 503, 505})

ANSWER = re.compile(rb"HTTP/1\.1 ([0-9]{3}) [^\r\n]*\r\n(?:[^\r\n:]+: [^\r\n]*\r\n)*\r\n")

MAX_INPUT = 1000
"""Bytes of an input that atheris makes: with several messages, and over the limits."""

LIMITS = Limits(max_header_size=400, max_header_count=12, max_target_size=100, max_body_size=64)
"""Small, so that inputs of a few hundred bytes reach them."""


def mutated(source: random.Random) -> bytes:
    """Return one or more messages, with a few bytes changed."""
    data = bytearray(b"".join(source.choices(MESSAGES, k=source.choice((1, 1, 2, 4)))))
    for _ in range(source.randrange(5)):
        place = source.randrange(len(data) + 1)
        match source.randrange(5):
            case 0:
                del data[place : place + source.randrange(1, 9)]
            case 1:
                data[place:place] = source.randbytes(source.randrange(1, 4))
            case 2:
                data[place:place] = data[place : place + source.randrange(200)]
            case _:
                data[place:place] = source.choice(PIECES)
    return bytes(data)


def pieces(data: bytes, source: random.Random) -> list[bytes]:
    """Return the data in a few pieces, in single bytes, or in one."""
    size = source.choice((1, 7, 50, 10_000))
    return [data[start : start + size] for start in range(0, len(data), size)]


# The readers

_shared = HeadReader(LIMITS)


def _known(status: int, statuses: frozenset[int]) -> int:
    assert status in statuses, f"refused with {status}"
    return status


def _judge(reader: HeadReader, head: bytes) -> object:
    try:
        accepted = reader.read(head)
    except HTTPRefusal as refusal:
        return _known(refusal.status, REFUSALS)
    assert head.count(b"\r") == head.count(b"\n") == head.count(b"\r\n"), "a line that not everybody sees as one"
    assert accepted.uri.isprintable(), accepted.uri
    assert not (accepted.chunked and accepted.content_length), "two framings"
    return {name: value for name, value in vars(accepted).items() if name != "_start_time"} | {
        "headers": list(accepted.headers.get_all())
    }


def fuzz_heads(data: bytes, source: random.Random) -> None:
    """Read a head in one and in pieces, by a reader that is used and by a new one."""
    _judge(_shared, data[:600])  # whatever it is, the reader survives it
    end = data.find(b"\r\n\r\n") + 4
    if end < 4 or data.startswith(b"\r"):
        return
    head = data[:end]
    expected = _judge(HeadReader(LIMITS), head)
    assert _judge(_shared, head) == expected
    buffer = HeadBuffer(LIMITS)
    for piece in pieces(data, source):
        try:
            complete = buffer.feed(piece)
        except HTTPRefusal:
            assert isinstance(expected, int), "in pieces it is refused, in one it is not"
            return
        if complete is not None:
            assert complete[0] == head
            return
    raise AssertionError("in pieces the head has no end")


def _read_chunks(parts: list[bytes]) -> tuple[bytes, bytes | None] | int:
    body = ChunkedBody(LIMITS.max_body_size, LIMITS)
    content: list[bytes] = []
    rest = b""
    for part in parts:
        if body.complete:
            rest += part
            continue
        try:
            content += body.feed(part)
            while body.pending:
                content += body.feed(b"")
        except HTTPRefusal as refusal:
            return _known(refusal.status, frozenset({400, 413}))
        rest = body.rest
    assert sum(map(len, content)) == body.received <= LIMITS.max_body_size
    return b"".join(content), rest if body.complete else None


def fuzz_chunks(data: bytes, source: random.Random) -> None:
    """Read a chunked body in one and in pieces."""
    start = data.find(b"\r\n\r\n") + 4 if source.random() < 0.5 else 0
    data = data[max(start, 0) :]
    assert _read_chunks(pieces(data, source)) == _read_chunks([data])


# The server


class Transport(asyncio.Transport):
    """Keeps what is written, and takes what the server does to it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.written = b""
        self.closed = False
        self.half_closed = False

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        assert not self.closed, "written after the end"
        assert not self.half_closed, "written after the last response"
        self.written += bytes(data)

    def write_eof(self) -> None:
        self.half_closed = True

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...


class Echo(Endpoint):
    """Answers with what it was asked for, at once or in a later turn."""

    def __init__(self, request: HTTPServerRequest, *, waits: bool) -> None:
        self._request = request
        self._waits = waits

    def run(self) -> Coroutine[Any, Any, None] | None:
        if self._waits:
            return self._answer_later()
        self._answer()
        return None

    async def _answer_later(self) -> None:
        await asyncio.sleep(0)
        self._answer()

    def _answer(self) -> None:
        connection = self._request.connection
        assert connection is not None
        body = b"yes:%d" % len(self._request.body)
        connection.respond(200, "OK", b"Content-Length: %d\r\n" % len(body), body)


class Source(EndpointSource):
    """Counts the requests that are handed over."""

    def __init__(self, *, waits: bool) -> None:
        self.requests: list[HTTPServerRequest] = []
        self._waits = waits

    def find_endpoint(self, request: HTTPServerRequest) -> Endpoint:
        self.requests.append(request)
        return Echo(request, waits=self._waits)


async def serve(parts: list[bytes], *, waits: bool) -> tuple[list[int], Source]:
    """Send the parts to a server's connection, and return the statuses that it answers with."""
    source = Source(waits=waits)
    loop = asyncio.get_running_loop()
    protocol = HTTPProtocol(loop, ServerSettings(source, limits=LIMITS))
    transport = Transport()
    protocol.connection_made(transport)
    for part in parts:
        if transport.closed:
            break
        protocol.data_received(part)
    for _ in range(64 if waits else 12):  # turns: more than the requests of one input take, five for each that waits
        await asyncio.sleep(0)
    protocol.connection_lost(None)
    await asyncio.sleep(0)
    return statuses(transport.written, source.requests), source


def statuses(written: bytes, requests: list[HTTPServerRequest]) -> list[int]:
    """Take the responses apart, which must be whole, and as many as there are requests and a refusal."""
    found: list[int] = []
    position = 0
    while position < len(written):
        match = ANSWER.match(written, position)
        assert match is not None, f"no response at {position} of {written!r}"
        status = int(match[1])
        position = match.end()
        if status == 100:
            continue
        lengths = re.findall(rb"Content-Length: ([0-9]+)", match[0])
        method = requests[len(found)].method if len(found) < len(requests) else ""
        found.append(status)
        if method == "CONNECT" and status == 200:  # which has no length, and ends HTTP on its connection
            assert not lengths, match[0]
            assert position == len(written), "something was answered after a CONNECT"
            break
        assert len(lengths) == 1, match[0]
        position += 0 if method == "HEAD" else int(lengths[0])
    assert position == len(written), f"the last response is cut off in {written!r}"
    refusals = [status for status in found if status != 200]
    assert set(refusals) <= REFUSALS, found
    assert not refusals or refusals == found[-1:], "something was answered after a refusal"
    assert found.count(200) <= len(requests), "a request was answered twice"
    assert len(requests) <= found.count(200) + 1, "a request was handed over after one that has no answer"
    return found


def fuzz_server(data: bytes, source: random.Random, runner: asyncio.Runner) -> None:
    """Let a server answer a stream, in pieces and in one: it answers the same."""
    waits = source.random() < 0.3
    split, by_pieces = runner.run(serve(pieces(data, source), waits=waits))
    whole, at_once = runner.run(serve([data], waits=waits))
    # In pieces a refusal may come sooner, before a body's end would have been there.
    assert split == whole or [status == 200 for status in split] == [status == 200 for status in whole], (split, whole)
    answered = split.count(200)
    assert [repr(request) for request in by_pieces.requests[:answered]] == [
        repr(request) for request in at_once.requests[:answered]
    ]


# Running


def one(data: bytes, source: random.Random, runner: asyncio.Runner) -> None:
    """Give one input to every target."""
    if data:
        fuzz_heads(data, source)
        fuzz_chunks(data, source)
        fuzz_server(data, source, runner)


def run(*, seed: int, rounds: int | None = None, seconds: float | None = None) -> int:
    """Run until a number of rounds or of seconds is over.

    Args:
        seed: where the random generator begins.
        rounds: how many inputs, or None for as many as the time allows.
        seconds: how long, or None for as long as the rounds take.

    Returns:
        How many inputs there were.
    """
    deadline = time.monotonic() + seconds if seconds is not None else None
    count = 0
    with asyncio.Runner() as runner:
        while (rounds is None or count < rounds) and (deadline is None or time.monotonic() < deadline):
            source = random.Random(seed + count)
            data = mutated(source)
            try:
                one(data, source, runner)
            except BaseException:
                print(f"seed {seed + count}: {data!r}", file=sys.stderr)
                raise
            count += 1
    return count


def run_atheris(*, seed: int, rounds: int | None, seconds: float | None, rest: list[str]) -> int:
    """Let atheris choose the inputs, in a process of its own, which begins with the good messages.

    Args:
        seed: where it begins.
        rounds: how many inputs, or None for as many as the time allows.
        seconds: how long, or None for as long as the rounds take.
        rest: further options, which are libFuzzer's.

    Returns:
        The status of the process: 0 if nothing was wrong.
    """
    if importlib.util.find_spec("atheris") is None:
        print(
            "--atheris needs atheris, which this environment has not: tools/hatch run atheris:fuzz has", file=sys.stderr
        )
        return 2
    options = [f"-seed={seed % 2**32 or 1}", f"-max_len={MAX_INPUT}"]  # libFuzzer takes 0 for "anywhere"
    if rounds is not None:
        options.append(f"-runs={rounds}")
    if seconds is not None:
        options.append(f"-max_total_time={max(1, round(seconds))}")
    with tempfile.TemporaryDirectory() as folder:
        corpus, words = Path(folder, "corpus"), Path(folder, "words")
        corpus.mkdir()
        for number, message in enumerate((*MESSAGES, b"".join(MESSAGES[:2]), b"".join(MESSAGES[2:4]))):
            (corpus / str(number)).write_bytes(message)
        words.write_text("".join('"' + "".join(f"\\x{byte:02x}" for byte in piece) + '"\n' for piece in PIECES))
        options += [f"-dict={words}", f"-artifact_prefix={folder}/", *rest, str(corpus)]
        command = [sys.executable, "-m", "tools.fuzz_atheris", *options]
        return subprocess.run(command, cwd=Path(__file__).parents[1], check=False).returncode


def main() -> None:
    parser = argparse.ArgumentParser(description="Feed HTTP/1.1's readers and the server what nobody should send.")
    parser.add_argument("--seconds", type=float, help="how long to go on")
    parser.add_argument("--rounds", type=int, help="how many inputs to try")
    parser.add_argument("--seed", type=int, help="where to begin; by default anywhere")
    parser.add_argument("--atheris", action="store_true", help="let atheris choose; what follows -- is for it")
    parser.add_argument("rest", nargs="*", metavar="OPTION", help="libFuzzer's, for atheris")
    options = parser.parse_args()
    if options.rest and not options.atheris:
        parser.error(f"unknown arguments {options.rest}")
    seed = random.randrange(2**32) if options.seed is None else options.seed
    seconds = 10.0 if options.seconds is None and options.rounds is None else options.seconds
    if options.atheris:
        status = run_atheris(seed=seed, rounds=options.rounds, seconds=seconds, rest=options.rest)
        if status:
            raise SystemExit(status)
        print(f"atheris began with seed {seed}, and found nothing wrong")
    else:
        print(f"{run(seed=seed, rounds=options.rounds, seconds=seconds)} inputs from seed {seed}, and nothing wrong")


if __name__ == "__main__":
    main()
