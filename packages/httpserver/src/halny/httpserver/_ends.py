"""How a connection ends, and when it has waited long enough.

Every end with something unread behind it lingers: to close while the peer has sent what nobody read would make the
kernel send a reset, which may destroy the response on its way (RFC 9112, section 9.6). There is no timer here:
`look` is called by the server's sweep once `deadline` is past.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from halny.http import HTTPRefusal

from ._clock import BodyClock
from ._connection import ResponseState
from ._progress import NOTHING_LEFT, progress
from ._refusal import refusal_response
from ._states import State
from ._writing import NEVER, WritingConnection

if TYPE_CHECKING:
    from ._connection import RequestConnection
    from ._progress import Progress
    from ._upload import Upload

general_log = logging.getLogger("halny.general")

# Why a request is answered by the server itself, as the log says it.
MALFORMED: Final = "malformed HTTP message"
REFUSED: Final = "refused request"
SLOW: Final = "slow request"
TURNED_AWAY: Final = "refused connection"


class ConnectionEnds(WritingConnection):
    """The part of a connection that ends it."""

    __slots__ = ()

    def _refuse(self, refusal: HTTPRefusal, reason: str | None = MALFORMED) -> None:
        """Answer what can't be served, and end the connection. Without a reason it has been logged already."""
        if reason is not None:
            if reason is MALFORMED and refusal.status != 400:
                reason = REFUSED  # such as a body over its limit (413), which is well-formed
            general_log.info("%s from %s: %s", reason, self.context, refusal)
        answer = self._answer
        if answer is not None and answer.state is not ResponseState.EMPTY:
            self.close()  # half of another response is on its way; the peer must see that it is broken off
            return
        head_only = answer is not None and answer.method == "HEAD"
        self.send(refusal_response(refusal.status, head_only=head_only))
        if answer is not None:
            answer.mark_finished()
        self._end(linger=True)

    def _end(self, *, linger: bool) -> None:
        """End the connection after what has been written: at once, or as soon as the peer has read it."""
        self._flush()
        self._forget_request()
        self._held = b""
        self._state = State.LINGERING
        self.deadline = self._settings.now + self._settings.timeouts.linger + 1.0  # `now` is up to a second old
        if not linger:
            if not self._transport.is_closing():  # asyncio's over TLS could not be aborted any more, if closed twice
                self._transport.close()
            return
        self.resume_reading()
        if self._transport.can_write_eof() and not self._transport.is_closing():
            try:
                self._transport.write_eof()
            except OSError:  # the peer has gone away, and the kernel knows it before the loop does
                self._transport.abort()
        # With TLS only a whole connection can be closed: it is, when the peer has read the response or after a while.

    def close(self) -> None:
        """Close the connection; what has been written is still sent, and no further request is read.

        Within a response this breaks it off: its end is missing, and those before it are whole.
        """
        state = self._state
        if state is State.CLOSED or state is State.DETACHED or self._transport.is_closing():
            return
        is_sending = not (state is State.IDLE or state is State.ANSWERING) or self._body_due or bool(self._held)
        self._flush()
        if is_sending or self._ahead is not None or self._transport.can_write_eof():
            self._leave_to_linger()
            return
        # With TLS a half can't be closed, and the peer would not see the end: so it is closed where that does no harm.
        self._transport.close()
        self._read_no_more()
        self.deadline = self._settings.now + 1.0  # longer, while the peer takes what it was sent

    def _leave_to_linger(self) -> None:
        """End the connection now, and let somebody else end its transport."""
        from ._lingering import ClosedTransport, Lingering  # which knows this module

        transport, self._transport = self._transport, ClosedTransport()
        Lingering(self._loop, self._settings, transport, self.context).begin()
        self._settings.connections.discard(self)  # it counts in this one's place
        self._read_no_more()
        self.deadline = NEVER
        self._loop.call_soon(self.connection_lost, None)

    def _read_no_more(self) -> None:
        if self._answer is not None:
            self._answer.no_keep_alive = True
        if self._state is not State.ANSWERING:  # an answer's endpoint is still to be told
            self._state = State.LINGERING
            self._held = b""

    def close_for(self, answer: RequestConnection) -> None:
        """Close the connection in the name of a request, unless it serves another one by now."""
        if self._answer is answer or self._answer is None:
            self.close()

    def close_after_answer(self) -> None:
        """Take no further request: close now if none is being answered, else after the response."""
        if self.is_idle:
            self._end(linger=False)
        elif self._answer is not None:
            self._answer.no_keep_alive = True

    @property
    def is_idle(self) -> bool:
        """Whether no request is being read or answered; half an empty line is none."""
        return self._state is State.IDLE and not self._held.strip(b"\r\n")

    def _forget_request(self) -> None:
        self._answer = self._request = self._endpoint = self._context = None
        if self._body_due:
            self._body_due = False
            self._body = self._collected = self._clock = None
        self._head = None
        upload, self._upload = self._upload, None
        if upload is not None:
            upload.stop()

    def upload_refused(self, upload: Upload, refusal: HTTPRefusal, reason: str = MALFORMED) -> None:
        """The streamed body is malformed, too large or too slow. Called by the `Upload`."""
        if upload is self._upload and self._state is State.ANSWERING:
            endpoint, context = self._endpoint, self._context
            self._refuse(refusal, reason)
            if self._endpoint is None and endpoint is not None and context is not None:  # else it is told later
                self._loop.call_soon(endpoint.on_connection_close, context=context)

    # Timeouts

    def set_body_timeout(self, answer: RequestConnection, timeout: float | None) -> None:
        """Set how long the body of a request may take, in seconds from now; None for no limit."""
        if answer is not self._answer or not self._body_due:
            return
        now = self._loop.time()
        self._clock = BodyClock(now, timeout, self._settings.timeouts)
        self.deadline = self._clock.next_look(now)

    def set_max_body_size(self, answer: RequestConnection, max_body_size: int) -> None:
        """Set how large the body of a request may be, while none of it has been read."""
        if answer is self._answer:
            self._max_body_size = max_body_size

    def look(self, now: float) -> None:
        """Do what is due at `deadline`. Called by the server's sweep."""
        state = self._state
        left, mark = self._progress(state)
        is_behind, was_behind = left > 0 or self._writing_paused, self._stall is not None
        if not is_behind:
            self._stall = None
        if is_behind and self._is_stuck(now, mark):
            general_log.info("%s has taken nothing of its response for too long", self.context)
            self.abort()
        elif self._clock is not None:
            self._look_at_body(now, self._clock)
        elif is_behind:
            # A response is on its way, which takes as long as it takes. What the state waits for begins after it.
            self.deadline = now + 1.0
        else:
            if was_behind:
                self._wait_anew()
            if self.deadline <= now:
                self._look_at_state(state)

    def excuse(self, now: float, gap: float) -> None:
        """Leave time in which the loop did not run out of every account.

        Args:
            now: the loop's time.
            gap: how long it did not run, in seconds.
        """
        self.deadline += gap
        if self._clock is not None:
            self._clock.pause(now)
            self.deadline = self._clock.next_look(now)
        if self._stall is not None:
            mark, since = self._stall
            self._stall = mark, since + gap

    @property
    def waits_unread(self) -> bool:
        """Whether an endpoint works on a request that is complete, while nothing is read of what lies behind it."""
        return self._reading_paused and self._state is State.ANSWERING and self._upload is None

    def _wait_anew(self) -> None:
        """Let the time of what is waited for begin, now that the peer has taken what was in its way.

        While it has not, `deadline` is for a look at the peer's progress, and not the state's own.
        """
        state, settings = self._state, self._settings
        if state is State.LINGERING:
            self.deadline = settings.now + settings.timeouts.linger
        elif self._transport.is_closing() or self._clock is not None:
            return  # the transport's end is near, or the body goes by its own time
        elif state is State.IDLE:
            self.deadline = settings.idle_deadline
        elif state is State.HEAD:
            self.deadline = settings.now + settings.timeouts.header
        elif state is State.ANSWERING:
            self.deadline = NEVER

    def _progress(self, state: State) -> Progress:
        """Return how far the peer is, and whether there is anything that this connection has to wait for.

        What only the kernel holds arrives without us, too, and is no reason to wait: unless it may hide what is below
        TLS, or would be lost to a reset, when the connection is closed and the peer is still sending.
        """
        if state is State.CLOSED or state is State.DETACHED:
            return NOTHING_LEFT
        transport = self._transport
        if (
            self._writing_paused
            or state is State.LINGERING
            or transport.get_write_buffer_size()
            or (self._clock is None and not transport.can_write_eof())
        ):
            return progress(transport)
        return NOTHING_LEFT

    def _is_stuck(self, now: float, mark: int) -> bool:
        """Whether the peer has taken nothing of what it was sent for too long."""
        stall = self._stall
        if stall is None or stall[0] != mark:
            self._stall = (mark, now)
            return False
        return now - stall[1] >= self._settings.timeouts.write

    def _look_at_state(self, state: State) -> None:
        if self._transport.is_closing():
            self.abort()  # with TLS the peer's goodbye is missing, and it had its time
        elif state is State.HEAD:
            self._refuse(HTTPRefusal(408, "the head took too long"), SLOW)
        elif state is State.LINGERING:
            self._transport.close()  # with TLS this says goodbye
            self.deadline += self._settings.timeouts.linger
        elif state is State.ANSWERING:
            self.deadline = NEVER
        elif state is State.IDLE:
            self._end(linger=False)

    def _look_at_body(self, now: float, clock: BodyClock) -> None:
        upload = self._upload
        if self._holds_the_peer_up():
            clock.pause(now)
        elif clock.is_slow(now, self._received()):
            refusal = HTTPRefusal(408, "the body took too long")
            if upload is not None:
                self.upload_refused(upload, refusal, SLOW)
            else:
                self._refuse(refusal, SLOW)
            return
        self.deadline = clock.next_look(now)

    def _holds_the_peer_up(self) -> bool:
        """Return whether it is not the peer that the body waits for."""
        upload = self._upload
        if upload is not None and not upload.waits_for_peer:
            return True
        return self._writing_paused or self._reading_paused or bool(self._held)

    def _received(self) -> int:
        body = self._body if self._upload is None else self._upload.body
        return 0 if body is None else body.received
